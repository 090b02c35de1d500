"""The JSON Schemas for editors: as the models say, complete with words, and no stricter than the program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft7Validator

from reconciler.core.documents import read_documents
from runtime.tools.builtin import builtin_tools
from schemas.export import exported, file_name
from schemas.printed import published
from schemas.spec import BUILTIN_TOOLS, KINDS, POWERLESS_TOOLS
from tests.reconciler.specs import others, tasks

_ROOT = Path(__file__).parents[2]
_FILES = exported()


def _schema(name: str = "ordinaut") -> Any:
    return json.loads(_FILES[file_name(name)])


def _complaints(document: Any, schema: Any) -> list[str]:
    return [error.message for error in Draft7Validator(schema).iter_errors(document)]


@pytest.mark.parametrize("name", sorted(_FILES))
def test_the_committed_schema_is_what_the_models_give(name: str) -> None:
    committed = (_ROOT / "schemas" / name).read_text(encoding="utf-8")

    assert committed == _FILES[name], "run: python -m schemas.export"


def test_there_is_a_file_for_each_kind_and_for_all() -> None:
    committed = {path.name for path in (_ROOT / "schemas").glob("*.schema.json")}
    assert committed == _FILES.keys() | published().keys()
    assert len(_FILES) == len(KINDS) + len({"Test", "ordinaut"})


@pytest.mark.parametrize("name", sorted(_FILES))
def test_it_is_draft_07_and_nothing_newer(name: str) -> None:
    Draft7Validator.check_schema(json.loads(_FILES[name]))
    for newer in (
        "$defs",
        "prefixItems",
        "unevaluatedProperties",
        "discriminator",
        "dependentRequired",
    ):
        assert f'"{newer}"' not in _FILES[name]


@pytest.mark.parametrize("name", sorted(_FILES))
def test_every_field_has_a_description(name: str) -> None:
    mute = [
        path
        for path, field in _fields(json.loads(_FILES[name]), "")
        if not field.get("description")
    ]

    assert not mute


def _fields(schema: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The fields of every model, with their paths."""
    if isinstance(schema, dict):
        if schema.get("additionalProperties") is False:
            for name, field in schema["properties"].items():
                yield f"{path}/{name}", field
        for name, inner in schema.items():
            if name not in ("examples", "default"):
                yield from _fields(inner, f"{path}/{name}")
    elif isinstance(schema, list):
        for number, inner in enumerate(schema):
            yield from _fields(inner, f"{path}/{number}")


def test_words_beside_a_reference_are_not_lost() -> None:
    """Draft-07 ignores everything beside a `$ref`."""

    def alone(schema: Any) -> bool:
        if isinstance(schema, dict):
            return ("$ref" not in schema or len(schema) == 1) and all(map(alone, schema.values()))
        return all(map(alone, schema)) if isinstance(schema, list) else True

    assert all(alone(json.loads(text)) for text in _FILES.values())


@pytest.mark.parametrize(
    "file", [path.relative_to(_ROOT) for folder in ("docs/examples", "specs", "examples") for path in sorted((_ROOT / folder).rglob("*.yaml")) if "overlays" not in path.parts], ids=str
)  # fmt: skip
def test_every_example_of_ours_fits(file: Path) -> None:
    reading = read_documents(str(file), (_ROOT / file).read_bytes())

    for document in reading.documents:
        if "apiVersion" in document.value:
            assert not _complaints(document.value, _schema())


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=50)
@given(tasks() | others())
def test_whatever_the_models_take_the_schema_takes(document: dict[str, Any]) -> None:
    assert not _complaints(document, _schema())
    assert not _complaints(document, _schema(document["kind"]))


@pytest.mark.parametrize(
    "fields",
    [
        {
            "priority": "${vars.urgency}",
            "timeout": "${ vars.limit }",
            "overlap": "${vars.overlap}",
        },
        {"owner": None, "agent": None},
        {"schedule": {"cron": "@daily"}},
    ],
    ids=["variables", "nothing", "a zone from the defaults"],
)
def test_what_only_the_whole_project_can_tell_is_left_open(fields: dict[str, Any]) -> None:
    assert not _complaints(_task(**fields), _schema())


@pytest.mark.parametrize(
    "fields",
    [
        {"priority": 12},
        {"priority": "high"},
        {"timeout": 10},
        {"overlap": "skipp"},
        {"schedul": {}},
        {"schedule": {"cron": "@daily", "every": "5m"}},
        {"pipeline": [{"id": "one"}]},
        {"pipeline": {"steps": []}},
        {"name": "My Task"},
        {"kind": "Tusk"},
        {"apiVersion": "v1"},
    ],
)
def test_what_an_editor_can_tell_is_marked(fields: dict[str, Any]) -> None:
    assert _complaints(_task(**fields), _schema())


def _task(**fields: Any) -> dict[str, Any]:
    return {
        "apiVersion": "ordinaut/v1",
        "kind": "Task",
        "name": "brief",
        "schedule": {"manual": True},
        "pipeline": [{"id": "one", "uses": "llm.plan"}],
        **fields,
    }


def test_the_built_in_tools_that_specs_may_name_without_a_warning_are_those_that_run() -> None:
    named = {f"{server}.{tool}" for server, tools in BUILTIN_TOOLS.items() for tool in tools}

    running = {f"{server}.{tool}" for server, tools in builtin_tools().items() for tool in tools}

    assert running == named
    assert running >= POWERLESS_TOOLS
