"""What a plan stands on beside the changes: whatever comes from git, the database and the moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from reconciler.core.desired import Key
from reconciler.core.destructive import destroys
from reconciler.core.guards import NOTHING_ALLOWED, Allowed
from reconciler.core.rules import Rules
from schemas.plan import GitBase, Override, PlanBase, PlanSource
from schemas.problem import Problem


@dataclass(frozen=True, slots=True)
class QueueState:
    """A task's work in the database: runs queued and not leased, runs under way, an occurrence due and undecided.

    Attributes:
        cancels: whether retiring the task cancels what is under way.
    """

    queued: int = 0
    in_flight: int = 0
    overdue: bool = False
    cancels: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a plan stands on beside the changes.

    Attributes:
        source: what git wants, and whose it is.
        environment: where the plan would be applied, and in which database.
        base: the last revision there.
        git_base: the commit that is compared with instead of a database.
        unknown: documents whose state in that commit is not known.
        only: what a partial plan was asked for; empty for a whole one.
        left_out: how many other changes it leaves out.
        now: the instant from which fire times are looked at.
        tool: the program's version.
        tzdata: the version of the time zone data.
        tzdata_applied: how many schedules in force had their next occurrence found with each version.
        bodies: the live body of each changed document, by uid.
        queue: the work of each changed task that has any, by uid.
        overrides: pauses and snoozes in force.
        rules: the guards and policies that were last applied.
        allowed: what they would refuse, and was asked for in so many words.
        diagnostics: warnings and notes about the specs.
        excused: texts that look like secrets and are none.
        destroys: whether a tool, by its address, destroys something.
        offline: whether a tool, by its address, asks no language model because there is none.
    """

    source: PlanSource
    environment: str
    installation_id: UUID | None = None
    base: PlanBase | None = None
    git_base: GitBase | None = None
    unknown: frozenset[Key] = frozenset()
    only: tuple[str, ...] = ()
    left_out: int = 0
    now: datetime
    tool: str
    tzdata: str
    tzdata_applied: Mapping[str, int] = field(default_factory=dict)
    bodies: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    queue: Mapping[int, QueueState] = field(default_factory=dict)
    overrides: Sequence[Override] = ()
    rules: Rules = field(default_factory=Rules)
    allowed: Allowed = NOTHING_ALLOWED
    diagnostics: Sequence[Problem] = ()
    excused: frozenset[str] = frozenset()
    destroys: Callable[[str], bool] = destroys
    offline: Callable[[str], bool] = lambda _: False
