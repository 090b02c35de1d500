"""What is promised of a task: how many of its runs succeed, and how many begin in time."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, model_validator

from schemas.base import Model, PositiveDuration

SHORTEST_WINDOW: Final = timedelta(hours=1)
LONGEST_WINDOW: Final = timedelta(days=90)
_PERCENT: Final = re.compile(r"([0-9]{1,2}(?:\.[0-9]{1,3})?)%")


def _as_percent(value: Any) -> Any:
    """In its shortest form, so that equal shares are equal text."""
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(
            "must be a share below 100%, such as 99.5%: what is always so needs no budget"
        )
    share = Decimal(found[1]).normalize()
    if not share:
        raise ValueError("must be more than 0%")
    return f"{share:f}%"


Percent = Annotated[
    str,
    BeforeValidator(_as_percent),
    Field(pattern=r"^[0-9]{1,2}(\.[0-9]{1,3})?%$", examples=["99.5%"]),
]
"""A share of runs, such as `99.5%`."""


def ratio_of(percent: str) -> float:
    """A `Percent` as a number between 0 and 1."""
    return float(Decimal(percent.removesuffix("%")) / 100)


class SloLateness(Model):
    """How many runs begin in time."""

    within: PositiveDuration
    """A run that begins no later than so long after its due time is in time."""
    target: Percent
    """How many of them are."""


class Slo(Model):
    """What is promised of a task: its service level objectives."""

    success: Percent | None = None
    """How many of the runs that succeed or fail succeed; cancelled ones and skips do not count."""
    lateness: SloLateness | None = None
    """How many runs begin in time."""
    window: PositiveDuration = timedelta(days=30)
    """Over which time, to now: an hour to 90 days."""

    @model_validator(mode="after")
    def _promises_something(self) -> Slo:
        if self.success is None and self.lateness is None:
            raise ValueError("an slo has at least one of success and lateness")
        if not SHORTEST_WINDOW <= self.window <= LONGEST_WINDOW:
            raise ValueError("the window of an slo is an hour at least, and 90 days at most")
        return self
