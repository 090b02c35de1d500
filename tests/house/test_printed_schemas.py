"""The published schemas of what is printed: as the models say, complete with words, and never without what was in them once."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from tests.house.printed_fields import (
    FILE,
    SCHEMAS,
    TEXTS,
    models_of,
    printed_fields,
    written_fields,
)

_FOLDER = Path(__file__).parents[2] / "schemas"


@pytest.mark.parametrize("name", TEXTS)
def test_the_committed_schema_is_what_the_model_gives(name: str) -> None:
    committed = (_FOLDER / name).read_text(encoding="utf-8")

    assert committed == TEXTS[name], "run: python -m schemas.export"


@pytest.mark.parametrize("name", TEXTS)
def test_it_is_draft_07(name: str) -> None:
    Draft7Validator.check_schema(SCHEMAS[name])
    assert "$defs" not in TEXTS[name]


@pytest.mark.parametrize("name", TEXTS)
def test_a_format_has_the_name_of_its_schema(name: str) -> None:
    of_its_own = SCHEMAS[name]["properties"]["format"]

    assert of_its_own["const"] == f"ordinaut.dev/{name.removesuffix('.schema.json')}/v1"


@pytest.mark.parametrize("name", TEXTS)
def test_every_field_has_a_description(name: str) -> None:
    for model, schema in models_of(SCHEMAS[name]):
        # What a field refers to describes itself; counts are called what they count.
        mute = [
            field
            for field, one in schema.get("properties", {}).items()
            if not {"description", "$ref"} & one.keys()
        ]
        assert not mute or model in {"PlanSummary", "Written"}, (model, mute)


def test_what_was_printed_once_stays() -> None:
    assert written_fields() - printed_fields() == set(), "programs count on these"


def test_what_is_printed_is_written_down_so_that_it_stays() -> None:
    new = printed_fields() - written_fields()

    assert new == set(), f"run: make generated, which adds these lines to {FILE.name}"
