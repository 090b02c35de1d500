"""`now` and its spans, times as text, and the functions that templates have besides JMESPath's own."""

from __future__ import annotations

import locale
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from runtime.core.expressions import Context, compile_template
from runtime.errors import ExpressionError

CONTEXT = Context(
    now=datetime(2026, 1, 5, 6, 30, tzinfo=UTC),
    params={"text": "Ana,Ion", "json": '{"a": [1, 2.5, null]}', "number": 1, "zone": "UTC"},
    steps={
        "calendar": {
            "events": [
                {"start": "2026-01-05T07:00:00Z", "now": "own"},
                {"start": "2026-01-09T07:00:00Z"},
            ]
        }
    },
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
        ("${now}", "2026-01-05T06:30:00Z"),
        ("${now+24h}", "2026-01-06T06:30:00Z"),
        ("${now-7d}", "2025-12-29T06:30:00Z"),
        ("${now + 24h}", "2026-01-06T06:30:00Z"),
        ("${ now+1h30m }", "2026-01-05T08:00:00Z"),
        ("${now+1w2d3h4m5s6ms}", "2026-01-14T09:34:05.006000Z"),
        ("${now-0s}", "2026-01-05T06:30:00Z"),
        ("from ${now} to ${now+1d}", "from 2026-01-05T06:30:00Z to 2026-01-06T06:30:00Z"),
        ("${[now, now+1h]}", ["2026-01-05T06:30:00Z", "2026-01-05T07:30:00Z"]),
        (
            "${{from: now-1h, to: now+1h}}",
            {"from": "2026-01-05T05:30:00Z", "to": "2026-01-05T07:30:00Z"},
        ),
        ("${now+24h > now}", True),
        ("${'now+24h'}", "now+24h"),
        ('${`"now+24h"`}', "now+24h"),
        ("${now+24h == '2026-01-06T06:30:00Z'}", True),
        ("${format_time(now+24h, '%H:%M', 'Europe/Chisinau')}", "08:30"),
        ("${default(params.since, now-7d)}", "2025-12-29T06:30:00Z"),
    ],
)
def test_now_is_the_frozen_instant_and_takes_a_span(template: str, value: Any) -> None:
    assert render(template) == value


@pytest.mark.parametrize(
    ("template", "value"),
    [
        (
            "${steps.calendar.events[?start > now].start}",
            ["2026-01-05T07:00:00Z", "2026-01-09T07:00:00Z"],
        ),
        ("${steps.calendar.events[?start < now+24h].start}", ["2026-01-05T07:00:00Z"]),
        ("${steps.calendar.events[*].{at: now+1h}}", [{"at": "2026-01-05T07:30:00Z"}] * 2),
        ("${map(&now, steps.calendar.events)}", ["2026-01-05T06:30:00Z"] * 2),
        ("${steps.calendar.events[*].now}", ["own"]),
        ("${steps.calendar.events[?@.now == 'own'].now}", ["own"]),
        ("${steps.calendar.{n: length(events), at: now}}", {"n": 2, "at": "2026-01-05T06:30:00Z"}),
    ],
)
def test_now_by_itself_means_the_run_even_where_names_belong_to_an_element(
    template: str, value: Any
) -> None:
    assert render(template) == value


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ('${zip(`[1, 2]`, `[null, "b"]`)}', [[1, None], [2, "b"]]),
        ("${zip(`[1, 2, 3]`, `[4, 5]`, `[6, 7]`)}", [[1, 4, 6], [2, 5, 7]]),
        ("${zip(`[]`, `[1]`)}", []),
        ("${zip(steps.calendar.events[*].start, `[1]`)[0][1]}", 1),
    ],
)
def test_zip_pairs_lists_up_to_the_end_of_the_shortest(template: str, value: Any) -> None:
    assert render(template) == value


def test_zip_is_weighed_like_all_that_grows() -> None:
    fourfold = " | zip(@, @, @, @)"

    assert render(f"${{`[1]`{fourfold}}}") == [[1, 1, 1, 1]]
    with pytest.raises(ExpressionError, match="ORD506"):
        render(f"${{length(`[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]`{fourfold * 9})}}")


def test_an_instant_beyond_the_calendar_is_an_error() -> None:
    last = replace(CONTEXT, now=datetime(9999, 12, 31, tzinfo=UTC))

    error = fails("${now+2d}", last)

    assert error.code == "ORD503"
    assert error.message == "now+2d cannot be evaluated: a number or a time is out of range"


