"""The published schema of plans: as the model says, true of every plan, and never without what was in it once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from schemas.export import published
from schemas.plan import GitBase, Plan
from schemas.problem import Problem
from tests.core.plan_story import AFTER, BEFORE, plan_of, story
from tests.support.specs import Database, compiled, database_of

_ROOT = Path(__file__).parents[2]
_FIELDS = Path(__file__).with_name("plan_v1_fields.txt")
_SCHEMA = json.loads(published()["plan.schema.json"])

PLANS: dict[str, Callable[[], Plan]] = {
    "story": story,
    "first": lambda: plan_of(Database({}), compiled(AFTER), base=None),
    "nothing": lambda: plan_of(database_of(BEFORE), compiled(BEFORE)),
    "git": lambda: story(git_base=GitBase(named="main", commit="a81d07cbe2", broken=("a.yaml",))),
    "part": lambda: story(only=("ops/morning-brief",)),
    "advice": lambda: story(
        diagnostics=[
            Problem(code="ORD603", severity="note", message="m", file="f", line=1, column=1)
        ]
    ),
}


def _complaints(plan: Any) -> list[str]:
    return [error.message for error in Draft7Validator(_SCHEMA).iter_errors(plan)]


def test_the_committed_schema_is_what_the_model_gives() -> None:
    for name, text in published().items():
        committed = (_ROOT / "schemas" / name).read_text(encoding="utf-8")
        assert committed == text, "run: python -m schemas.export"


def test_it_is_draft_07() -> None:
    Draft7Validator.check_schema(_SCHEMA)
    assert "$defs" not in published()["plan.schema.json"]


@pytest.mark.parametrize("name", PLANS)
def test_every_plan_fits(name: str) -> None:
    assert _complaints(PLANS[name]().model_dump(mode="json")) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [(("digest",), 5), (("summary", "create"), "1"), (("changes", 0, "action"), "delete")],
)
def test_what_is_no_plan_does_not_fit(path: tuple[Any, ...], value: Any) -> None:
    plan = story().model_dump(mode="json")
    holder = plan
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = value

    assert _complaints(plan)


def test_a_field_of_a_later_version_fits() -> None:
    plan = story().model_dump(mode="json")
    plan["later"] = plan["changes"][0]["later"] = plan["summary"]["later"] = {"any": "thing"}

    assert _complaints(plan) == []


def test_every_field_has_a_description() -> None:
    for name, schema in {**_SCHEMA["definitions"], "Plan": _SCHEMA}.items():
        # What a field refers to describes itself; the counts of a summary are called what they count.
        mute = [
            f
            for f, one in schema["properties"].items()
            if not {"description", "$ref"} & one.keys()
        ]
        assert not mute or name == "PlanSummary", (name, mute)


def _fields() -> Iterator[str]:
    """Every field with each type it may have, and every value of those that are words."""
    for name, schema in {**_SCHEMA["definitions"], "Plan": _SCHEMA}.items():
        for field, one in schema["properties"].items():
            yield from (f"{name}.{field}: {kind}" for kind in _types(one))


def _types(schema: dict[str, Any]) -> Iterator[str]:
    match schema:
        case {"anyOf": list(several)} | {"allOf": list(several)}:
            for one in several:
                yield from _types(one)
        case {"$ref": str(reference)}:
            yield reference.rpartition("/")[2]
        case {"const": value}:
            yield f'"{value}"'
        case {"enum": list(values)}:
            yield from (f'"{value}"' for value in values)
        case {"items": dict(items), "type": "array"}:
            yield from (f"[{kind}]" for kind in _types(items))
        case {"type": str(kind)}:
            yield kind
        case _:
            yield "anything"


def test_what_was_in_a_plan_once_stays_in_it() -> None:
    kept = set(_FIELDS.read_text(encoding="utf-8").splitlines())

    assert kept - set(_fields()) == set(), "programs that read plans count on these"


def test_what_is_in_a_plan_is_written_down_so_that_it_stays() -> None:
    kept = set(_FIELDS.read_text(encoding="utf-8").splitlines())

    assert set(_fields()) - kept == set(), f"add these lines to {_FIELDS.name}"
