"""What `ordinaut simulate --json` prints: what a whole spec set does over a period, by a clock that only pretends.

Fields are only ever added. Numbers that rest on an assumption stand beside it: nobody knows before a run how long it takes.
"""

from __future__ import annotations

from datetime import date
from typing import Final, Literal

from pydantic import AwareDatetime

from schemas.agent import ToolPattern
from schemas.base import Model, PositiveDuration
from schemas.task import Overlap

SIMULATION_FORMAT: Final = "ordinaut.dev/simulation/v1"


class SimulatedTask(Model):
    """What one task does in the period."""

    task: str
    """The task, as `namespace/name` outside the default namespace."""
    schedule: str
    """Its schedules in plain words."""
    overlap: Overlap
    """What it does when a run is due while another is active."""
    assumed_duration: PositiveDuration
    """How long a run is taken to last: the assumption, but no longer than the task's timeout."""
    runs: int
    """How many runs begin; an estimate where `counted_until` is before the end of the period."""
    runs_per_day: float
    """The same per day, on average."""
    first_at: AwareDatetime | None
    """The nominal instant of the first run; null if there is none."""
    last_at: AwareDatetime | None
    """That of the last run; null if there is none, or it was not reached one by one."""
    counted_until: AwareDatetime
    """Up to here runs were taken one by one; beyond, `runs` goes on at the same pace."""
    skipped: dict[str, int]
    """How many occurrences each calendar keeps from running at all."""
    moved: dict[str, int]
    """How many occurrences each calendar moves or defers to another instant."""


class SimulatedOverlap(Model):
    """Runs that begin while others are active, if runs last as long as is assumed."""

    task: str
    """The task whose runs begin."""
    other: str
    """The task whose runs are active then; the same one where a task meets itself."""
    key: str | None
    """The concurrency key that they share; null where a task meets itself."""
    limit: int | None
    """How many runs may share that key at once."""
    first_at: AwareDatetime
    """When that happens first."""
    times: int
    """How often it happens."""
    effect: str
    """What becomes of such a run, in words."""


class Herd(Model):
    """Runs of several tasks that begin in the same minute."""

    minute: AwareDatetime
    """The fullest minute at this time of the day; the first of them, if several are as full."""
    runs: int
    """How many runs begin in it."""
    times: int
    """How many herds there are at this time of the day."""
    tasks: tuple[str, ...]
    """Whose runs they are."""
    without_jitter: tuple[str, ...]
    """Those of them that say nothing of jitter, which would spread them."""


class CallRate(Model):
    """A rate limit of an agent, and what is expected of it."""

    tools: ToolPattern
    """The tools that share the limit."""
    per: PositiveDuration
    """The span."""
    calls: int
    """How many calls are allowed in it."""
    expected: int
    """The most calls in such a span, if each run calls each of its steps once, at its beginning."""
    first_at: AwareDatetime | None
    """When the limit is exceeded first; null if it never is."""


class SimulatedAgent(Model):
    """What is done in an agent's name."""

    agent: str
    """The agent."""
    runs: int
    """Runs of its tasks that were taken one by one."""
    most_runs: int
    """The most on one day."""
    most_runs_on: date | None
    """That day, the first of several; null without any run."""
    mean_runs: float
    """The runs per day, on average."""
    allowed_runs: int | None
    """What its budget allows per day; null where it says nothing of runs."""
    days_exceeded: int
    """On how many days there are more."""
    unknown: tuple[str, ...]
    """What its budgets bound, too, but cannot be known before a run: tokens and cost."""
    rates: tuple[CallRate, ...]
    """Its rate limits."""


class HeatRow(Model):
    """Runs that begin in each hour of a day."""

    day: date
    """The day, in the zone of the simulation."""
    hours: tuple[int, ...]
    """Runs by the hour that the clock on the wall shows, 0 to 23."""


class Simulation(Model):
    """A spec set over a period. Only time is simulated: what events and people start is not in it."""

    format: Literal["ordinaut.dev/simulation/v1"] = SIMULATION_FORMAT
    """The form of this document."""
    project: str
    """The project."""
    begins_at: AwareDatetime
    """The first instant of the period."""
    ends_at: AwareDatetime
    """The first instant after it."""
    timezone: str
    """The zone of the period, of days and of hours."""
    counted_until: AwareDatetime
    """Up to here all tasks were followed, but those that say otherwise; herds, overlaps, agents and heat end here."""
    assumed_duration: PositiveDuration
    """How long runs are taken to last."""
    herd_size: int
    """How many runs in a minute are called a herd."""
    runs: int
    """All runs of all tasks."""
    tasks: tuple[SimulatedTask, ...]
    """The tasks that time drives, by name."""
    silent: tuple[str, ...]
    """Tasks that time does not drive, or not in this period."""
    overlaps: tuple[SimulatedOverlap, ...]
    """Runs that meet, most frequent first."""
    herd_minutes: int
    """How many minutes hold a herd."""
    herds: tuple[Herd, ...]
    """The fullest of them, by time of the day; at most ten."""
    agents: tuple[SimulatedAgent, ...]
    """The agents in whose name tasks run, by name."""
    heat: tuple[HeatRow, ...]
    """Runs by day and hour."""
