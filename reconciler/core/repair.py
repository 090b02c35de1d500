"""Fit a document to its model; where it does not fit, put stand-ins in place and go on.

A document with one mistake would otherwise hide every other mistake in it until the first is mended. The errors of the
first try are what is reported; the stand-ins exist only so that the remaining checks have a model to look at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from reconciler.core.locate import Path, field_at, is_tag
from schemas.base import Document

_ROUNDS: Final = 8
_STEP: Final = {"id": "stand_in", "uses": "ordinaut.assert"}
_STAND_INS: Final[dict[str, Any]] = {
    "id": "stand_in",
    "name": "stand-in",
    "pipeline": [_STEP],
    "schedule": {"manual": True},
    "steps": [_STEP],
    "timezone": "UTC",
    "uses": _STEP["uses"],
}
_ITEM_STAND_INS: Final[dict[str, Any]] = {
    "finally": _STEP,
    "pipeline": _STEP,
    "schedule": {"manual": True},
    "steps": _STEP,
}


@dataclass(frozen=True, slots=True)
class Fitted:
    """What became of fitting a document to its model.

    Attributes:
        document: the model, or None where no stand-in could help.
        errors: what did not fit.
        repaired: the written paths of the stand-ins and of what was taken out.
    """

    document: Document | None
    errors: tuple[ErrorDetails, ...] = ()
    repaired: frozenset[Path] = frozenset()


def fitted(value: dict[str, Any], kind: type[Document]) -> Fitted:
    """Fit plain values to the model of a kind."""
    try:
        return Fitted(_validated(value, kind))
    except ValidationError as error:
        first = tuple(error.errors(include_url=False))
    errors, repaired = first, set[Path]()
    value = _copied(value)
    for _ in range(_ROUNDS):
        for detail in errors:
            if (path := _repair(value, kind, detail["loc"], detail["type"])) is not None:
                repaired.add(path)
        try:
            return Fitted(_validated(value, kind), first, frozenset(repaired))
        except ValidationError as error:
            errors = tuple(error.errors(include_url=False))
    return Fitted(None, first)


def _validated(value: dict[str, Any], kind: type[Document]) -> Document:
    # Fields go by the names of the language; `with_` is Python's name for `with`, not the user's.
    return kind.model_validate(value, by_alias=True, by_name=False)


def _copied(value: Any) -> Any:
    match value:
        case dict():
            return {key: _copied(inner) for key, inner in value.items()}
        case list():
            return [_copied(inner) for inner in value]
        case _:
            return value


def _repair(value: dict[str, Any], kind: type[Document], path: Path, error: str) -> Path | None:
    """Take out or replace what stands at `path`, or the nearest thing around it; gives the path of what changed."""
    while path:
        holder, written = _holder(value, path)
        name = path[-1]
        if isinstance(holder, dict) and isinstance(name, str) and not is_tag(name):
            if error == "extra_forbidden" or _is_optional(kind, path):
                holder.pop(name, None)
                return written
            if name in _STAND_INS:
                holder[name] = _copied(_STAND_INS[name])
                return written
        owner = str(written[-2]) if len(written) > 1 else ""
        if isinstance(holder, list) and isinstance(name, int) and owner in _ITEM_STAND_INS:
            holder[name] = _copied(_ITEM_STAND_INS[owner])
            return written
        path = path[:-1]
    return None


def _is_optional(kind: type[Document], path: Path) -> bool:
    found = field_at(kind, path)
    return found is not None and not found.is_required()


def _holder(value: Any, path: Path) -> tuple[Any, Path]:
    """What holds the last part of `path`, and the path without tags and positions that were not written."""
    written: list[str | int] = []
    for part in path[:-1]:
        is_item = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if is_item or (isinstance(value, dict) and part in value):
            value = value[part]
            written.append(part)
    return value, (*written, path[-1])
