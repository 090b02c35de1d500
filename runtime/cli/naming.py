"""How people name a step of a run that waits for them: by its task or run, and by its id and item where several do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeVar

from runtime.cli.output import short_id
from runtime.errors import NotFound
from schemas.asked import Asked
from schemas.unsettled import Unsettled

Waiting = TypeVar("Waiting", Asked, Unsettled)

_DIGITS: Final = re.compile(r"[0-9a-f]{6,32}")
_SHOWN: Final = 5


def named(waiting: Sequence[Waiting], name: str) -> list[Waiting]:
    """Those of them that a name stands for: TASK or digits of the run's id, and perhaps `:STEP` and `:ITEM`."""
    owner, *place = name.split(":")
    digits = owner.lower().replace("-", "")
    of_task = [one for one in waiting if one.task == owner]
    is_run = _DIGITS.fullmatch(digits) is not None and not of_task
    of_run = [one for one in waiting if is_run and _has_digits(one, digits)]
    return [one for one in of_task or of_run if _place(one)[: len(place)] == place]


def name_among(waiting: Sequence[Waiting], one: Waiting) -> str:
    """The name that stands for one of them alone: by its task, or by its run where several of the task wait."""
    place = ":".join(_place(one))
    by_task = f"{one.task}:{place}"
    return by_task if len(named(waiting, by_task)) == 1 else f"{short_id(one.run_id)}:{place}"


def only_one(found: Sequence[Waiting]) -> Waiting:
    """The one that is meant.

    Raises:
        NotFound: ORD310, the name stands for several.
    """
    if len(found) > 1:
        names = ", ".join(name_among(found, one) for one in found[:_SHOWN])
        more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise NotFound(f"{len(found)} steps wait under this name", hint=f"name one: {names}{more}")
    return found[0]


def _has_digits(one: Asked | Unsettled, digits: str) -> bool:
    return one.run_id.hex.startswith(digits) or one.run_id.hex.endswith(digits)


def _place(one: Asked | Unsettled) -> list[str]:
    return [one.step, str(one.iteration)] if "item" in one.asked else [one.step]