@pytest.mark.parametrize(
    ("time", "fmt", "zone", "text"),
    [
        ("2026-01-05T06:30:00Z", "%Y-%m-%d %H:%M:%S", "Europe/Chisinau", "2026-01-05 08:30:00"),
        ("2026-01-05T06:30:00Z", "%A, %-d %B", "Europe/Chisinau", "Monday, 5 January"),
        (
            "2026-01-05T16:05:09.000042Z",
            "%a %b %d %j %y %I:%M %p %f",
            "UTC",
            "Mon Jan 05 005 26 04:05 PM 000042",
        ),
        ("2026-01-05T00:05:00Z", "%-I:%M %p %-H", "UTC", "12:05 AM 0"),
        ("2026-07-05T06:30:00Z", "%z %:z %Z", "Europe/Chisinau", "+0300 +03:00 EEST"),
        ("2026-01-05T06:30:00Z", "%z %:z %Z", "America/St_Johns", "-0330 -03:30 NST"),
        ("2026-03-29T00:59:59Z", "%F %T", "Europe/Berlin", "2026-03-29 01:59:59"),
        ("2026-03-29T01:00:00Z", "%F %T", "Europe/Berlin", "2026-03-29 03:00:00"),
        ("2026-01-01T00:00:00Z", "%G-W%V-%u", "UTC", "2026-W01-4"),
        ("2026-01-05T06:30:00+02:00", "%H", "UTC", "04"),
        ("2026-01-05T06:30:00Z", "%s", "Europe/Chisinau", "1767594600"),
        ("0099-01-05T06:30:00Z", "%Y %F", "UTC", "0099 0099-01-05"),
        ("2026-01-05T06:30:00Z", "100%% %-m {%d}", "UTC", "100% 1 {05}"),
        ("2026-01-05T06:30:00Z", "", "UTC", ""),
        ("1880-01-05T06:30:00Z", "%z", "Europe/Chisinau", "+0155"),
    ],
)
def test_a_time_is_written_as_the_format_says(time: str, fmt: str, zone: str, text: str) -> None:
    assert render(f"${{format_time('{time}', '{fmt}', '{zone}')}}") == text


def test_names_of_days_do_not_depend_on_the_locale() -> None:
    before = locale.setlocale(locale.LC_TIME)
    try:
        locale.setlocale(locale.LC_TIME, "")
        assert render("${format_time(now, '%A %B %p', 'UTC')}") == "Monday January AM"
    finally:
        locale.setlocale(locale.LC_TIME, before)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("format_time('2026-01-05T06:30:00', '%H', 'UTC')", "needs a time with an offset"),
        ("format_time('tomorrow', '%H', 'UTC')", "takes an ISO 8601 time"),
        ("format_time(params.number, '%H', 'UTC')", "takes string, and got number"),
        ("format_time('0001-01-01T00:00:00Z', '%H', 'America/New_York')", "outside the years"),
        ("format_time(now, params.text, 'Mars/' || 'x')", "is not a time zone"),
        ("format_time(now, join('', ['%', 'Q']), params.zone)", "%Q is not a time directive"),
        ("split(params.text, '')", "a separator that is not empty"),
        ("from_json(params.text)", "text that is not JSON: Expecting value at character 0"),
        ("from_json('NaN')", "NaN is not JSON"),
        ("to_number('nan')", "nan is not a JSON number"),
        ("[to_number('inf')]", "inf is not a JSON number"),
        ("to_json(to_number('inf'))", "Out of range float values are not JSON compliant"),
        ("ceil(to_number('inf'))", "out of range"),
    ],
)
def test_a_function_that_cannot_do_it_says_why(expression: str, reason: str) -> None:
    error = fails(f"${{{expression}}}")

    assert error.code in {"ORD501", "ORD503"}
    assert reason in error.message


@pytest.mark.parametrize(
    ("fmt", "zone", "message"),
    [
        ("%Q", "UTC", "%Q is not a time directive"),
        ("ends with %", "UTC", "% is not a time directive"),
        ("%5d", "UTC", "%5 is not a time directive"),
        ("%-A", "UTC", "%-A is not a time directive"),
        ("x" * 257, "UTC", "at most 256 characters"),
        ("%H", "Europe/Chishinau", "'Europe/Chishinau' is not a time zone"),
        ("%H", "Europe", "'Europe' is not a time zone"),
        ("%H", "../../etc/passwd", "is not a time zone"),
        ("%H", "", "'' is not a time zone"),
        ("%H", "x" * 3000, "is not a time zone"),
    ],
)
def test_a_written_out_format_or_zone_is_checked_when_the_template_is_compiled(
    fmt: str, zone: str, message: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template(f"${{format_time(now, '{fmt}', '{zone}')}}")

    assert caught.value.code == "ORD501"
    assert message in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("from_json(params.json)", {"a": [1, 2.5, None]}),
        ("from_json(params.json).a[0]", 1),
        ("to_json({a: params.number, b: 'é'})", '{"a":1,"b":"é"}'),
        ("to_json('x')", '"x"'),
        ("lower('ÀB')", "àb"),
        ("upper('àb')", "ÀB"),
        ("split(params.text, ',')", ["Ana", "Ion"]),
        ("replace(params.text, ',', ' and ')", "Ana and Ion"),
        ("join('; ', split(params.text, ','))", "Ana; Ion"),
        # A sample of JMESPath's own, which come with the library.
        ('sort_by(`[{"p": 2}, {"p": 1}]`, &p)[0].p', 1),
        ('merge(`{"a": 1}`, `{"b": 2}`)', {"a": 1, "b": 2}),
        ("sum(`[1, 2.5]`)", 3.5),
        ("reverse('abc')", "cba"),
        ("to_string(`[1, 2]`)", "[1,2]"),
        ("not_null(`null`, 'x')", "x"),
    ],
)
def test_functions(expression: str, value: Any) -> None:
    assert render(f"${{{expression}}}") == value
