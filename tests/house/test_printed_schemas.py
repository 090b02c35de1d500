"""The published schemas of what is printed: as the models say, complete with words, and never without what was in them once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from schemas.export import published

_FIELDS = Path(__file__).with_name("printed_v1_fields.txt")
_FOLDER = Path(__file__).parents[2] / "schemas"
_TEXTS = published()
_SCHEMAS = {name: json.loads(text) for name, text in _TEXTS.items()}


@pytest.mark.parametrize("name", _TEXTS)
def test_the_committed_schema_is_what_the_model_gives(name: str) -> None:
    committed = (_FOLDER / name).read_text(encoding="utf-8")

    assert committed == _TEXTS[name], "run: python -m schemas.export"


@pytest.mark.parametrize("name", _TEXTS)
def test_it_is_draft_07(name: str) -> None:
    Draft7Validator.check_schema(_SCHEMAS[name])
    assert "$defs" not in _TEXTS[name]


@pytest.mark.parametrize("name", _TEXTS)
def test_a_format_has_the_name_of_its_schema(name: str) -> None:
    of_its_own = _SCHEMAS[name]["properties"]["format"]

    assert of_its_own["const"] == f"ordinaut.dev/{name.removesuffix('.schema.json')}/v1"


@pytest.mark.parametrize("name", _TEXTS)
def test_every_field_has_a_description(name: str) -> None:
    for model, schema in _models(_SCHEMAS[name]):
        # What a field refers to describes itself; counts are called what they count.
        mute = [
            field
            for field, one in schema.get("properties", {}).items()
            if not {"description", "$ref"} & one.keys()
        ]
        assert not mute or model in {"PlanSummary", "Written"}, (model, mute)


def _models(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every model, by its name; that of the whole by its title."""
    yield from schema["definitions"].items()
    yield schema["title"], schema


def _fields() -> Iterator[str]:
    """Every field with each type it may have, and every value of those that are words."""
    for whole in _SCHEMAS.values():
        for name, schema in _models(whole):
            for field, one in schema.get("properties", {}).items():
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


def test_what_was_printed_once_stays() -> None:
    kept = set(_FIELDS.read_text(encoding="utf-8").splitlines())

    assert kept - set(_fields()) == set(), "programs count on these"


def test_what_is_printed_is_written_down_so_that_it_stays() -> None:
    kept = set(_FIELDS.read_text(encoding="utf-8").splitlines())

    assert set(_fields()) - kept == set(), f"add these lines to {_FIELDS.name}"
