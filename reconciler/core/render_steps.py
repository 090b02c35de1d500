"""What changes within steps, as lines of a plan: what a tool is told weighs as much as which tool is called.

Of a tool that destroys everything is shown; of others as much as fits, and the rest is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from reconciler.core.destructive import destroys
from reconciler.core.fields import Op, field_ops
from reconciler.core.look import Look, counted, flow, value_text
from reconciler.core.steps import steps_of
from schemas.plan import PlannedChange

# How many fields of steps that destroy nothing are shown before `-v` is needed.
_SHOWN: Final = 4
_STEPS: Final = re.compile(
    r"/(?P<list>pipeline(?:/steps)?|steps|(?:pipeline/)?finally)(?:/(?P<place>[0-9]+))?(?P<rest>(?:/.*)?)"
)


class _Line(NamedTuple):
    parts: list[str]
    destroys: bool


def step_lines(change: PlannedChange, look: Look, room: int) -> list[str]:
    """A line a field; more where one is wider than there is room."""
    every = list(_lines(change))
    loud = [line for line in every if line.destroys]
    quiet = [line for line in every if not line.destroys]
    shown = quiet if look.verbose else quiet[:_SHOWN]
    lines = [text for line in [*loud, *shown] for text in flow(line.parts, room, gap=" ")]
    if len(quiet) > len(shown):
        more = counted(len(quiet) - len(shown), "more argument")
        lines.append(look.paint(f"and {more} (-v)", "dim"))
    return lines


def _lines(change: PlannedChange) -> Iterator[_Line]:
    for op in change.ops:
        found = _STEPS.fullmatch(op.path)
        if found is None:
            continue
        if found["place"] is None:
            yield from _of_lists(op.before, op.after)
        elif found["rest"]:
            # Positions count in the list that git wants.
            steps = _list_at(change.shown_body or {}, found["list"])
            place = int(found["place"])
            step = steps[place] if place < len(steps) else {}
            yield _line(step, Op(op.op, found["rest"], op.before, op.after))
        elif op.op == "add":
            yield from _of_new(op.after)


def _list_at(body: Mapping[str, Any], pointer: str) -> Sequence[Any]:
    found: Any = body
    for name in pointer.split("/"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, list | tuple) else ()


def _of_lists(before: Any, after: Any) -> Iterator[_Line]:
    """Steps that come in another order, or instead of a pipeline that was used."""
    old, new = (steps_of({"kind": "Pipeline", "steps": side}) for side in (before, after))
    for name, step in new.items():
        if name in old:
            yield from (_line(step, op) for op in field_ops(old[name], step))
        else:
            yield from _of_new(step)


def _of_new(step: Any) -> Iterator[_Line]:
    if isinstance(step, Mapping) and destroys(str(step.get("uses"))):
        for name, value in (step.get("with") or {}).items():
            yield _line(step, Op("add", f"/with/{name}", after=value))


def _line(step: Mapping[str, Any], op: Op) -> _Line:
    name = f"{step.get('id', '?')}{op.path.replace('/', '.')}"
    parts = {
        "add": [f"+ {name}: {value_text(op.after)}"],
        "remove": [f"- {name}: {value_text(op.before)}"],
        "replace": [f"{name}: {value_text(op.before)}", f"-> {value_text(op.after)}"],
    }[op.op]
    return _Line(parts, destroys(str(step.get("uses"))))
