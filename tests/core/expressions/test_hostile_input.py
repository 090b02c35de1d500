"""Whatever is written in a template or comes out of a tool, time and memory stay bounded and no code runs."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import jmespath.parser
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runtime.core.expressions import Context, compile_condition, compile_template, render_vars
from runtime.core.expressions.syntax import LONGEST_EXPRESSION
from runtime.errors import ExpressionError

CONTEXT = Context(
    now=datetime(2026, 1, 5, tzinfo=UTC),
    params={"x": "ab", "list": [1, 2], "long": "a" * 100_000, "many": ["a"] * 1000},
)


def fails(value: Any, context: Context = CONTEXT, **options: int) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        compile_template(value).render(context, **options)
    return caught.value


def test_an_expression_has_at_most_four_kibibytes() -> None:
    fits = "'" + "x" * (LONGEST_EXPRESSION - 2) + "'"

    assert compile_template(f"${{{fits}}}").render(CONTEXT) == fits[1:-1]
    assert fails(f"${{{fits} }}").message == (
        "the expression has 4097 characters; at most 4096 are allowed"
    )


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 2000 + "params.x" + ")" * 2000,
        "!" * 4000 + "params.x",
        "[" * 2000 + "params.x" + "]" * 2000,
        "{a:" * 1000 + "params.x" + "}" * 1000,
        "params.list" + "[*]" * 1300,
        "params.list" + "[]" * 2000,
        "params.list" + "[?@]" * 1000,
        "params.list" + ".*" * 2000,
        "params.x" + "|@" * 2000,
        "params.x" + "||@" * 1300,
        "params.x" + "==`1`" * 800,
        "length(" * 550 + "params.x" + ")" * 550,
        "map(&" * 600 + "params.x" + ",params.list)" * 10,
        "`" + "[" * 2000 + "]" * 2000 + "`",
        "`" + "[" * 100 + "]" * 100 + "`",
    ],
)
def test_nesting_is_bounded_in_every_direction_the_grammar_grows(expression: str) -> None:
    error = fails(f"${{{expression}}}")

    assert error.code == "ORD501"
    assert len(error.message) < 300


def test_a_long_chain_of_fields_is_not_nesting() -> None:
    value: Any = 1
    for _ in range(1000):
        value = {"a": value}

    assert (
        compile_template("${params" + ".a" * 1000 + "}").render(
            Context(now=CONTEXT.now, params=value)
        )
        == 1
    )


def test_the_nesting_of_a_templated_value_is_bounded() -> None:
    value: Any = "${params.x}"
    for _ in range(5000):
        value = [value]

    assert fails(value).message == "nested deeper than 64 levels"
    assert render_vars(value, {}) is not None


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    "expression",
    [
        "[params.x, params.x]" + " | [@,@]" * 60,
        "{a: params.x, b: params.x}" + " | {a: @, b: @}" * 50,
        "params.list" + " | [@,@][]" * 30,
        "params.x" + " | join('', [@,@])" * 60,
        "params.x" + " | to_string([@,@])" * 60,
        "params.x" + " | to_json(@)" * 60,
        "params.many | map(&`" + '"' + "x" * 3000 + '"`, @)' + " | map(&[@,@,@,@,@,@,@,@], @)",
        "params.many | join(to_string(@), @)",
        "params.long | replace(@, 'a', @)",
        "replace(params.x, '', params.long) | replace(@, '', @)",
        "[params.long, params.long] | [@,@,@,@,@,@,@,@,@,@,@,@,@,@,@,@,@,@,@,@]",
    ],
)
def test_a_short_expression_cannot_build_a_huge_value(expression: str) -> None:
    template = compile_template(f"${{{expression}}}")

    with pytest.raises(ExpressionError) as caught:
        template.render(CONTEXT)

    assert caught.value.code in {"ORD503", "ORD506"}
    # With a smaller limit, because counting every allocation is slow.
    peak = peak_memory(lambda: failure(lambda: template.render(CONTEXT, limit=100_000)))
    assert peak < 16 * 1024 * 1024


def test_what_is_rendered_may_have_a_mebibyte_unless_told_otherwise() -> None:
    value = ["${params.long}"] * 11

    assert fails(value).code == "ORD506"
    assert fails(value).path == (10,)
    assert fails("${params.long}", limit=100_001).code == "ORD506"
    assert compile_template("${params.long}").render(CONTEXT, limit=100_002)
    assert compile_template(value).render(CONTEXT, limit=2_000_000)


def test_the_limit_counts_fixed_parts_and_text_too() -> None:
    assert fails("x" * 100, limit=99).code == "ORD506"
    assert fails({"k" * 100: 1}, limit=99).code == "ORD506"
    assert fails("x" * 90 + "${params.many[0:3]}", limit=99).code == "ORD506"
    assert compile_template({"k": [1, "${params.list}"]}).render(CONTEXT, limit=30)


def test_a_deeply_nested_result_cannot_break_the_interpreter() -> None:
    deep: Any = 1
    other: Any = 1
    for _ in range(50_000):
        deep, other = [deep], [other]
    context = Context(now=CONTEXT.now, params={"deep": deep, "other": other})

    assert compile_template("${params.deep}").render(context) is deep
    assert fails("text ${params.deep}", context).message == (
        "params.deep cannot be evaluated: a value is nested too deeply"
    )
    assert fails("${to_json(params.deep)}", context).code == "ORD503"
    assert fails("${params.deep == params.other}", context).code == "ORD503"


def test_names_in_an_error_are_bounded() -> None:
    hostile = {f"{number:03}" + "x" * 10_000: 1 for number in range(500)}

    error = fails("${params.y}", Context(now=CONTEXT.now, params=hostile))

    assert len(str(error)) < 800
    assert "and 488 more" in error.message


@pytest.mark.parametrize(
    "expression",
    [
        "params.x.__class__",
        "params.__class__",
        "params.x.format",
        "params.list.append",
        "now.__class__",
        "steps.items",
        "params.keys",
        '"__class__".x',
        "run.get",
    ],
)
def test_attributes_of_python_objects_cannot_be_reached(expression: str) -> None:
    assert fails(f"${{{expression}}}").code in {"ORD501", "ORD502"}


def test_compiling_leaves_nothing_in_the_parser_s_global_cache() -> None:
    jmespath.parser.Parser.purge()

    for number in range(100):
        compile_condition(f"params.x == '{number}'")

    assert jmespath.parser.Parser._CACHE == {}


def test_memory_is_given_back_with_the_template() -> None:
    def compile_many(count: int) -> None:
        for number in range(count):
            compile_template(f"${{params.x == '{number}' || format_time(now, '%H', 'UTC')}}")
        gc.collect()

    compile_many(50)
    tracemalloc.start()
    compile_many(500)
    left, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert left < 200_000


def failure(attempt: Callable[[], object]) -> ExpressionError | None:
    """What the attempt fails with; any other exception than ours goes through."""
    try:
        attempt()
    except ExpressionError as error:
        return error
    return None


def peak_memory(act: Callable[[], object]) -> int:
    """Bytes that `act` holds at its worst moment."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


