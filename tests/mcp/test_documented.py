"""docs/mcp.md tells of every tool, resource and prompt what the code says of it."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from jsonschema import Draft202012Validator

from reconciler.mcp.offering import Tool
from reconciler.mcp.prompts import PROMPTS
from reconciler.mcp.resources import GUIDE, RUN, SCHEMA, TASK
from reconciler.mcp.table import TOOLS
from schemas.token import Scope
from tests.support.processes import ROOT

PAGE = (ROOT / "docs" / "mcp.md").read_text("utf-8")
PARTS = re.findall(r"^\| `(\w+)` \| `(\w+)` \| .+ \| (.+) \|$", PAGE, re.MULTILINE)


def promised(tool: Tool) -> str:
    """What the page says that a tool does."""
    hints = {"idempotent": tool.is_idempotent, "destructive": tool.is_destructive}
    if tool.is_reading:
        return "reads"
    return ", ".join(["writes", *(name for name, is_so in hints.items() if is_so)])


def test_the_table_of_tools_is_what_there_is() -> None:
    assert [(one.name, one.scope, promised(one)) for one in TOOLS] == PARTS


def test_every_scope_resource_and_prompt_is_told() -> None:
    told = [*(GUIDE.uri, SCHEMA.uri, TASK.uri_template, RUN.uri_template)]
    told += [one.listed.name for one in PROMPTS]

    assert [word for word in told if f"`{word}`" not in PAGE] == []
    assert {one.scope for one in TOOLS} <= set(get_args(Scope))


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_tool_says_what_it_takes_and_gives(tool: Tool) -> None:
    listed = tool.listed

    for schema in (listed.input_schema, listed.output_schema):
        assert schema
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
    assert listed.input_schema["additionalProperties"] is False
    undescribed = [
        name
        for name, one in listed.input_schema["properties"].items()
        if not {"description", "examples"} & one.keys() and "$ref" not in str(one)
    ]
    assert undescribed == []
    assert listed.description
    assert len(listed.description) < 600
    assert listed.annotations
    assert listed.annotations.read_only_hint is tool.is_reading
    assert listed.annotations.open_world_hint is False
    if not tool.is_reading:
        assert {"reason", "dry_run"} <= listed.input_schema["properties"].keys()
        assert "reason" in listed.input_schema["required"]
