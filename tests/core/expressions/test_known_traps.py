"""Templates and conditions that went wrong in other schedulers, each with the answer it has here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from runtime.core.expressions import Context, compile_condition, compile_template
from runtime.errors import ExpressionError

CONTEXT = Context(
    now=datetime(2026, 1, 5, 6, 30, tzinfo=UTC),
    params={"count": 5, "object": {"a": [1, {"b": None}]}, "approval": "approved"},
    steps={"weather": {"temperature": 30}},
)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("${params.count}", 5),
        ("${params.object}", {"a": [1, {"b": None}]}),
        ("${params.object.a}", [1, {"b": None}]),
    ],
)
def test_numbers_and_objects_do_not_turn_into_text(template: str, value: Any) -> None:
    assert compile_template({"x": template}).render(CONTEXT) == {"x": value}


@pytest.mark.parametrize("template", ["${steps.missing}", "text ${steps.missing} text"])
def test_a_missing_path_does_not_become_the_word_null(template: str) -> None:
    with pytest.raises(ExpressionError, match=r"ORD502: steps\.missing is not there"):
        compile_template(template).render(CONTEXT)


def test_the_window_of_the_next_day_can_be_written() -> None:
    window = {"start": "${now}", "end": "${now+24h}"}

    assert compile_template(window).render(CONTEXT) == {
        "start": "2026-01-05T06:30:00Z",
        "end": "2026-01-06T06:30:00Z",
    }


def test_a_brace_inside_an_expression_does_not_cut_it_short() -> None:
    template = compile_template("${{count: params.count, text: '}'}}")

    assert template.render(CONTEXT) == {"count": 5, "text": "}"}


def test_a_bare_number_in_a_condition_is_answered_with_the_backtick_form() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition("steps.weather.temperature > 25")

    assert caught.value.code == "ORD501"
    assert caught.value.hint == "numbers are written between backticks: > `25`"
    assert compile_condition("steps.weather.temperature > `25`").test(CONTEXT) is True


def test_a_condition_written_like_a_template_is_understood() -> None:
    assert compile_condition("${params.approval == 'approved'}").test(CONTEXT) is True


def test_the_length_of_a_missing_result_names_the_missing_path_and_not_a_type() -> None:
    with pytest.raises(ExpressionError, match=r"ORD502: steps\.missing is not there") as caught:
        compile_condition("length(steps.missing) > `0`").test(CONTEXT)

    assert "default(steps.missing" in caught.value.hint
