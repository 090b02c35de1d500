"""What templates render: types, interpolation, escapes, missing paths, and where errors say they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.core.expressions import (
    ABSENT,
    Context,
    Reference,
    compile_template,
    references,
    uses_secrets,
)
from runtime.errors import ExpressionError, OrdinautError

NOW = datetime(2026, 1, 5, 6, 30, tzinfo=UTC)
CONTEXT = Context(
    now=NOW,
    run={"id": "r1"},
    task={"name": "briefing"},
    trigger={"kind": "rrule"},
    params={"city": "Chisinau", "count": 5, "nothing": None, "on": True, "weird key": 1.5},
    steps={
        "summary": {"text": "Fine"},
        "weather": {
            "temperature": 30,
            "days": [{"rain": 1, "date": "2026-01-05"}, {"date": "2026-01-07"}],
        },
        "empty": {},
    },
    vars={"zone": "Europe/Chisinau"},
    secrets={"api_token": "s3cret"},
)


def render(value: Any, context: Context = CONTEXT) -> Any:
    return compile_template(value).render(context)


def fails(value: Any, context: Context = CONTEXT) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        compile_template(value).render(context)
    return caught.value


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("${params.count}", 5),
        ("${params.on}", True),
        ("${params.nothing}", None),
        ("${params.city}", "Chisinau"),
        ("${steps.summary}", {"text": "Fine"}),
        ("${steps.weather.days[*].rain}", [1]),
        ("${steps.weather.days[-1].date}", "2026-01-07"),
        ('${params."weird key"}', 1.5),
        ("${ params.count }", 5),
        ("${run.id}", "r1"),
        ("${task.name}", "briefing"),
        ("${trigger.kind}", "rrule"),
        ("${vars.zone}", "Europe/Chisinau"),
        ("${params.count > `4`}", True),
    ],
)
def test_a_string_that_is_one_expression_keeps_its_json_type(template: str, value: Any) -> None:
    rendered = render(template)

    assert rendered == value
    assert type(rendered) is type(value)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Weather in ${params.city}", "Weather in Chisinau"),
        ("${params.count} ${params.on} ${params.nothing}", "5 true null"),
        ("${params.city}${params.city}", "ChisinauChisinau"),
        (" ${params.count}", " 5"),
        (
            "days: ${steps.weather.days}",
            'days: [{"rain":1,"date":"2026-01-05"},{"date":"2026-01-07"}]',
        ),
        ("é ${['é']}", 'é ["é"]'),
    ],
)
def test_inside_longer_text_strings_stand_raw_and_the_rest_as_compact_json(
    template: str, text: str
) -> None:
    assert render(template) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("$${params.city}", "${params.city}"),
        ("$${", "${"),
        ("$$${x}", "$${x}"),
        ("a $${b} ${params.count}", "a ${b} 5"),
        ("${params.count}$${b}", "5${b}"),
        ("$ {x} $5 }{", "$ {x} $5 }{"),
        ("${'$'}${params.count}", "$5"),
    ],
)
def test_two_dollars_before_a_brace_are_a_literal_dollar_brace(template: str, text: str) -> None:
    assert render(template) == text


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("${'}'}", "}"),
        ("${'it\\'s }'}", "it's }"),
        ("${{a: params.count, b: {c: '}{'}}}", {"a": 5, "b": {"c": "}{"}}),
        ('${`{"a": "}`"}`}', None),
        ('${`{"a": "}"}`}', {"a": "}"}),
        ('${params."}" || `1`}', None),
        ("a ${default(params.\"}\", '}')} b", "a } b"),
    ],
)
def test_braces_inside_quotes_and_hashes_do_not_end_an_expression(
    template: str, value: Any
) -> None:
    if value is None:
        assert fails(template).code in {"ORD501", "ORD502"}
    else:
        assert render(template) == value


def test_structures_are_rendered_in_place_and_keys_are_left_alone() -> None:
    value = {
        "${params.city}": 1,
        "b": ["${params.count}", {"c": "${params.city}!", "d": 1.5}, None, True],
        "a": {"x": []},
    }

    rendered = render(value)

    assert rendered == {
        "${params.city}": 1,
        "b": [5, {"c": "Chisinau!", "d": 1.5}, None, True],
        "a": {"x": []},
    }
    assert list(rendered) == ["${params.city}", "b", "a"]


def test_rendering_twice_gives_the_same_and_leaves_the_template_as_it_was() -> None:
    template = compile_template({"a": ["${params.count}"], "b": 1})

    first = template.render(CONTEXT)
    first["a"].append("changed")

    assert template.render(CONTEXT) == {"a": [5], "b": 1}


def test_what_holds_no_expression_is_handed_out_without_a_copy() -> None:
    constant = {"a": [1, {"b": "text"}], "c": None}

    assert render(constant) is constant
    assert render({"x": constant, "y": "${params.count}"})["x"] is constant
    assert render((1, "$${")) == [1, "${"]


@pytest.mark.parametrize(
    ("template", "message", "hint"),
    [
        (
            "${steps.summry}",
            "steps.summry is not there; steps has: empty, summary, weather",
            "did you mean steps.summary?",
        ),
        (
            "${steps.zzz.text}",
            "steps.zzz is not there; steps has: empty, summary, weather",
            "if it may be missing, write default(steps.zzz, <something else>)",
        ),
        (
            "${steps.empty.x}",
            "steps.empty.x is not there; steps.empty is empty",
            "if it may be missing, write default(steps.empty.x, <something else>)",
        ),
        (
            "${steps.summary.text.x}",
            "steps.summary.text.x is not there; steps.summary.text is a text",
            None,
        ),
        ("${params.count.x}", "params.count.x is not there; params.count is a number", None),
        ("${params.on.x}", "params.on.x is not there; params.on is a boolean", None),
        ("${params.nothing.x}", "params.nothing.x is not there; params.nothing is null", None),
        (
            "${steps.weather.days[2]}",
            "steps.weather.days[2] is not there; steps.weather.days has 2 elements",
            None,
        ),
        (
            "${steps.weather.days.date}",
            "steps.weather.days.date is not there; steps.weather.days is a list",
            "write steps.weather.days[0].date or steps.weather.days[*].date",
        ),
        (
            "${steps.weather[0]}",
            "steps.weather[0] is not there; steps.weather is an object, and only lists have indexes",
            None,
        ),
        ("${item.x}", "item is not there: only a step with foreach has an item", None),
        ("${event.x}", "event is not there: no event started this run", None),
        (
            '${params."a b"}',
            'params."a b" is not there; params has: city, count, nothing, on, weird key',
            None,
        ),
    ],
)
def test_a_missing_path_says_what_is_there_instead(
    template: str, message: str, hint: str | None
) -> None:
    error = fails(template)

    assert (error.code, error.message) == ("ORD502", message)
    assert hint is None or error.hint == hint


@pytest.mark.parametrize(
    "template",
    [
        "${length(steps.missing)}",
        "${steps.missing || 'x'}",
        "${[steps.missing]}",
        "${steps.missing[*].x}",
        "${steps.missing[?x]}",
        "${steps.missing.*}",
        "${steps.missing[]}",
        "${steps.missing | x}",
        "${steps | missing}",
        "${steps.{a: missing}}",
        "${steps.weather.days[0].{a: missing}}",
        "${steps.weather | length(missing)}",
        "${!steps.missing}",
        "${steps.missing == `1`}",
        "${map(&x, steps.missing)}",
        "${default('x', 'y') && steps.missing}",
        "${default(params.nope, steps.missing)}",
    ],
)
def test_a_missing_path_is_an_error_wherever_it_stands(template: str) -> None:
    error = fails(template)

    assert error.code == "ORD502"
    assert "missing is not there" in error.message


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("${steps.weather.days[*].rain}", [1]),
        ("${steps.weather.days[?rain].date}", ["2026-01-05"]),
        ("${map(&rain, steps.weather.days)}", [1, None]),
        ("${steps.weather.days[].rain}", [1]),
        ("${steps.*.text}", ["Fine"]),
        ("${steps.weather.days[*].{r: rain}}", [{"r": 1}, {"r": None}]),
        ("${steps.weather.days[0:1].rain}", [1]),
        ("${params.on || steps.missing}", True),
    ],
)
def test_elements_may_lack_what_others_have_and_what_is_not_evaluated_is_not_missed(
    template: str, value: Any
) -> None:
    assert render(template) == value


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("${default(steps.missing.x, 'none')}", "none"),
        ("${default(params.city, 'none')}", "Chisinau"),
        ("${default(params.nothing, 'none')}", None),
        ("${default(item, `1`)}", 1),
        ("${default(length(steps.missing), `0`)}", 0),
        ("${default(steps.weather.days[?snow] | [0], 'none')}", "none"),
        ("${default(default(params.a, params.b), 'none')}", "none"),
        ("${default(params.a, params.city)}", "Chisinau"),
        ("x${default(params.a, '')}y", "xy"),
        ("${steps.weather.{a: default(missing, 'none')}}", {"a": "none"}),
    ],
)
def test_default_stands_in_for_what_is_missing_but_not_for_null(template: str, value: Any) -> None:
    assert render(template) == value


def test_an_error_carries_the_path_inside_the_value_and_the_place_in_the_string() -> None:
    rendering = fails({"text": ["ok", "hello ${steps.nope}"]})
    parsing = fails({"text": [{"deep": "a ${ steps.a > 25 }"}]})
    naming = fails(["${params.city == Chisinau}"])
    scanning = fails(["ok ${params.city"])

    assert (rendering.path, rendering.position) == (("text", 1), 8)
    assert (parsing.path, parsing.position) == (("text", 0, "deep"), 15)
    assert (naming.path, naming.position) == ((0,), 17)
    assert (scanning.path, scanning.position) == ((0,), 3)


def test_references_are_the_paths_that_can_be_known_without_running() -> None:
    template = compile_template(
        {
            "a": "${steps.calendar.items[*].title} ${params.city}",
            "b": ["${secrets.token}", "${vars.x[0]}", "${now+24h}", "${keys(steps)}"],
            "c": "${default(steps.maybe.x, steps.sure.y)}",
            "d": "${default(params.p, 'x')} ${params.p}",
            "e": "${steps.w.{t: temperature, when: now, first: days[0]} | t}",
            "f": "${steps.list[?start > now+1h].{p: params}}",
        }
    )

    assert {(str(r), r.guarded) for r in references(template)} == {
        ("steps.calendar.items", False),
        ("params.city", False),
        ("secrets.token", False),
        ("vars.x[0]", False),
        ("now", False),
        ("steps", False),
        ("steps.maybe.x", True),
        ("steps.sure.y", False),
        ("params.p", False),
        ("steps.w", False),
        ("steps.w.temperature", False),
        ("steps.w.days[0]", False),
        ("steps.list", False),
    }
    assert Reference("vars", ("x", 0)) in references(template)


@pytest.mark.parametrize(
    ("template", "secret"),
    [
        ("${secrets.token}", True),
        ("a ${upper(secrets.token)} b", True),
        ("${params.list[?token == 'x'] || secrets.token}", True),
        ("${default(secrets.token, 'x')}", True),
        ("${params.secrets}", False),
        ("secrets.token", False),
        ("$${secrets.token}", False),
    ],
)
def test_a_template_knows_whether_it_uses_a_secret(template: str, secret: bool) -> None:
    assert uses_secrets(compile_template([template])) is secret


@pytest.mark.parametrize(
    "template",
    [
        "${secrets}",
        "${keys(secrets)}",
        "${secrets.*}",
        "${secrets | to_string(@)}",
        "${secrets.{a: token}}",
        "${@}",
        "${to_string(@)}",
        "${*}",
        "${[*]}",
        "${[]}",
        "${[?x]}",
        "${map(&@, @)}",
        "${@.*}",
        "${values(@) | [0]}",
        "${[0:1]}",
        "${@ | {a: token}}",
    ],
)
def test_secrets_cannot_be_reached_without_naming_one(template: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template(template)

    assert caught.value.code == "ORD501"


class VaultDown(OrdinautError):
    default_code = "ORD410"


class LazySecrets(Mapping[str, str]):
    """Resolves a secret when it is asked for, and remembers which were."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getitem__(self, name: str) -> str:
        self.asked.append(name)
        if name == "broken":
            raise VaultDown("the vault does not answer")
        return {"api_token": "s3cret"}[name]

    def __iter__(self) -> Iterator[str]:
        return iter(["api_token", "broken"])

    def __len__(self) -> int:
        return 2


