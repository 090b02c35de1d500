"""The schema for editors with the arguments of locked tools: it marks what is wrong, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from reconciler.core.contract_checks import Contracts
from reconciler.core.tool_lock import lock_text
from reconciler.core.tool_schemas import with_tools
from schemas.export import exported
from schemas.tool_lock import ToolLock
from tests.support.cli import Cli
from tests.support.contracts import listed, locked, taking

TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 1, "description": "How often."}
SEND = taking("send", "to", to=TEXT, copies=COUNT, tags={"type": "array", "items": COUNT})
SHARED = listed(
    "shared",
    inputSchema={
        "$ref": "#/$defs/All",
        "$defs": {
            "All": {"properties": {"point": {"$ref": "#/$defs/Point"}}, "required": ["point"]},
            "Point": {
                "type": "object",
                "properties": {"x": {"type": "number", "exclusiveMinimum": 0}},
                "additionalProperties": False,
            },
        },
    },
)
EITHER = listed(
    "either",
    inputSchema={
        "properties": {"a": {"oneOf": [TEXT, {"type": "null"}]}, "when": {"format": "date", "pattern": "^x"}},
        "anyOf": [{"required": ["a"]}, {"required": ["when"]}],
        "if": {"required": ["a"]},
        "then": {"required": ["z"]},
        "dependentRequired": {"a": ["z"]},
    },
)  # fmt: skip
TUPLE = listed("tuple", inputSchema={"$schema": "http://json-schema.org/draft-04/schema#", "properties": {"pair": {"type": "array", "items": [TEXT], "minimum": 1, "exclusiveMinimum": True}}})  # fmt: skip
OPEN = listed("open")
BROKEN = listed("broken", inputSchema={"type": "nonsense"})
LOCK = locked(mail=[SEND, SHARED, EITHER, TUPLE, OPEN, BROKEN, listed("not callable")])


def editor(name: str = "ordinaut", lock: ToolLock = LOCK) -> Any:
    return with_tools(json.loads(exported()[f"{name}.schema.json"]), Contracts.of(lock))


SCHEMA = editor()


def complaints(**step: Any) -> list[str]:
    task = {
        "apiVersion": "ordinaut/v1",
        "kind": "Task",
        "name": "t",
        "schedule": {"manual": True},
        "pipeline": [{"id": "s", **step}],
    }
    return [error.message for error in Draft7Validator(SCHEMA).iter_errors(task)]


def test_it_is_draft_07_and_leads_nowhere_else() -> None:
    Draft7Validator.check_schema(SCHEMA)

    for reference in _references(SCHEMA):
        found = SCHEMA
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(reference := value.get("$ref"), str):
            yield reference
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


@pytest.mark.parametrize(
    "step",
    [
        {"uses": "mail.send", "with": {"to": "a"}},
        {"uses": "mail.send", "with": {"to": "a", "copies": 2, "tags": [1, "${now}"]}},
        {"uses": "mail.send", "with": {"to": "${now}", "copies": "${now}", "tags": "${now}"}},
        {"uses": "mail.send", "idempotency": {"argument": "to"}},
        {"uses": "mail.shared", "with": {"point": {"x": 1.5}}},
        {"uses": "mail.shared", "with": {"point": "${now}"}},
        {"uses": "mail.either", "with": {"a": None}},
        {"uses": "mail.either", "with": {"when": "whenever"}},
        {"uses": "mail.tuple", "with": {"pair": [1, 2]}},
        {"uses": "mail.open", "with": {"anything": 1}},
        {"uses": "mail.broken", "with": {"anything": 1}},
        {"uses": "mail.other", "with": {"anything": 1}},
        {"uses": "llm.plan", "with": {"goal": "x"}},
    ],
    ids=range(13),
)
def test_a_call_that_may_be_right_is_not_marked(step: dict[str, Any]) -> None:
    assert complaints(**step) == []


@pytest.mark.parametrize(
    "step",
    [
        {"uses": "mail.send"},
        {"uses": "mail.send", "with": {}},
        {"uses": "mail.send", "with": {"to": 5}},
        {"uses": "mail.send", "with": {"to": "a", "copies": 0}},
        {"uses": "mail.send", "with": {"to": "a", "copies": "two"}},
        {"uses": "mail.send", "with": {"to": "a", "tags": ["two"]}},
        {"uses": "mail.send", "with": {"to": "a", "cc": "b"}},
        {"uses": "mail.shared", "with": {"point": {"y": 1}}},
        {"uses": "mail.shared", "with": {"point": {"x": 0}}},
        {"uses": "mail.either", "with": {"a": 5}},
        {"uses": "mail.either", "with": {}},
        {"uses": "mail.send", "with": {"to": "a"}, "effect": "once",
         "on_unknown": {"verify": "mail.send", "when": "result"}},
    ],
    ids=range(12),
)  # fmt: skip
def test_a_call_that_is_wrong_is_marked(step: dict[str, Any]) -> None:
    assert complaints(**step) != []


def test_tools_and_arguments_are_offered_with_their_words() -> None:
    uses = SCHEMA["definitions"]["Step"]["properties"]["uses"]

    assert uses["anyOf"][0]["enum"] == [
        f"mail.{name}" for name in ("either", "open", "send", "shared", "tuple")
    ]
    assert uses["description"] == "The tool to call, as `server.tool`."
    copies = SCHEMA["definitions"]["Tool-mail.send"]["properties"]["copies"]
    assert copies["description"] == "How often."


def test_a_name_that_may_mean_two_servers_is_left_out() -> None:
    servers = {"mail": [SEND], "team/mail": [SEND], "team/disk": [SEND]}

    found = editor(lock=locked(**servers))

    names = [name for name in found["definitions"] if name.startswith("Tool-")]
    assert names == ["Tool-team:disk.send", "Tool-team:mail.send"]


@pytest.mark.parametrize(("name", "lock"), [("agent", LOCK), ("task", locked())])
def test_what_calls_no_tool_stays_as_it_is(name: str, lock: ToolLock) -> None:
    assert editor(name, lock) == json.loads(exported()[f"{name}.schema.json"])


def test_the_command_prints_it_and_needs_a_tool_lock(tmp_path: Path) -> None:
    cli = Cli({"ORDINAUT_SPECS": str(tmp_path)})
    missing = cli("schema", "--with-tools")
    (tmp_path / "tools.lock.json").write_bytes(lock_text(LOCK))
    answer = cli("schema", "--with-tools")
    (tmp_path / "tools.lock.json").write_text("{")
    broken = cli("schema", "--with-tools", "task")

    assert (missing.status, broken.status, answer.status) == (1, 1, 0)
    assert "`ordinaut tools lock` writes it" in missing.stderr
    assert "ORD017" in broken.stderr
    assert json.loads(answer.stdout) == SCHEMA
