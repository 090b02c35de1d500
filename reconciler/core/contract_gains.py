"""What of a tool server's contract comes into force with a change: which tools do more, say other things, or are new.

Pure. A tool that may destroy from now on, and one that says other things of itself, which is how a server that was taken
over begins to talk to models, are what a reviewer must not miss.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from schemas.plan import FieldChange

LOCKED: Final = "locked"
"""The field of a tool server's body that holds what its tools are held to."""


class Told(NamedTuple):
    """One thing that changes of one tool: what is told of it, and whether it must not be missed."""

    tool: str
    words: str
    is_loud: bool = False


def contract_changes(ops: Iterable[FieldChange]) -> list[Told]:
    """What changes of the contract, what must not be missed first."""
    found = [told for op in ops for told in _told(op)]
    return sorted(dict.fromkeys(found), key=lambda told: (not told.is_loud, told.tool))


def contract_gains(ops: Collection[FieldChange]) -> Iterator[str]:
    """What of that somebody gains, in words that follow the name of a tool server."""
    for told in contract_changes(ops):
        if told.is_loud:
            yield f"has a tool that {told.words}: {told.tool}"
    for op in ops:
        if _parts(op) == [LOCKED] and op.op == "remove":
            yield "is held to no tool lock any more"
        if _parts(op) == ["on_contract_change"] and op.after == "warn":
            yield "goes on with tools that broke their contract"


def destroys_more(ops: Iterable[FieldChange]) -> bool:
    """Whether a tool may destroy something that could not, or was not there."""
    return any(_DESTROYS in told.words for told in contract_changes(ops))


_DESTROYS: Final = "may destroy"


def _told(op: FieldChange) -> Iterator[Told]:
    match op.op, _parts(op):
        case "add", ["locked", tool]:
            yield _new(tool, op.after)
        case "remove", ["locked", tool]:
            yield Told(tool, "is offered no more")
        case _, ["locked", tool, "description"]:
            yield Told(tool, "has another description", is_loud=True)
        case _, ["locked", tool, "destructive"] if op.after:
            yield Told(tool, f"{_DESTROYS} now, by what its server says", is_loud=True)
        case _, ["locked", tool, "destructive"]:
            yield Told(tool, "destroys no more, by what its server says")
        case _, ["locked", tool, "contract"]:
            yield Told(tool, "takes or answers otherwise")
        case _:
            pass


def _new(tool: str, contract: Any) -> Told:
    if isinstance(contract, Mapping) and contract.get("destructive"):
        return Told(tool, f"is new and {_DESTROYS}", is_loud=True)
    return Told(tool, "is new")


def _parts(op: FieldChange) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in op.path.split("/")[1:]]
