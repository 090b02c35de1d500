"""What `ordinaut slo --json` prints: how what is promised of tasks stands."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from schemas.base import Model

Promise = Literal["success", "lateness"]


class Burn(Model):
    """How fast an error budget goes."""

    over: str
    """Over which time, to now."""
    rate: float
    """At 1 the budget is used up when the window is over; at 14.4, of a window of 30 days, in two days."""


class Objective(Model):
    """How one promise stands."""

    promise: Promise
    """That runs succeed, or that they begin in time."""
    target: float
    """Of how many it is promised, between 0 and 1."""
    within: str | None = None
    """How late a run may begin to be in time."""
    good: int
    """How many runs of the window kept it."""
    total: int
    """How many count."""
    share: float | None = None
    """How many of them that is, between 0 and 1; none where none counts."""
    budget_left: float | None = None
    """What is left of the error budget: 1 is all of it, below 0 the promise is broken; none where no run counts."""
    burning: bool
    """Whether the budget goes so fast that somebody should look: 14.4 over an hour and five minutes, or 6 over six hours and 30
    minutes."""
    burn_rates: tuple[Burn, ...]
    """How fast it goes, from the shortest time to the longest."""


class TaskSlo(Model):
    """How what is promised of a task stands."""

    task: str
    """The task's name, as `namespace/name` outside the default namespace."""
    project: str
    """Its project."""
    window: str
    """Over which time it is promised."""
    objectives: tuple[Objective, ...]
    """Each promise."""


class SloReport(Model):
    """How what is promised stands, of every task of which something is."""

    format: Literal["ordinaut.dev/slo/v1"] = "ordinaut.dev/slo/v1"
    """What this is."""
    now: AwareDatetime
    """When."""
    tasks: tuple[TaskSlo, ...]
    """The tasks, by name."""
