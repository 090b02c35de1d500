"""The built-in tools that only compute: `ordinaut.transform` and `ordinaut.assert`."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.tools.toolbox import Toolbox
from tests.runtime.tools.conftest import OpenToolbox


@pytest.fixture
async def box(open_toolbox: OpenToolbox) -> Toolbox:
    return await open_toolbox()


@pytest.mark.parametrize("value", [{"a": [1, None]}, [], "text", 7, None, False])
async def test_transform_gives_the_value_it_was_given(box: Toolbox, value: Any) -> None:
    outcome = await box.call("ordinaut.transform", {"value": value})

    assert (outcome.kind, outcome.value) == ("ok", value)


@pytest.mark.parametrize("that", [True, 0, "x", [0], {"a": None}])
async def test_assert_passes_what_holds(box: Toolbox, that: Any) -> None:
    assert (await box.call("ordinaut.assert", {"that": that})).kind == "ok"


@pytest.mark.parametrize("that", [False, None, "", [], {}])
async def test_assert_fails_with_its_message_on_what_does_not_hold(
    box: Toolbox, that: Any
) -> None:
    outcome = await box.call("ordinaut.assert", {"that": that, "message": "no rows"})

    assert outcome.kind == "tool_error"
    assert outcome.error is not None
    assert (outcome.error.code, outcome.error.message) == ("ORD404", "ordinaut.assert: no rows")


@pytest.mark.parametrize("tool", ["transform", "assert"])
async def test_arguments_that_are_missing_or_unknown_are_refused(box: Toolbox, tool: str) -> None:
    outcome = await box.call(f"ordinaut.{tool}", {"values": 1})

    assert outcome.kind == "contract_error"
