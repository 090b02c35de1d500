"""What goes on the stream to JSON Schemas, for those who read it: one for each type of event, and one for all of them.

They are open, since types and fields are only ever added. An event of a type that they do not know fits the one for all.
"""

from __future__ import annotations

import json
from typing import Any, Final

from schemas.event import EVENTS, TYPE_PREFIX, Event
from schemas.export import DRAFT, REF, file_name
from schemas.printed import opened

FOLDER: Final = "events"
ALL: Final = "event"


def event_schemas() -> dict[str, str]:
    """The text of every schema of events by its file, within the folder."""
    schemas = {file_name(kind): _of_type(kind) for kind in EVENTS} | {file_name(ALL): _of_all()}
    return {
        name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in schemas.items()
    }


def _of_type(kind: str) -> dict[str, Any]:
    data, definitions = _data(kind)
    envelope = _envelope()
    envelope["properties"] |= {"type": {"const": TYPE_PREFIX + kind}, "data": data}
    title = f"Event {TYPE_PREFIX}{kind}"
    description = EVENTS[kind].__doc__
    return {
        "$schema": DRAFT,
        "title": title,
        **envelope,
        "description": description,
        "definitions": definitions,
    }


def _of_all() -> dict[str, Any]:
    branches: list[dict[str, Any]] = []
    definitions: dict[str, Any] = {}
    for kind in EVENTS:
        data, needed = _data(kind)
        definitions |= needed | {kind: data}
        branches.append(
            {
                "if": {"properties": {"type": {"const": TYPE_PREFIX + kind}}},
                "then": {"properties": {"data": {"$ref": REF.format(model=kind)}}},
            }
        )
    envelope = {"$schema": DRAFT, "title": "Events of Ordinaut", **_envelope()}
    return {**envelope, "allOf": branches, "definitions": dict(sorted(definitions.items()))}


def _envelope() -> dict[str, Any]:
    schema: dict[str, Any] = opened(Event.model_json_schema(ref_template=REF))
    return schema


def _data(kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of the data, and what it refers to."""
    schema = opened(EVENTS[kind].model_json_schema(ref_template=REF))
    definitions = schema.pop("$defs", {})
    return schema, dict(sorted(definitions.items()))


if __name__ == "__main__":
    from pathlib import Path

    folder = Path(__file__).with_name(FOLDER)
    folder.mkdir(exist_ok=True)
    for file, text in event_schemas().items():
        (folder / file).write_text(text, encoding="utf-8")
