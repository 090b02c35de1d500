"""What a change takes from the rules that plans are held to: policies, guards, freezes, protection, looking for drift.

No plan makes use of what it loosens itself, but every later one can. So it is said as loudly as a gain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from schemas.plan import FieldChange, Reason

_HEAL: Final = ("off", "alert", "heal")


def loosened(kind: str, reason: Reason, ops: Iterable[FieldChange]) -> tuple[str, ...]:
    """What holds less from the next plan on, in words that follow a document's name; what was applied holds already."""
    if reason == "drift":
        return ()
    return tuple(dict.fromkeys(words for op in ops for words in _words(kind, op)))


def _words(kind: str, op: FieldChange) -> Iterator[str]:
    match kind, op.path.split("/")[1:]:
        case _, ["protect"] if op.before is True:
            yield "is not protected any more"
        case "Project", ["policies", *rest]:
            yield from _policy(rest, op)
        case "Project", ["guards", "freeze", *rest]:
            if not rest and not op.after:
                yield "has no freeze windows any more"
            elif rest or _lacks(op):
                yield "has other freeze windows"
        case "Project", ["guards", name] if op.op == "replace" and op.after > op.before:
            yield f"has {name} {op.before:g} -> {op.after:g}"
        case "Project", ["heal"] if _rank(op.after) < _rank(op.before):
            yield f"has heal {op.before} -> {op.after}"
        case _:
            pass


def _policy(rest: list[str], op: FieldChange) -> Iterator[str]:
    match rest:
        case [] if op.op == "remove":
            yield from (f"has no policy {name}" for name in op.before)
        case [name] if op.op == "remove":
            yield f"has no policy {name}"
        case [name, "severity"] if op.after == "warning":
            yield f"is only warned by policy {name}"
        # Which of two expressions lets more through depends on the plan.
        case [name, "when"]:
            yield f"has another policy {name}"
        # To hold everywhere is to hold in more places.
        case [name, "environments", *_] if op.op != "remove":
            yield f"has policy {name} elsewhere"
        case _:
            pass


def _lacks(op: FieldChange) -> bool:
    """Whether something of a list is not in the other any more."""
    return any(item not in (op.after or ()) for item in op.before or ())


def _rank(policy: Any) -> int:
    return _HEAL.index(policy) if policy in _HEAL else len(_HEAL)
