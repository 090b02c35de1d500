"""The JSON Schemas of events: as the models say, and fit by what programs of ours tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft7Validator, FormatChecker

from schemas.event import EVENTS
from schemas.event_schemas import FOLDER, event_schemas
from tests.support.cli import Cli

_FILES = event_schemas()
_FOLDER = Path(__file__).parents[2] / "schemas" / FOLDER


def event(kind: str, **data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(UUID(int=1)),
        "source": "ordinaut/test",
        "type": f"ordinaut.{kind}",
        "subject": "briefing",
        "time": "2026-01-05T08:30:00.004000Z",
        "datacontenttype": "application/json",
        "sequence": f"{1:019d}",
        "data": data,
    }


def fits(name: str, value: object) -> bool:
    schema = json.loads(_FILES[f"{name}.schema.json"])
    return bool(Draft7Validator(schema, format_checker=FormatChecker()).is_valid(value))


@pytest.mark.parametrize("name", sorted(_FILES))
def test_the_committed_schema_is_what_the_models_give(name: str) -> None:
    assert (_FOLDER / name).read_text(encoding="utf-8") == _FILES[name], "run: make generated"
    Draft7Validator.check_schema(json.loads(_FILES[name]))


def test_there_is_one_for_each_type_and_one_for_all() -> None:
    assert {path.name for path in _FOLDER.iterdir()} == _FILES.keys()
    assert len(_FILES) == len(EVENTS) + 1


def test_an_event_fits_its_own_and_the_one_for_all() -> None:
    changed = event("task.updated", task="briefing", project="demo", revision=3)
    for name in ("task.updated", "event"):
        assert fits(name, changed)
        assert fits(name, changed | {"new": 1, "data": changed["data"] | {"new": 1}})
        assert not fits(name, changed | {"data": {"task": "briefing"}})
        assert not fits(name, {key: changed[key] for key in changed if key != "id"})
    assert not fits("task.created", changed)


def test_an_event_of_a_type_to_come_fits_the_one_for_all() -> None:
    assert fits("event", event("moon.landed", crater="Tycho"))


@pytest.mark.parametrize(
    ("kind", "title"),
    [("event", "Events of Ordinaut"), ("Event", "Events of Ordinaut"), ("ordinaut.run.failed", "Event ordinaut.run.failed")],
)  # fmt: skip
def test_the_command_prints_them(kind: str, title: str) -> None:
    assert json.loads(Cli()("schema", kind).stdout)["title"] == title


def test_a_type_that_is_none_is_refused_with_what_may_be_meant() -> None:
    found = Cli()("schema", "run.faild")

    assert (found.status, "run.failed" in found.stderr) == (1, True)
