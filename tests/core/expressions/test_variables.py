"""Filling `${vars.x}` at plan time: typed, inert, and nothing else touched."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st

from runtime.core.expressions import (
    Context,
    compile_condition,
    compile_template,
    references,
    render_condition_vars,
    render_vars,
)
from runtime.errors import ExpressionError

VARS = {
    "city": "Chisinau",
    "limit": 25,
    "on": True,
    "nothing": None,
    "tags": ["a", "b"],
    "crm": {"url": "https://crm.example", "key name": "k"},
    "tick": "a`b'c\"d\\e}f",
}
CONTEXT = Context(
    now=datetime(2026, 1, 5, tzinfo=UTC),
    params={"b": "B", "temperature": 30, "list": [{"p": 20}, {"p": 30}]},
)


def fails(value: Any) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        render_vars(value, VARS)
    return caught.value


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("${vars.city}", "Chisinau"),
        ("${vars.limit}", 25),
        ("${vars.on}", True),
        ("${vars.nothing}", None),
        ("${vars.tags}", ["a", "b"]),
        ("${ vars.crm.url }", "https://crm.example"),
        ('${vars.crm."key name"}', "k"),
        ("${vars.tags[-1]}", "b"),
        ("${vars}", VARS),
        ("in ${vars.city}: ${vars.limit} ${vars.nothing} ${vars.tags}", 'in Chisinau: 25 null ["a","b"]'),
        ("${vars.city}/${params.b}", "Chisinau/${params.b}"),
        ({"${vars.city}": ["${vars.limit}", 1, None]}, {"${vars.city}": [25, 1, None]}),
    ],
)  # fmt: skip
def test_a_variable_keeps_its_type_alone_and_is_text_inside_longer_text(
    template: Any, value: Any
) -> None:
    assert render_vars(template, VARS) == value


@pytest.mark.parametrize(
    "text",
    [
        "${secrets.token}",
        "${ params.vars }",
        "${params.vars.city} ${steps . vars}",
        "${now+24h} $${vars.city} $$${vars.city}",
        "${'vars.city'} ${`\"vars.city\"`}",
        '${params."vars.city"}',
        "${{vars: params.b}}",
        "${vars.} ${",
        "${vars.city ||}",
        "${myvars.x}",
        "vars.city",
        "$ {vars.city}",
        "",
    ],
)
def test_every_other_expression_is_left_byte_for_byte(text: str) -> None:
    assert render_vars({"a": [text]}, VARS) == {"a": [text]}


@pytest.mark.parametrize(
    ("template", "filled", "value"),
    [
        ("${vars.city || params.b}", '${`"Chisinau"` || params.b}', "Chisinau"),
        ("${vars.nothing || params.b}", "${`null` || params.b}", "B"),
        ("${upper(vars.city)}", '${upper(`"Chisinau"`)}', "CHISINAU"),
        ("${[vars.limit, params.b]}", "${[`25`, params.b]}", [25, "B"]),
        ("${vars.tags[*]}", '${`["a","b"]`[*]}', ["a", "b"]),
        ("${params.list[?p > vars.limit]}", "${params.list[?p > `25`]}", [{"p": 30}]),
        ("${vars.tags.length(@)}", '${`["a","b"]`.length(@)}', 2),
        (
            "x ${vars . limit == `25`} ${vars.city}",
            "x ${`25` == `25`} Chisinau",
            "x true Chisinau",
        ),
        (
            "${{vars: vars.limit, a: params.vars || params.b}}",
            "${{vars: `25`, a: params.vars || params.b}}",
            None,
        ),
        ("${join('', [vars.tick])}", None, VARS["tick"]),
        ("${default(vars.missing, 'x')}", "${default(vars.missing, 'x')}", "x"),
        ("${default(vars.city, 'x')}", "${default(`\"Chisinau\"`, 'x')}", "Chisinau"),
        ("${vars.crm.{u: url}}", None, {"u": "https://crm.example"}),
        ("${keys(vars)[0]}", None, "city"),
    ],
)
def test_a_variable_inside_an_expression_becomes_a_literal(
    template: str, filled: str | None, value: Any
) -> None:
    rendered = render_vars(template, VARS)

    if filled is not None:
        assert rendered == filled
    if value is not None:
        assert compile_template(rendered).render(CONTEXT) == value


@pytest.mark.parametrize(
    ("template", "message", "hint", "position"),
    [
        (
            "hi ${vars.citty}",
            "the variable vars.citty is not defined; vars has: city, crm, limit, nothing, on, tags, tick",
            "did you mean vars.city?",
            5,
        ),
        (
            "${vars.zzz}",
            "the variable vars.zzz is not defined; vars has: city, crm, limit, nothing, on, tags, tick",
            "define it for this environment in specs/ordinaut.yaml",
            2,
        ),
        (
            "${params.b || vars.crm.uri}",
            "the variable vars.crm.uri is not defined; vars.crm has: key name, url",
            "did you mean vars.crm.url?",
            2,
        ),
        (
            "${default(vars.a, 'x') || vars.a}",
            "the variable vars.a is not defined; vars has: city, crm, limit, nothing, on, tags, tick",
            None,
            2,
        ),
        (
            "${vars.city.x}",
            "the variable vars.city.x is not defined; vars.city is a text",
            None,
            2,
        ),
    ],
)
def test_an_undefined_variable_is_an_error_with_its_place(
    template: str, message: str, hint: str | None, position: int
) -> None:
    error = fails({"a": ["ok", template]})

    assert (error.code, error.message) == ("ORD012", message)
    assert hint is None or error.hint == hint
    assert (error.path, error.position) == (("a", 1), position)


@pytest.mark.parametrize(
    "value",
    ["${params.b}", "$${x}", "$", "$$", "{", "{x}", "${", "}", "a$", "`", "'", "$${", "${'"],
)
@pytest.mark.parametrize(
    "template",
    [
        "${vars.v}",
        "a${vars.v}",
        "${vars.v}{params.b}",
        "${vars.v}${params.b}",
        "${vars.v}${vars.v}",
        "${vars.v}$${params.b}",
        "${vars.v}$",
        "$ ${vars.v} ${upper(vars.v)}",
    ],
)
def test_a_variable_s_value_is_data_and_never_an_expression(template: str, value: str) -> None:
    variables = {"v": value}
    at_run_time = compile_template(template).render(
        Context(now=CONTEXT.now, params={"b": "B"}, vars=variables)
    )

    planned = compile_template(render_vars([template], variables))

    assert planned.render(CONTEXT) == [at_run_time]


def test_expressions_inside_a_structured_variable_are_data_too() -> None:
    variables = {"v": {"a": ["${params.b}", {"k": "$${x}"}], "n": 1}}

    planned = compile_template(render_vars("${vars.v}", variables))

    assert planned.render(CONTEXT) == variables["v"]
    assert references(planned) == frozenset()


PIECES = [
    "${vars.v}", "${vars.w.k}", "${params.b}", "${[vars.v, params.b]}", "${secrets.s}", "$${", "$", "{", "}", "a",
    "${'vars.v'}", "${default(vars.none, `1`)}", "${`\"}\"`}",
]  # fmt: skip


@given(
    st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
    st.text(alphabet="${}'`\"\\ab\n", max_size=6) | st.integers() | st.lists(st.text(max_size=3)),
)
@example("${vars.v}${params.b}", "$$")
@example("${vars.v}${[vars.v, params.b]}", "")
@example("${vars.v}${params.b}", "")
@example("${vars.v}${vars.w.k}{", "$")
def test_filling_variables_first_or_at_run_time_gives_the_same(template: str, value: Any) -> None:
    variables = {"v": value, "w": {"k": value}}
    others = {"params": {"b": "B"}, "secrets": {"s": "S"}}
    try:
        compiled = compile_template(template)
    except ExpressionError:
        reject()

    planned = compile_template(render_vars(template, variables))

    at_run_time = compiled.render(Context(now=CONTEXT.now, vars=variables, **others))
    assert planned.render(Context(now=CONTEXT.now, **others)) == at_run_time
    assert {r for r in references(planned) if r.root != "vars"} == {
        r for r in references(compiled) if r.root != "vars"
    }


@pytest.mark.parametrize(
    ("condition", "filled"),
    [
        ("params.temperature > vars.limit", "params.temperature > `25`"),
        ("${params.temperature > vars.limit}", "${params.temperature > `25`}"),
        (" ${ vars.on }", " ${ `true` }"),
        ("result.x == vars.limit", "result.x == `25`"),
        ("params.b == 'vars.limit'", "params.b == 'vars.limit'"),
        ("${vars.on} && params.b", "${vars.on} && params.b"),
        ("vars.on &&", "vars.on &&"),
        ("vars.limit > 25", "vars.limit > 25"),
    ],
)
def test_a_condition_takes_variables_as_literals(condition: str, filled: str) -> None:
    assert render_condition_vars(condition, VARS) == filled


def test_a_condition_with_an_undefined_variable_is_an_error() -> None:
    with pytest.raises(ExpressionError, match=r"ORD012: the variable vars\.citty is not defined"):
        render_condition_vars("vars.citty == 'x'", VARS)

    filled = render_condition_vars("params.temperature > vars.limit", VARS)
    assert compile_condition(filled).test(CONTEXT) is True
