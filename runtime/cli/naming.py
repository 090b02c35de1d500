"""How people name a step of a run that waits for them: by its task or run, and by its id and item where several do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from runtime.cli.output import short_id
from runtime.errors import NotFound
from schemas.asked import Asked
from schemas.unsettled import Unsettled

Waiting = TypeVar("Waiting", Asked, Unsettled)


def names_of(one: Asked | Unsettled) -> list[str]:
    """What a step may be called, the exact name last."""
    item = f":{one.iteration}" if "item" in one.asked else ""
    owners = (short_id(one.run_id), str(one.run_id), one.task)
    steps = dict.fromkeys(("", f":{one.step}", f":{one.step}{item}"))
    return [f"{owner}{step}" for step in steps for owner in owners]


def only_one(found: Sequence[Waiting]) -> Waiting:
    """The one that is meant.

    Raises:
        NotFound: ORD310, the name stands for several.
    """
    if len(found) > 1:
        names = ", ".join(names_of(one)[-1] for one in found)
        raise NotFound(f"{len(found)} steps wait under this name", hint=f"name one: {names}")
    return found[0]
