"""JSON Schema as a contract: offline, bounded, and stricter about names than JSON Schema itself."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from runtime.clock import SYSTEM_CLOCK
from runtime.core.binding import canonical
from runtime.core.contracts import Contract, UnusableSchema, contract

DRAFT_7 = "http://json-schema.org/draft-07/schema#"


def of(schema: dict[str, Any]) -> Contract:
    return contract(canonical(schema))


def an_object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("schema", "value", "problems"),
    [
        (an_object(a={"type": "integer"}), {"a": 1}, []),
        (an_object(a={"type": "integer"}), {"a": "1"}, ["a: '1' is not of type 'integer'"]),
        ({"required": ["a"]}, {}, ["a is missing"]),
        (
            {"properties": {"a": {"items": {"enum": ["x"]}}}},
            {"a": ["x", "y"]},
            ["a.1: 'y' is not one of ['x']"],
        ),
        (
            an_object(a={"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            {"a": "x"},
            ["a: 'x' is not valid under any of the given schemas"],
        ),
        (
            {"$ref": "#/$defs/point", "$defs": {"point": {"required": ["x"]}}},
            {},
            ["x is missing"],
        ),
        ({"prefixItems": [{"type": "string"}]}, [1], ["0: 1 is not of type 'string'"]),
        (
            {"$schema": DRAFT_7, "items": [{"type": "string"}]},
            [1],
            ["0: 1 is not of type 'string'"],
        ),
        ({"$schema": DRAFT_7, "prefixItems": [{"type": "string"}]}, [1], []),
        ({"$schema": "urn:unheard-of", "type": "array"}, {}, ["{} is not of type 'array'"]),
        ({"format": "date"}, "yesterday", []),
        ({"pattern": "^a+$"}, "b", ["'b' does not match '^a+$'"]),
        ({"pattern": "^a+$"}, 1, []),
    ],
)
def test_a_value_is_checked_in_the_dialect_that_its_schema_declares(
    schema: dict[str, Any], value: Any, problems: list[str]
) -> None:
    assert of(schema).problems(value) == problems


def test_only_the_first_problems_are_told_and_each_briefly() -> None:
    problems = of({"items": {"type": "integer"}}).problems(["x" * 1000] * 100)

    assert len(problems) == 5
    assert max(len(problem) for problem in problems) < 250


OPEN = [
    {"type": "object"},
    {**an_object(a={}), "additionalProperties": True},
    {**an_object(a={}), "additionalProperties": {"type": "string"}},
    {**an_object(a={}), "patternProperties": {"^x-": {}}},
    {**an_object(a={}), "unevaluatedProperties": {}},
    {"allOf": [an_object(a={}), {"additionalProperties": True}]},
    {"$ref": "other.json", **an_object(a={})},
    {"$ref": "#/$defs/missing", **an_object(a={})},
    {"$dynamicRef": "#node", **an_object(a={})},
    {"$defs": {"loop": {"$ref": "#/$defs/loop"}}, "$ref": "#/$defs/loop", **an_object(a={})},
]


@pytest.mark.parametrize("schema", OPEN)
def test_a_schema_that_takes_other_names_is_believed(schema: dict[str, Any]) -> None:
    assert of(schema).unknown_names(["anything"]) == []


CLOSED = [
    an_object(city={}, unit={}),
    {**an_object(city={}, unit={}), "additionalProperties": False},
    {"allOf": [an_object(city={}), an_object(unit={})]},
    {**an_object(city={}), "if": {}, "then": an_object(unit={})},
    {**an_object(city={}), "dependentSchemas": {"city": an_object(unit={})}},
    {"$ref": "#/$defs/a~1b", "$defs": {"a/b": an_object(city={}, unit={})}},
]


@pytest.mark.parametrize("schema", CLOSED)
def test_a_name_that_no_part_of_the_schema_declares_is_unknown(schema: dict[str, Any]) -> None:
    unknown = of(schema).unknown_names(["city", "unit", "citi", "zzz"])

    assert unknown == [
        "unknown argument 'citi': did you mean 'city'?",
        "unknown argument 'zzz': the tool takes city, unit",
    ]


def test_a_tool_without_arguments_takes_none() -> None:
    expected = ["unknown argument 'a': the tool takes no arguments"]

    assert of(an_object()).unknown_names(["a"]) == expected
    assert of({"additionalProperties": False}).unknown_names(["a"]) == expected


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "wish"}, "not a valid JSON Schema"),
        ({"$ref": "#/$defs/missing"}, "is not defined inside the schema"),
        ({"$ref": "#"}, "refers to itself without end"),
        ({"description": "x" * 1_000_000}, "more than 1,000,000 characters"),
        ({"patternProperties": {"(a+)+$": {}}}, "too costly"),
    ],
)
def test_a_schema_that_cannot_decide_says_why(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnusableSchema, match=reason):
        of(schema).problems({"a": 1})


def test_a_reference_to_the_network_is_not_followed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        elsewhere = f"http://127.0.0.1:{server.getsockname()[1]}/schema.json"

        with pytest.raises(UnusableSchema, match="is not defined inside the schema"):
            of({"$ref": elsewhere}).problems({"a": 1})

        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_schema_that_explodes_is_stopped() -> None:
    levels: dict[str, Any] = {
        f"l{n}": {"anyOf": [{"$ref": f"#/$defs/l{n + 1}"}] * 2} for n in range(40)
    }
    schema = {"$ref": "#/$defs/l0", "$defs": {**levels, "l40": {"type": "string"}}}
    began = SYSTEM_CLOCK.monotonic()

    with pytest.raises(UnusableSchema, match="more than 100,000 steps"):
        of(schema).problems(1)

    assert SYSTEM_CLOCK.monotonic() - began < 10


RUNAWAY = [
    "(a+)+$",
    "(a|aa)+$",
    "((a)b*)*$",
    "(a{2,})+$",
    r"(a)\1+",
    "(?P<x>a)(?P=x)",
    "(a+){20}$",
    r"(\w+\s?)*$",
    r"([a-z]+\(?)*$",
    r"\p{L}+",
    "[",
]


@pytest.mark.parametrize("pattern", RUNAWAY)
def test_a_pattern_that_may_run_away_or_is_foreign_is_left_to_the_server(pattern: str) -> None:
    assert of({"pattern": pattern}).problems("a" * 40 + "!") == []


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\d{4}-\d{2}-\d{2}$",
        "^[^@]+@[^@]+$",
        "^(cat|dog)$",
        r"^[a-z(+*]+$",
        r"^\(a\)+$",
        "^(ab)+$",
    ],
)
def test_an_ordinary_pattern_is_checked(pattern: str) -> None:
    assert len(of({"pattern": pattern}).problems("?")) == 1


def test_a_pattern_is_not_tried_on_a_text_too_long_for_it() -> None:
    schema = of({"pattern": "^.*b.*b.*$"})

    assert len(schema.problems("a" * 200)) == 1
    assert schema.problems("a" * 20_000) == []


def test_equal_schemas_are_compiled_once() -> None:
    one, other = {"type": "object", "title": "t"}, json.loads('{"title": "t", "type": "object"}')

    assert of(one) is of(other)


@pytest.mark.parametrize("keyword", [{"allOf": 5}, {"dependentSchemas": []}, {"anyOf": True}])
def test_a_keyword_that_its_dialect_does_not_know_may_be_anything_and_is_refused(
    keyword: dict[str, Any],
) -> None:
    schema = {"$schema": "http://json-schema.org/draft-03/schema#", **keyword}

    with pytest.raises(UnusableSchema):
        contract(canonical(schema))
