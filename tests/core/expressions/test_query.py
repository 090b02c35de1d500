"""Queries over one JSON value: what is missing is null, and what they may cost is counted."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.core.expressions import Meter, compile_query, is_true
from runtime.errors import ExpressionError

VALUE = {"items": [{"n": 1, "of": "a"}, {"n": 2, "of": None}], "at": "2026-11-20T14:00:00Z"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("items[?n > `1`].of", []),
        ("items[*].of", ["a"]),
        ("missing.deeper[0]", None),
        ("missing || 'else'", "else"),
        ("now", None),
        ("format_time(at, '%a %H', 'Europe/Chisinau')", "Fri 16"),
        ("length(items)", 2),
        ("items[0:1].n", [1]),
    ],
)
def test_a_query_gives_what_jmespath_says(text: str, value: Any) -> None:
    assert compile_query(text).evaluate(VALUE, Meter(1000)) == value


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("items[?", "it ends too early", ""),
        ("lenght(items)", "there is no function lenght()", "did you mean length()?"),
        ("items[?contains(of)]", "contains() takes 2 arguments, and got 1", ""),
        ("default(at, 'x')", "no function default() here", "write a || b"),
    ],
)
def test_what_cannot_be_asked_is_told_before_anything_is(
    text: str, message: str, hint: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_query(text)

    assert message in caught.value.message
    assert caught.value.hint == hint


def test_a_wrong_type_is_an_error_and_no_answer() -> None:
    with pytest.raises(
        ExpressionError, match="starts_with\\(\\) takes string, and got null"
    ) as it:
        compile_query("items[?starts_with(of, 'a')]").evaluate(VALUE, Meter(1000))

    assert it.value.code == "ORD503"


def test_more_steps_than_allowed_are_not_taken() -> None:
    query, meter = compile_query("items[*].n"), Meter(7)

    assert query.evaluate(VALUE, meter) == [1, 2]
    with pytest.raises(ExpressionError, match="takes too many steps") as caught:
        query.evaluate(VALUE, meter)
    assert caught.value.code == "ORD506"


@pytest.mark.unmeasured
def test_a_short_query_cannot_fill_the_memory() -> None:
    doubled = " | ".join(["[@, @]"] * 40)

    with pytest.raises(ExpressionError, match="too much room"):
        compile_query(doubled).evaluate(VALUE, Meter(10_000))


@pytest.mark.parametrize(
    ("value", "true"),
    [(None, False), (False, False), ("", False), ([], False), ({}, False)]
    + [(one, True) for one in (0, 1, "x", [None], {"a": None}, True)],
)
def test_truth_is_as_jmespath_reads_it(value: Any, true: bool) -> None:
    assert is_true(value) is true


@pytest.mark.unmeasured
def test_queries_that_share_a_meter_share_what_they_may_build() -> None:
    meter = Meter(10_000, room=1_000_000)
    text = "`1`" + " | [@, @]" * 40
    with pytest.raises(ExpressionError, match="too much room"):
        compile_query(text).evaluate(VALUE, meter)

    with pytest.raises(ExpressionError, match="too much room"):
        compile_query("[@]").evaluate(VALUE, meter)
    assert compile_query("items[0].n").evaluate(VALUE, meter) == 1
