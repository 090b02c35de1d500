"""The short look at arguments says yes only where the whole schema does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.core.contracts import Contract
from runtime.core.quick import quick_check
from runtime.tools.builtin import builtin_tools

_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)  # fmt: skip
_NAMES = st.sampled_from(["a", "b", "c"])
_TYPES = st.sampled_from(["string", "boolean", "integer", "number", "null", "object", "array"])
_PARTS = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"type": _TYPES}, optional={"description": st.just("of it")}),
    st.fixed_dictionaries({"type": _TYPES, "minimum": st.just(1), "minLength": st.just(1)}),
    st.just({"type": ["string", "null"]}),
)
_SCHEMAS = st.fixed_dictionaries(
    {"type": st.sampled_from(["object", "array"])},
    optional={
        "properties": st.dictionaries(_NAMES, _PARTS, max_size=3),
        "required": st.lists(_NAMES, unique=True, max_size=2),
        "additionalProperties": st.sampled_from([False, True, {"type": "string"}]),
        "minProperties": st.just(1),
    },
)


@given(schema=_SCHEMAS, arguments=st.dictionaries(_NAMES, _VALUES, max_size=3))
def test_what_certainly_fits_has_no_problem_and_no_unknown_name(
    schema: dict[str, Any], arguments: dict[str, Any]
) -> None:
    contract = Contract(schema)

    if contract.certainly_fits(arguments):
        assert contract.problems(arguments) == []
        assert contract.unknown_names(arguments) == []


@pytest.mark.parametrize(
    ("arguments", "fits"),
    [
        ({"value": 1}, True),
        ({"value": [None]}, True),
        ({}, False),
        ({"value": 1, "valeu": 2}, False),
        ([], False),
    ],
)
def test_a_short_look_is_enough_for_a_plain_tool(arguments: object, fits: bool) -> None:
    look = quick_check(builtin_tools()["ordinaut"]["transform"].info.input_schema)

    assert look is not None
    assert look(arguments) is fits


def test_each_plain_type_is_told_from_the_others() -> None:
    examples = {"string": "a", "boolean": True, "integer": 1, "number": 1.5, "null": None, "object": {}, "array": []}  # fmt: skip
    for name in examples:
        look = quick_check({"type": "object", "properties": {"a": {"type": name}}})
        assert look is not None
        taken = {other for other, value in examples.items() if look({"a": value})}
        assert taken == ({"integer", "number"} if name == "number" else {name})
