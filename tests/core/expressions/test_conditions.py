"""Bare conditions: JMESPath's truth, `${...}` around the whole, the tool's answer, and hints for common mistakes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from runtime.core.expressions import (
    ANSWER_ROOTS,
    Context,
    Reference,
    compile_condition,
    references,
    uses_secrets,
)
from runtime.errors import ExpressionError

CONTEXT = Context(
    now=datetime(2026, 1, 5, 6, 30, tzinfo=UTC),
    params={
        "zero": 0,
        "empty": "",
        "list": [],
        "object": {},
        "null": None,
        "no": False,
        "yes": True,
        "text": "x",
    },
    steps={
        "weather": {"temperature": 30, "alert": {"on": False, "levels": [1]}},
        "approval": {"status": "approved"},
    },
)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("params.yes", True),
        ("params.text", True),
        ("params.zero", True),
        ("params.no", False),
        ("params.null", False),
        ("params.empty", False),
        ("params.list", False),
        ("params.object", False),
        ("!params.no", True),
        ("steps.weather.temperature > `25`", True),
        ("steps.weather.temperature > `25` && params.no", False),
        ("steps.weather.temperature > `25.5`", True),
        ("params.text > `1` || params.yes", None),
        ("length(params.list) == `0`", True),
        ("params.text == 'x'", True),
        ("contains(['a', 'x'], params.text)", True),
        ("default(steps.skipped.ok, `false`)", False),
        ("`false`", False),
        (" params.yes ", True),
    ],
)
def test_truth_is_as_jmespath_reads_it(condition: str, holds: bool | None) -> None:
    compiled = compile_condition(condition)

    if holds is None:
        with pytest.raises(ExpressionError, match="ORD503"):
            compiled.test(CONTEXT)
    else:
        assert compiled.test(CONTEXT) is holds


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("!steps.weather.alert.on", True),
        ("!steps.weather.alert", False),
        ("!steps.weather.alert.levels[0]", False),
        ("!steps.weather.alert.levels[?@ > `1`]", True),
        ("!steps.weather.alert.levels[]", False),
        ("!!steps.weather.alert", True),
        ("!steps.weather.alert.on && params.yes", True),
        ("!params.yes == `false`", True),
        ("!params.yes || params.yes", True),
    ],
)
def test_not_negates_the_whole_path_behind_it(condition: str, holds: bool) -> None:
    """jmespath reads `!a.b` as `(!a).b`: always null, so a step would be skipped for ever."""
    assert compile_condition(condition).test(CONTEXT) is holds


@pytest.mark.parametrize(
    "condition",
    [
        "${steps.approval.status == 'approved'}",
        "  ${ steps.approval.status == 'approved' }  ",
        "steps.approval.status == 'approved'",
    ],
)
def test_an_expression_around_the_whole_condition_means_the_same(condition: str) -> None:
    assert compile_condition(condition).test(CONTEXT) is True


@pytest.mark.parametrize(
    ("condition", "position"),
    [("${steps.approval.status} == 'approved'", 0), (" ${params.yes}${params.yes}", 1)],
)
def test_an_expression_around_a_part_of_a_condition_is_refused(
    condition: str, position: int
) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(condition)

    assert caught.value.hint == "write the whole condition without ${...}"
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("condition", "position", "hint"),
    [
        ("steps.w.t > 25", 12, "numbers are written between backticks: > `25`"),
        ("steps.w.t >= -2.5e3", 13, "numbers are written between backticks: >= `-2.5e3`"),
        ("${steps.w.t > 25}", 14, "numbers are written between backticks: > `25`"),
        ("25 < steps.w.t", 0, "numbers are written between backticks: `25`"),
        ("now+24h > 25", 10, "numbers are written between backticks: > `25`"),
        ("steps.l[?x > 25]", 13, "numbers are written between backticks: > `25`"),
        ("params.a = 'x'", 9, "compare with =="),
        ("params.a and params.b", 9, "write && instead of and"),
        ("params.a or params.b", 9, "write || instead of or"),
        ("not params.a", 4, "write ! instead of not"),
        (
            "params.a + `1`",
            9,
            "JMESPath does not calculate; only now takes a span, as in now+24h or now-7d",
        ),
        (
            "now + 1 day",
            4,
            "JMESPath does not calculate; only now takes a span, as in now+24h or now-7d",
        ),
        (
            "params.a ? 'x' : 'y'",
            9,
            "JMESPath has no ?: operator; write condition && this || that",
        ),
        (
            "params.a == ${params.b}",
            12,
            "inside an expression a path stands by itself, without ${...}",
        ),
        ("params.a == `yes`", 12, "text is written in single quotes: 'yes'"),
        ("params.a == `'`", 12, r"text is written in single quotes: '\''"),
        ("params.a ~ 'x'", 9, ""),
        ("params.a )", 9, ""),
        ("params.a == true", 12, "write `true` between backticks"),
        (
            'params.a == "x"',
            13,
            "double quotes name a field; text is written in single quotes: 'x'",
        ),
        ("parms.a", 0, "did you mean params?"),
        (
            "weather.t == 'x'",
            0,
            "a step's result is steps.weather, a parameter params.weather, and text is 'weather'",
        ),
        ("lenght(params.a) > `1`", 0, "did you mean length()?"),
    ],
)
def test_a_common_mistake_is_answered_with_what_was_probably_meant(
    condition: str, position: int, hint: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(condition)

    assert (caught.value.position, caught.value.hint) == (position, hint)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("", "the expression is empty"),
        ("   ", "the expression is empty"),
        ("${}", "the expression is empty"),
        ("params.", "params. cannot be parsed: it ends too early"),
        ("params.a == ", "params.a ==  cannot be parsed: it ends too early"),
        ("length(params.a", "length(params.a cannot be parsed: it ends too early"),
        ("params.a == 'x", "params.a == 'x cannot be parsed: the ' is never closed"),
        ("params..a", "params..a cannot be parsed: unexpected . at character 8"),
        ("foo()", "there is no function foo()"),
        ("length()", "length() takes 1 argument, and got 0"),
        ("not_null()", "not_null() takes at least 1 argument, and got 0"),
        ("default(params.a)", "default() takes 2 arguments, and got 1"),
        ("upper(params.a, 'x')", "upper() takes 1 argument, and got 2"),
        (
            "sort_by(params.a, x)",
            "argument 2 of sort_by() needs an expression such as &price",
        ),
        ("length(&a)", "argument 1 of length() does not take an expression such as &price"),
        ("&params.a", "&... stands only where a function takes an expression"),
        ("params.a[::0]", "the step of a slice cannot be 0"),
        ("`1e999` > `1`", "`1e999` is too large for a number"),
        ("`NaN`", "`NaN` is not JSON"),
        ("now.year", "now is a text: nothing stands below it"),
        ("now+1m1h", "'1m1h': units go from large to small, each once, as in 1d12h30m"),
        ("now+99999w", "'99999w' is longer than a hundred years (36525d)"),
    ],
)
def test_what_can_never_work_is_refused_when_it_is_compiled(condition: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(condition)

    assert caught.value.code == "ORD501"
    assert caught.value.message == message


def test_the_answer_of_a_tool_can_be_named_only_where_there_is_one() -> None:
    answered = Context(now=CONTEXT.now, result={"usage": {"tokens": 7}, "ok": True})

    cost = compile_condition("result.usage.tokens", roots=ANSWER_ROOTS)

    assert cost.evaluate(answered) == 7
    assert compile_condition("result.ok", roots=ANSWER_ROOTS).test(answered) is True
    with pytest.raises(ExpressionError, match="no tool has answered yet"):
        cost.evaluate(CONTEXT)
    with pytest.raises(ExpressionError, match="result is not there; expressions start at"):
        compile_condition("result.ok")


def test_a_condition_tells_what_it_reads() -> None:
    condition = compile_condition("default(steps.a.x, `1`) > `0` && secrets.token")

    assert references(condition) == {
        Reference("steps", ("a", "x"), guarded=True),
        Reference("secrets", ("token",)),
    }
    assert uses_secrets(condition)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (
            "length(steps.missing) > `0`",
            "steps.missing is not there; steps has: approval, weather",
        ),
        (
            "steps.wether.temperature > `25`",
            "steps.wether is not there; steps has: approval, weather",
        ),
    ],
)
def test_a_condition_over_a_missing_path_is_an_error_and_never_silently_false(
    condition: str, message: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(condition).test(CONTEXT)

    assert (caught.value.code, caught.value.message) == ("ORD502", message)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (
            "length(params.zero) > `0`",
            "length(params.zero) > `0` cannot be evaluated: "
            "length() takes string or array or object, and got number",
        ),
        (
            "params.text > `1`",
            "params.text > `1` cannot be evaluated: "
            "a text and a number met; to_number() or to_string() brings them to one type",
        ),
    ],
)
def test_values_of_the_wrong_type_are_an_error_that_names_types(
    condition: str, message: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(condition).test(CONTEXT)

    assert (caught.value.code, caught.value.message) == ("ORD503", message)


def test_every_promised_root_is_a_field_of_the_context() -> None:
    for root in sorted(ANSWER_ROOTS - {"secrets"}):
        template: Any = compile_condition(root, roots=ANSWER_ROOTS)
        assert {r.root for r in template.references} == {root}
        assert hasattr(CONTEXT, root)
