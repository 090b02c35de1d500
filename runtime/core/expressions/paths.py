"""Walking a path strictly, and saying what is there instead when it breaks off."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from runtime.core.expressions.context import ABSENT, Context, Segment, path_text
from runtime.errors import ExpressionError

Path = tuple[Segment, ...]

_SHOWN_NAMES: Final = 12
_SHOWN_LENGTH: Final = 40
_ABSENT_ROOTS: Final = {
    "item": "only a step with foreach has an item",
    "event": "no event started this run",
    "result": "no tool has answered yet",
}


class PathMissing(Exception):
    """A path breaks off: `holder`, found at `path`, has no `segment`."""

    def __init__(self, path: Path, segment: Segment, holder: Any) -> None:
        super().__init__(path, segment)
        self.path = path
        self.segment = segment
        self.holder = holder


def walk(value: Any, segments: Path, prefix: Path) -> Any:
    """What stands at `segments` below `value`, which itself stands at `prefix`.

    Raises:
        PathMissing: an object lacks a key, a list an index, or something else stands in the way; null has nothing below.
    """
    for position, segment in enumerate(segments):
        try:
            value = _below(value, segment)
        except (KeyError, IndexError):
            raise PathMissing(prefix + segments[:position], segment, value) from None
    return value


def _below(value: Any, segment: Segment) -> Any:
    """Only objects have keys and only lists have indexes: JMESPath does not index text."""
    if isinstance(value, list):
        if isinstance(segment, int):
            return value[segment]
    elif isinstance(value, dict | Mapping):
        return value[segment]
    raise KeyError(segment)


def root_value(context: Context, path: Path) -> Any:
    """What stands at a path from the roots down.

    Raises:
        PathMissing: as `walk`, or the root has no value in this run.
    """
    root = getattr(context, str(path[0]))
    if root is ABSENT:
        raise PathMissing((), path[0], None)
    return walk(root, path[1:], path[:1])


def missing_error(missing: PathMissing, at: Path, position: int | None) -> ExpressionError:
    """ORD502 in words: which path, what is there instead, and how to allow for it."""
    wanted = path_text((*missing.path, missing.segment))
    instead, hint = what_is_there(missing)
    return ExpressionError(
        f"{wanted} is not there{instead}",
        hint=hint or f"if it may be missing, write default({wanted}, <something else>)",
        code="ORD502",
        path=at,
        position=position,
    )


def close_match(name: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant, if one is close."""
    found = difflib.get_close_matches(
        name[:_SHOWN_LENGTH], [n[:_SHOWN_LENGTH] for n in names], n=1
    )
    return found[0] if found else None


def listed(names: Iterable[str]) -> str:
    """Names as a message shows them: sorted and bounded."""
    shown = sorted(names)
    rest = len(shown) - _SHOWN_NAMES
    text = ", ".join(name[:_SHOWN_LENGTH] for name in shown[:_SHOWN_NAMES])
    return f"{text} and {rest} more" if rest > 0 else text


def what_is_there(missing: PathMissing) -> tuple[str, str]:
    """(what is there instead, a hint if something better than default() comes to mind)."""
    where, segment, holder = path_text(missing.path), missing.segment, missing.holder
    if not missing.path:
        return f": {_ABSENT_ROOTS[str(segment)]}", ""
    if isinstance(holder, list):
        if isinstance(segment, int):
            return f"; {where} has {len(holder)} elements", ""
        return f"; {where} is a list", f"write {where}[0].{segment} or {where}[*].{segment}"
    if isinstance(holder, Mapping):
        if isinstance(segment, int):
            return f"; {where} is an object, and only lists have indexes", ""
        names = [name for name in holder if isinstance(name, str)]
        close = close_match(segment, names)
        meant = f"did you mean {path_text((*missing.path, close))}?" if close else ""
        return (f"; {where} has: {listed(names)}" if names else f"; {where} is empty"), meant
    kinds = {bool: "a boolean", str: "a text", type(None): "null"}
    return f"; {where} is {kinds.get(type(holder), 'a number')}", ""
