"""What `llm.*` answer where no model is asked."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from runtime.core.binding import canonical
from runtime.core.contracts import contract
from runtime.core.llm.offline import NOTE, answer, stand_in, usage_of
from runtime.core.usage import Cost


def _text(tool: str, **arguments: Any) -> str:
    told = answer(tool, arguments)
    assert (told["model"], told["provider"]) == ("offline", "offline")
    text, _, note = told["text"].rpartition("\n\n")
    assert note == NOTE
    return str(text)


def test_a_plan_reads_well_whatever_it_is_given() -> None:
    given = {
        "goal": "Good morning",
        "events": {
            "events": [{"start": "09:00", "title": "Stand-up", "room": 4, "notes": None}, "lunch"]
        },
        "weather": {"city": "Chisinau", "high_of_day": 21.5, "sky": ["sun", "wind"]},
        "mail": [],
        "score": 3,
        "model": "default",
        "many": list(range(25)),
        "long": "x" * 500,
    }

    briefing, many, long = _text("plan", **given).rsplit("\n\n", 2)

    assert briefing == (
        "Good morning\n\n"
        "Events\n- 09:00 · Stand-up · room 4\n- lunch\n\n"
        "Weather\n- City: Chisinau\n- High of day: 21.5\n- Sky: sun, wind\n\n"
        "Mail\n- nothing\n\n"
        "Score\n- 3"
    )
    assert many.splitlines()[-2:] == ["- 19", "- and 5 more"]
    assert long == "Long\n- " + "x" * 199 + "…"
    assert answer("plan", given) == answer("plan", given)


@pytest.mark.parametrize(
    ("words", "short"),
    [
        (100, "One two three. Four five! Six?"),
        (5, "One two three. Four five!"),
        (4, "One two three."),
        (2, "One two …"),
    ],
)
def test_a_summary_keeps_whole_sentences(words: int, short: str) -> None:
    assert _text("summarize", text="One two three.  Four five! Six?", max_words=words) == short


def test_a_summary_has_sixty_words_unless_more_are_asked_for() -> None:
    assert len(_text("summarize", text="word. " * 100).split()) == 60


def test_a_summary_of_several_things_counts_them() -> None:
    assert (
        _text("summarize", items=["a  b", {"title": "c", "size": 2}]) == "2 items: a b; c · size 2"
    )
    assert _text("summarize", items=["a"]) == "1 item: a"
    assert _text("summarize", items=[]) == "0 items"


def test_a_summary_of_nothing_says_only_what_it_is() -> None:
    assert answer("summarize", {"text": " "})["text"] == NOTE


def test_a_plan_with_a_schema_has_data_beside_its_text() -> None:
    schema = {"type": "object", "properties": {"title": {"type": "string"}}}

    told = answer("plan", {"goal": "x", "output_schema": schema})

    assert told["text"].startswith("x\n\n[offline")
    assert told["data"] == {"title": "offline"}


def test_extracting_gives_data_and_no_text() -> None:
    schema = {"type": "object", "properties": {"on": {"type": "string", "format": "date"}}}

    told = answer(
        "extract", {"text": "Due on 2026-03-01, or 2026-04-01.", "output_schema": schema}
    )

    assert told == {"data": {"on": "2026-03-01"}, "model": "offline", "provider": "offline"}


_TREE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "below": {"$ref": "#"}},
    "required": ["name"],
}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "offline"),
        ({"type": "string", "minLength": 9}, "offlineof"),
        ({"type": "string", "maxLength": 3}, "off"),
        ({"type": "string", "format": "date"}, "1970-01-01"),
        ({"type": "string", "format": "date-time"}, "1970-01-01T00:00:00Z"),
        ({"enum": ["b", "a"]}, "b"),
        ({"const": 7}, 7),
        ({"type": "integer", "default": 4}, 4),
        ({"type": "integer"}, 0),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "number", "minimum": -3}, 0),
        ({"type": "number", "maximum": -3}, -3),
        ({"type": "boolean"}, False),
        ({"type": "null"}, None),
        ({"type": ["string", "null"]}, "offline"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 0),
        ({"oneOf": [{"type": "string"}]}, "offline"),
        ({"type": "array", "items": {"type": "string"}}, []),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [0, 0]),
        ({"properties": {"a": {"type": "integer"}}, "required": ["b"]}, {"a": 0, "b": None}),
        (
            {"allOf": [{"properties": {"a": {"type": "integer"}}}], "properties": {"b": {}}},
            {"b": None, "a": 0},
        ),
        ({"allOf": [{"type": "integer"}]}, 0),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "boolean"}}}, False),
        ({"$ref": "https://elsewhere/x"}, None),
        ({}, None),
    ],
)
def test_a_value_is_the_least_that_fits_its_schema(schema: Any, value: Any) -> None:
    assert stand_in(schema) == value
    if "https" not in str(schema):
        assert contract(canonical(schema)).problems(value) == []


def test_a_schema_that_refers_to_itself_comes_to_an_end() -> None:
    made, depth = stand_in(_TREE), 0
    while made and "below" in made:
        made, depth = made["below"], depth + 1

    assert 1 < depth < 20


def test_a_schema_that_asks_for_too_much_costs_little() -> None:
    wide: Any = {"type": "integer"}
    for _ in range(4):
        wide = {"type": "array", "minItems": 10_000, "items": wide}

    assert len(str(stand_in(wide))) < 1_000_000


def test_four_bytes_of_what_goes_in_and_comes_out_are_a_token() -> None:
    usage = usage_of({"text": "öö"}, {"text": "x"})

    assert (usage.input_tokens, usage.output_tokens) == (4, 4)
    assert (usage.model, usage.cost) == ("offline", Cost(Decimal(0), "USD", "provider"))


def test_a_property_of_draft_03_says_of_itself_that_it_is_required() -> None:
    part = {"type": "object", "required": True, "properties": {"b": {"type": "integer"}}}
    schema = {
        "$schema": "http://json-schema.org/draft-03/schema#",
        "type": "object",
        "properties": {"a": part},
    }

    assert stand_in(schema) == {"a": {"b": 0}}