GRAMMAR = [
    "params", "steps", "now", "x", ".", "[", "]", "[?", "[]", "*", "(", ")", "{", "}", ":", ",", "@", "&", "!",
    "|", "||", "&&", "==", "<", "'a'", '"b"', "`1`", "`{}`", "'", "`", '"', "0", "-1", "+", "24h", "length",
    "default", "map", "sort_by", "format_time", "secrets", " ", "\\", "$", "é", "\ud800", "\0", "vars", "to_string",
]  # fmt: skip


@given(st.lists(st.sampled_from(GRAMMAR), max_size=12).map("".join))
@example("[")
@example("params[")
@example("{x:")
@example("now+24hparams")
@example("!params.x[?!x.y].z")
def test_any_text_compiles_and_renders_or_fails_with_our_own_error(expression: str) -> None:
    for text in (f"${{{expression}}}", f"a ${{{expression}}} b", expression):
        error = failure(lambda text=text: compile_template([text]).render(CONTEXT))
        assert error is None or (error.path == (0,) and 0 <= (error.position or 0) <= len(text))

    error = failure(lambda: compile_condition(expression).test(CONTEXT))
    assert error is None or 0 <= (error.position or 0) <= len(expression)


@given(st.text(alphabet="${}'\"`\\ax.\n", max_size=30))
def test_any_text_is_cut_into_pieces_that_make_it_up_again(text: str) -> None:
    assert render_vars(text, {"x": 1}) == text