def test_a_secret_is_looked_up_only_when_a_template_names_it() -> None:
    secrets = LazySecrets()
    context = replace(CONTEXT, secrets=secrets)

    assert render("Bearer ${secrets.api_token} ${params.count}", context) == "Bearer s3cret 5"
    assert secrets.asked == ["api_token"]
    assert fails("${secrets.api_tokn}", context).message == (
        "secrets.api_tokn is not there; secrets has: api_token, broken"
    )


def test_a_secret_that_cannot_be_resolved_fails_with_its_own_reason() -> None:
    with pytest.raises(VaultDown):
        render("${secrets.broken}", replace(CONTEXT, secrets=LazySecrets()))


def test_integers_of_any_size_are_json() -> None:
    huge = 10**1000

    assert (
        render("${params.n} ${params.n}", replace(CONTEXT, params={"n": huge})) == f"{huge} {huge}"
    )
    assert render(["${params.n}", -huge], replace(CONTEXT, params={"n": huge})) == [huge, -huge]


def test_an_error_never_quotes_a_value() -> None:
    for template in (
        "${abs(secrets.api_token)}",
        "${from_json(secrets.api_token)}",
        "${secrets.api_token > `1`}",
        "${format_time(secrets.api_token, '%Y', 'UTC')}",
        "${format_time(now, '%Y', secrets.api_token) && missing}",
        "${secrets.api_token.x}",
        "${avg([secrets.api_token])}",
    ):
        error = fails(template)
        assert "s3cret" not in f"{error} {error.hint}", template


