"""What differs field by field, as lines of a plan: what no other line tells, by what it is about, and with `-v` all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import unified_diff
from typing import Any, Final

from reconciler.core.contract_gains import LOCKED
from reconciler.core.digest import IDENTITY, canonical
from reconciler.core.filling import defaults_of
from reconciler.core.look import Look, counted, flow, value_text, visible
from schemas.plan import FieldChange, PlannedChange

# How much of a value one `-v` shows, and how much is ever shown on one line.
_LONG: Final = 240
_WHOLE: Final = 100_000
# How many fields of a policy or parameter are shown before `-v` is needed.
_FIELDS: Final = 4
# Told by name: steps of a pipeline, a task's own steps, and the written-out steps of a pipeline that it uses.
_STEPS: Final = re.compile(r"/steps|/finally|/pipeline(/steps|/finally|/[0-9]+|$)")
_OF_STEP: Final = re.compile(r"/(?:pipeline(?:/steps)?|steps)/[0-9]+/.+")
_IDENTITY: Final = ("/name", "/namespace")
_TIMES: Final = frozenset({"schedule", "calendars"})
# Where a long value may go on in the next line: between words, and between the parts of a list or an object.
_BREAKS: Final = re.compile(r"(?<= )|(?<=,)(?=[\"{\[])")


def fields_by_facet(change: PlannedChange) -> dict[str, list[FieldChange]]:
    """What no line above tells, by what it is about."""
    found: dict[str, list[FieldChange]] = {}
    for op in change.ops:
        top = op.path.split("/")[1] if op.path else ""
        if (
            _STEPS.match(op.path)
            or op.path == "/owner"
            or (op.path in _IDENTITY and "name" not in change.strayed)
            or top == LOCKED
        ):
            continue
        if top in _TIMES and _is_told(change):
            continue
        found.setdefault(_about(change.kind, top), []).append(op)
    return found


def _is_told(change: PlannedChange) -> bool:
    """Whether the schedule's words differ, so that its fields need no line."""
    preview = change.preview
    return preview is not None and preview.schedule_before != preview.schedule_after


def _about(kind: str, top: str) -> str:
    if top in {"labels", "owner", "description"}:
        return "meta"
    if top in {"name", "namespace"}:
        return "name"
    if kind != "Task":
        return "fields"
    if top in _TIMES:
        return "schedule"
    return top if top in {"pipeline", "params", "agent"} else "policy"


def field_lines(
    change: PlannedChange, fields: list[FieldChange], look: Look, room: int
) -> list[str]:
    """A line a field, as far as few are enough; more where one is wider than `room`."""
    if _about(change.kind, fields[0].path.split("/")[1]) == "meta":
        names = dict.fromkeys(op.path.split("/")[1] for op in fields)
        return [", ".join(names)]
    shown = fields if look.verbose else fields[:_FIELDS]
    lines = [text for op in shown for text in _field(op, room, drifted=change.reason == "drift")]
    if len(fields) > len(shown):
        lines.append(
            look.paint(f"and {counted(len(fields) - len(shown), 'more field')} (-v)", "dim")
        )
    return lines


def _field(op: FieldChange, room: int, *, drifted: bool) -> list[str]:
    name = op.path.removeprefix("/").replace("/", ".")
    before, after = value_text(op.before), value_text(op.after)
    parts = {
        "add": [f"+ {name}: {after}"],
        "remove": [f"- {name}: {before}"],
        "replace": [f"{name} is {before},", f"restored to {after}"]
        if drifted
        else [f"{name}: {before}", f"-> {after}"],
    }[op.op]
    return flow(parts, room, gap=" ")


def all_fields(change: PlannedChange, room: int, *, whole: bool) -> Iterator[str]:
    """Every field that no line above tells whole: the changed ones, or those of a creation that are no defaults.

    Args:
        room: columns of a line; a value goes on in the next one, and nothing of it is lost.
        whole: of long values not only their beginning.
    """
    signs = {"add": "+", "remove": "-", "replace": "~"}
    for op in change.ops:
        if _is_told_whole(change, op):
            continue
        sides = ([op.before] if op.op != "add" else []) + ([op.after] if op.op != "remove" else [])
        path = f"{signs[op.op]} {visible(op.path)}"
        if whole and any(isinstance(side, str) and "\n" in side for side in sides):
            yield path
            yield from (f"  {line}" for line in _line_by_line(sides))
        else:
            limit = _WHOLE if whole else _LONG
            yield from _broken(
                f"{path}  {' -> '.join(value_text(side, limit) for side in sides)}", room
            )
    if change.action == "create":
        defaults = defaults_of(change.kind)
        for name, value in sorted((change.shown_body or {}).items()):
            if name in IDENTITY or name == LOCKED or (name, canonical(value)) in defaults:
                continue
            yield from _broken(f"+ /{name}  {value_text(value, _WHOLE if whole else _LONG)}", room)


def _broken(text: str, room: int) -> list[str]:
    return flow(_BREAKS.split(text), room, gap="")


def _is_told_whole(change: PlannedChange, op: FieldChange) -> bool:
    top = op.path.split("/")[1] if op.path else ""
    if top == LOCKED:
        return True
    if _about(change.kind, top) == "meta":
        told = op.path == "/owner"
    elif _STEPS.match(op.path):
        told = _OF_STEP.fullmatch(op.path) is not None
    else:
        told = op.path not in _IDENTITY and not (top in _TIMES and _is_told(change))
    return told and all(_fits_a_line(side) for side in (op.before, op.after))


def _fits_a_line(value: Any) -> bool:
    has_lines = isinstance(value, str) and "\n" in value
    return not has_lines and value_text(value, _WHOLE) == value_text(value)


def _line_by_line(sides: Sequence[Any]) -> Iterator[str]:
    """A long text as its lines: all of one, or those of two that differ, with their surroundings."""
    texts = [str(side).splitlines() for side in sides]
    if len(texts) == 1:
        yield from (visible(line) for line in texts[0])
        return
    for line in unified_diff(texts[0], texts[1], lineterm="", n=1):
        if not line.startswith(("---", "+++")):
            yield line[:1] + visible(line[1:])
