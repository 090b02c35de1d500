"""Freeze windows: spans in which nothing is applied, unless somebody says why it cannot wait.

Pure. The windows are those that were last applied, as for every guard: a plan cannot open its own window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Final

from reconciler.core.guards import refused
from reconciler.core.look import day_and_time
from runtime.core.anchors import fixed_start
from runtime.core.leaks.secrets import blotted
from runtime.core.recurrence import Compiled, RRuleTrigger, compile_trigger, describe
from runtime.core.recurrence.zone import load_zone
from schemas.freeze import PlanFreeze
from schemas.plan import Guard, Plan
from schemas.rules import FreezeWindow

# Windows that follow one another without a gap are looked through so often; what is frozen longer never opens.
_ROUNDS: Final = 366
# Spans of one window that hold an instant at once, and are looked at.
_SPANS: Final = 100


@dataclass(frozen=True, slots=True)
class _Window:
    window: FreezeWindow
    trigger: RRuleTrigger
    compiled: Compiled

    @property
    def duration(self) -> timedelta:
        return self.window.duration

    def begun(self, at: datetime) -> list[datetime]:
        """When those of its spans began that hold an instant; a span ends just before its end."""
        found = self.compiled.following(at - self.duration)
        return [one.at for one in islice(takewhile(lambda one: one.at <= at, found), _SPANS)]


def freeze_at(
    windows: Sequence[FreezeWindow], now: datetime, override: str | None = None
) -> PlanFreeze | None:
    """The freeze that an instant is in: of several windows that are open the one that began first.

    Args:
        windows: as the Project has them; their rules have been checked.
        override: the reason for applying nevertheless.
    """
    compiled = [_compiled(window) for window in windows]
    opened = [(at, place) for place, one in enumerate(compiled) for at in one.begun(now)]
    if not opened:
        return None
    since, place = min(opened)
    found = compiled[place]
    return PlanFreeze(
        window=describe(found.trigger),
        timezone=found.window.timezone,
        reason=found.window.reason and blotted(found.window.reason),
        since=since,
        opens_at=_opening(compiled, now),
        override=override,
    )


def freeze_guard(freeze: PlanFreeze) -> Guard:
    """Whether a freeze lets a plan pass."""
    if freeze.override is not None:
        message = f"comes in {freeze_words(freeze)}, and goes on: {freeze.override}"
        return Guard(name="freeze", ok=True, message=message)
    return Guard(
        name="freeze",
        ok=False,
        message=f"comes in {freeze_words(freeze)}",
        hint="wait for that, or say why it cannot wait: `ordinaut apply --override-freeze REASON`",
        value=1,
        limit=0,
    )


def under_freeze(plan: Plan, freeze: PlanFreeze | None) -> Plan:
    """The plan with what a freeze says to it; one that would change nothing may be told of it, and is not refused."""
    if freeze is None:
        return plan
    guards = (*plan.guards, *([freeze_guard(freeze)] if plan.changes else []))
    return plan.model_copy(
        update={"freeze": freeze, "guards": guards, "applyable": not refused(guards)}
    )


def freeze_words(freeze: PlanFreeze) -> str:
    """Which window, why, and when something can be applied again; times in the window's zone."""
    zone = load_zone(freeze.timezone).tz
    why = f" ({freeze.reason})" if freeze.reason else ""
    since = day_and_time(freeze.since, zone, freeze.since.year)
    opens = "which never ends"
    if freeze.opens_at is not None:
        opens = f"until {day_and_time(freeze.opens_at, zone, freeze.since.year)}"
    return f"the freeze of {since}{why}, {opens} ({freeze.window})"


def _compiled(window: FreezeWindow) -> _Window:
    trigger = RRuleTrigger(
        rrule=window.rrule, timezone=window.timezone, start=fixed_start([window.rrule])
    )
    return _Window(window, trigger, compile_trigger(trigger))


def _opening(windows: Sequence[_Window], now: datetime) -> datetime | None:
    """The first instant from `now` on that no window holds."""
    at = now
    for _ in range(_ROUNDS):
        ends = [max(begun) + one.duration for one in windows if (begun := one.begun(at))]
        if not ends:
            return at
        at = max(ends)
    return None
