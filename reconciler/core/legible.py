"""What of a row that somebody wrote by hand can be read as a document: whoever wrote it may have broken any field of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from reconciler.core.changes import Applied
from schemas.base import API_VERSION
from schemas.spec import KINDS

# What compiling adds to the fields that documents are written with.
_COMPILED: Final = ("calendars", "events", "locked")
_SINGLE: Final = (str, int, float)


def live_body(
    row: Applied | None, bodies: Mapping[int, Any], wanted: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """The body in force, as far as it is legible: a tombstone's is not in force.

    Args:
        bodies: what rows hold, by uid.
        wanted: what the document is to say.
    """
    if row is None or row.retired_at is not None or "retired" in row.strayed:
        return None
    body = bodies[row.uid]
    is_sound = row.last is not None and "content" not in row.strayed
    return body if is_sound else _legible(row.key.kind, body, wanted)


def _legible(kind: str, body: Any, wanted: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The body without what no document could have; None if it is no object at all.

    A single value stays, however wrong, where one is wanted: it can be shown, and nothing is looked up in it.
    """
    if not isinstance(body, Mapping):
        return None
    broken = _broken_fields(kind, body)
    single = {name for name, value in (wanted or {}).items() if isinstance(value, _SINGLE)}
    return {
        name: value
        for name, value in body.items()
        if name not in broken or (name in single and isinstance(value, _SINGLE))
    }


def _broken_fields(kind: str, body: Mapping[str, Any]) -> set[Any]:
    written = {name: value for name, value in body.items() if name not in _COMPILED}
    match body.get("pipeline"):
        # The steps that compiling wrote out for a pipeline that is used.
        case {"steps": steps}:
            written["pipeline"] = steps
        case _:
            pass
    head = {"apiVersion": API_VERSION, "kind": kind}
    try:
        KINDS[kind].model_validate({**written, **head})
    except ValidationError as error:
        return {place for one in error.errors() for place in one["loc"][:1]}
    return set()