def test_item_event_and_result_may_be_any_value_even_null() -> None:
    assert render("${item}", replace(CONTEXT, item=None)) is None
    assert render("${event.id}", replace(CONTEXT, event={"id": "e1"})) == "e1"
    assert CONTEXT.item is ABSENT


def test_now_must_be_aware_and_is_shown_in_utc() -> None:
    chisinau = NOW.astimezone(timezone(timedelta(hours=2)))

    assert render("${now}", replace(CONTEXT, now=chisinau)) == "2026-01-05T06:30:00Z"
    with pytest.raises(ValueError, match="aware"):
        Context(now=datetime(2026, 1, 5))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1: "x"}, "the key 1 is not a text"),
        ({"a": datetime(2026, 1, 5, tzinfo=UTC)}, "a datetime is not a JSON value"),
        ([float("nan")], "nan is not a JSON number"),
    ],
)
def test_what_is_not_json_is_not_a_template(value: Any, message: str) -> None:
    assert fails(value).message == message


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def escaped(value: Any) -> Any:
    match value:
        case str():
            return value.replace("${", "$${")
        case list():
            return [escaped(inner) for inner in value]
        case dict():
            return {key: escaped(inner) for key, inner in value.items()}
        case _:
            return value


@given(json_values)
def test_a_value_without_expressions_renders_to_itself(value: Any) -> None:
    assert render(escaped(value)) == value


@given(st.lists(st.sampled_from(["$", "{", "}", "$${", "a"])).map("".join))
def test_escaping_survives_any_neighbourhood_of_dollars_and_braces(text: str) -> None:
    assert render(escaped(text)) == text


@given(json_values)
def test_an_expression_hands_any_value_on_unchanged(value: Any) -> None:
    context = Context(now=NOW, params={"x": value})

    assert render({"a": ["${params.x}"]}, context) == {"a": [value]}
    assert render("${params.x}", context) is value
