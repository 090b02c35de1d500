"""The tools a server listed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from runtime.tools.catalogue import Catalogue, ToolInfo


@dataclass(frozen=True)
class Money:
    cents: int


def tool(name: str = "t", **schemas: Any) -> ToolInfo:
    fields = {"input_schema": {"type": "object"}, **schemas}
    return ToolInfo(server="s", name=name, description="", **fields)


def test_the_digest_follows_the_schemas_and_nothing_else() -> None:
    same = [
        tool(input_schema={"type": "object", "title": "x"}),
        tool("renamed", input_schema={"title": "x", "type": "object"}),
    ]
    other = [
        tool(input_schema={"type": "object"}),
        tool(input_schema={"type": "object", "title": "x"}, output_schema={}),
    ]

    assert len({each.digest for each in same}) == 1
    assert len({each.digest for each in [same[0], *other]}) == 3


def test_a_tool_whose_schemas_cannot_be_used_cannot_be_used_either() -> None:
    broken = tool(input_schema={"type": "wish"}, output_schema={"$ref": "elsewhere.json"})

    arguments = broken.argument_error({})
    result = broken.result_error({}, given=True)

    assert arguments is not None
    assert arguments.message.startswith(
        "s.t cannot be called like this: the tool's input schema cannot be used: not a valid JSON Schema"
    )
    assert result is not None
    assert result.message.endswith(
        "its output schema cannot be used: 'elsewhere.json' is not defined inside the schema"
    )


def test_arguments_nested_without_end_are_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    for value in (endless, deep):
        problem = tool().argument_error({"a": value})
        assert problem is not None
        assert problem.code == "ORD403"


@pytest.mark.parametrize(
    "value",
    [math.nan, [{"deep": -math.inf}], datetime(2026, 1, 5, tzinfo=UTC), Money(5), "\ud800"],
)  # fmt: skip
def test_what_json_cannot_carry_is_refused_and_not_sent_as_something_else(value: object) -> None:
    problem = tool().argument_error({"a": value})

    assert problem is not None
    assert (problem.code, "not JSON" in problem.message) == ("ORD403", True)


@pytest.mark.parametrize("value", [None, "null", [None, {"null": None}], 2**70, "é"])
def test_what_json_can_carry_is_not_refused(value: object) -> None:
    assert tool().argument_error({"a": value}) is None


def test_of_two_tools_with_one_name_the_first_counts() -> None:
    first, second = tool(), tool(input_schema={})

    assert Catalogue("s", [first, second]).find("t") is first


def test_an_empty_catalogue_says_so() -> None:
    assert Catalogue("s").missing("t").message == "s has no tool t: it has none"
