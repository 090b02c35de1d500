"""When a task fires, before and after a change: the part of a plan that other tools leave out.

Nominal times, without jitter, in the task's zone. Everything is bounded: a few times are shown, two schedules are
compared over a few dozen occurrences, and counting stops at a cap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import islice, pairwise, takewhile
from typing import Any, Final, Literal, NamedTuple

from reconciler.core.digest import digest_of
from runtime.core.calendar.moving import Sifted
from runtime.core.leaks.secrets import blotted
from runtime.core.recurrence import (
    Compiled,
    CronTrigger,
    Occurrence,
    RRuleTrigger,
    compile_trigger,
)
from runtime.core.recurrence.zone import Zone, epoch_seconds, from_epoch, load_zone
from runtime.core.schedules import TaskSchedule, compile_schedules
from runtime.errors import ScheduleError
from schemas.plan import Preview, TimeFlag

SHOWN: Final = 5
COUNTED: Final = timedelta(days=30)
CAP: Final = 3000
"""Occurrences that are counted one by one; beyond, their number is an estimate from the pace of these."""
_COMPARED: Final = 48
_AHEAD: Final = timedelta(days=365)
_DAY: Final = timedelta(days=1)
# A schedule that fires more often than this a day meets every odd hour of the clock: saying so would help nobody.
_OFTEN: Final = 12
# So many excluded occurrences are named; the others are counted.
_EXCLUDED: Final = 3


class Previews:
    """Previews of one plan; tasks of a fleet often share a schedule, and then its preview."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._known: dict[str, Preview] = {}

    def of(self, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Preview:
        names = ("schedule", "calendars")
        name = digest_of(
            [[body.get(name) for name in names] if body else None for body in (before, after)]
        )
        if name not in self._known:
            old = _compiled_if_sound(before) if before else None
            new = compile_schedules(after) if after else None
            self._known[name] = _untelling(foresee(old, new, self._now))
        return self._known[name]


def _untelling(preview: Preview) -> Preview:
    """The preview of a schedule in whose words, such as an expression of a condition, no secret is repeated."""
    words = (preview.schedule_before, preview.schedule_after)
    before, after = (text and blotted(text) for text in words)
    return preview.model_copy(update={"schedule_before": before, "schedule_after": after})


def _compiled_if_sound(body: Mapping[str, Any]) -> TaskSchedule | None:
    """The schedule of a live row; None if somebody broke it by hand, which is what the plan is to mend."""
    try:
        return compile_schedules(body)
    except (ScheduleError, KeyError, TypeError, ValueError, AttributeError):
        return None


def foresee(before: TaskSchedule | None, after: TaskSchedule | None, now: datetime) -> Preview:
    """Compare two schedules of a task; None where it has none, being created or retired."""
    was, is_ = (schedule.timezone if schedule else None for schedule in (before, after))
    zone, zone_before = load_zone(is_ or was or "UTC"), load_zone(was or is_ or "UTC")
    # With one side only, there is nothing to compare.
    limit = _COMPARED if before and after else SHOWN
    old, new = _upcoming(before, now, limit), _upcoming(after, now, limit)
    counts = [_count(before, now), _count(after, now)]
    return Preview(
        timezone=zone.name,
        timezone_before=zone_before.name if before else None,
        schedule_before=before.describe() if before else None,
        schedule_after=after.describe() if after else None,
        before=tuple(_local(found.at, zone_before) for found in old[:SHOWN]),
        after=tuple(_local(found.at, zone) for found in new[:SHOWN]),
        runs_30d_before=counts[0],
        runs_30d_after=counts[1],
        runs_estimated=max(counts) > CAP,
        first_effect_at=_first_difference(old, new),
        flags=tuple(_flags(after, new, zone, now)) if after else (),
    )


def odd_hours(schedule: TaskSchedule, now: datetime) -> Iterator[TimeFlag]:
    """Times within a year from now that do not exist, or happen twice."""
    zone = load_zone(schedule.timezone or "UTC")
    for change in _transitions(zone, now):
        yield from _odd_hours(schedule, change, zone, now)


def _upcoming(schedule: TaskSchedule | None, now: datetime, limit: int) -> list[Occurrence]:
    return list(islice(schedule.running(now), limit)) if schedule else []


def _until(found: Iterator[Occurrence], end: datetime, limit: int) -> list[Occurrence]:
    """So many occurrences at most up to an instant; what is rare is not followed for years beyond it."""
    return list(islice(takewhile(lambda one: one.at <= end, found), limit))


def _count(schedule: TaskSchedule | None, now: datetime) -> int:
    if schedule is None:
        return 0
    number = schedule.count_between(now, now + COUNTED, CAP)
    if number < CAP:
        return number
    counted = _upcoming(schedule, now, CAP)
    pace = (counted[-1].at - counted[0].at) / (CAP - 1)
    return 1 + (now + COUNTED - counted[0].at) // pace


def _first_difference(old: list[Occurrence], new: list[Occurrence]) -> datetime | None:
    different = {found.at for found in old} ^ {found.at for found in new}
    if len(old) == len(new) == _COMPARED:
        # Beyond the end of the shorter row, an instant may be missing only because we stopped there.
        horizon = min(old[-1].at, new[-1].at)
        different = {at for at in different if at <= horizon}
    return min(different, default=None)


def _local(instant: datetime, zone: Zone) -> datetime:
    # A fixed offset: of two equal wall times, only one would survive being written down.
    return instant.astimezone(timezone(zone.offset(instant)))


class _Transition(NamedTuple):
    at: datetime
    forward: bool


def _flags(
    schedule: TaskSchedule, upcoming: list[Occurrence], zone: Zone, now: datetime
) -> Iterator[TimeFlag]:
    if schedule.triggers and not upcoming:
        yield TimeFlag(kind="never_fires", note="never fires again")
        return
    if schedule.has_calendars:
        yield from _excluded(schedule, zone, now)
    shown = [now, *(found.at for found in upcoming[:SHOWN])]
    for change in _transitions(zone, now):
        if any(one < change.at <= other for one, other in pairwise(shown)):
            way = "forward" if change.forward else "back"
            local = _local(change.at, zone)
            yield TimeFlag(
                kind="utc_offset_change", at=local, note=f"clocks go {way} {_day(local, now)}"
            )
        yield from _odd_hours(schedule, change, zone, now)


def _excluded(schedule: TaskSchedule, zone: Zone, now: datetime) -> Iterator[TimeFlag]:
    """The first occurrences that calendars exclude, and how many more there are."""
    ahead = _until(schedule.following(now), now + COUNTED, CAP)
    excluded = [found for found in ahead if found.excluded_by is not None]
    for found in excluded[:_EXCLUDED]:
        local = _local(found.at, zone)
        note = f"{_day(local, now)} {local:%H:%M} is excluded by {found.excluded_by}"
        if found.moved_to is not None:
            target = _local(found.moved_to, zone)
            day = "" if target.date() == local.date() else f"{_day(target, now)} "
            note += f" and moves to {day}{target:%H:%M}"
        yield TimeFlag(kind="moved" if found.moved_to else "excluded", at=local, note=note)
    more = len(excluded) - _EXCLUDED
    if more > 0:
        yield TimeFlag(kind="excluded", note=f"{more} more are excluded in 30 d")


def _odd_hours(
    schedule: TaskSchedule, change: _Transition, zone: Zone, now: datetime
) -> Iterator[TimeFlag]:
    """What happens to times that do not exist, or happen twice, around one transition."""
    near = _near(schedule, change)
    if near is None:
        return
    for found in near:
        if found.shifted:
            wall = found.at.astimezone(zone.tz)
            note = f"does not exist on {_day(found.local_at, now)}: fires {wall:%H:%M %Z}"
            yield _odd_hour("gap", found, zone, note)
        elif found.repeated and not (found.fold and _has_twin(found, near)):
            wall = found.at.astimezone(zone.tz)
            fires = "both times" if _has_twin(found, near) else f"once, {wall:%H:%M %Z}"
            note = f"happens twice on {_day(found.local_at, now)}: fires {fires}"
            yield _odd_hour("fold", found, zone, note)
    if change.forward and (shifting := _shifting(schedule)) is not None:
        for found in _near(shifting, change) or ():
            if found.shifted:
                day = _day(found.local_at, now)
                note = f"{found.local_at:%H:%M} does not exist on {day}: does not fire"
                yield TimeFlag(kind="gap", at=_local(change.at, zone), note=note)


def _near(schedule: TaskSchedule, change: _Transition) -> list[Occurrence] | None:
    """What runs within a day of a transition; None if that is too often for any of it to be odd."""
    begin, end = change.at - _DAY, change.at + _DAY
    near = _until(schedule.running(begin), end, 2 * _OFTEN + 1)
    return near if len(near) <= 2 * _OFTEN else None


def _shifting(schedule: TaskSchedule) -> TaskSchedule | None:
    """Those of the schedules that skip times which do not exist, as if they shifted them; None if none of them does."""
    parts = [
        _shifted(trigger, part)
        for trigger, part in zip(schedule.triggers, schedule.parts, strict=True)
        if isinstance(trigger, RRuleTrigger | CronTrigger) and trigger.dst_gap == "skip"
    ]
    return replace(schedule, parts=tuple(parts)) if parts else None


def _shifted(trigger: RRuleTrigger | CronTrigger, part: Compiled | Sifted) -> Compiled | Sifted:
    compiled = compile_trigger(replace(trigger, dst_gap="shift"), seed="")
    return replace(part, compiled=compiled) if isinstance(part, Sifted) else compiled


def _odd_hour(kind: Literal["gap", "fold"], found: Occurrence, zone: Zone, note: str) -> TimeFlag:
    return TimeFlag(kind=kind, at=_local(found.at, zone), note=f"{found.local_at:%H:%M} {note}")


def _has_twin(found: Occurrence, near: list[Occurrence]) -> bool:
    return any(other.local_at == found.local_at and other.fold != found.fold for other in near)


def _transitions(zone: Zone, now: datetime) -> Iterator[_Transition]:
    """Where the offset changes within the next year or so."""
    seconds, end = epoch_seconds(now), epoch_seconds(now + _AHEAD)
    offset, seconds = zone.span(seconds)
    while seconds < end:
        after, until = zone.span(seconds)
        if after != offset:
            yield _Transition(from_epoch(seconds), after > offset)
        offset, seconds = after, until


def _day(local: datetime, now: datetime) -> str:
    year = "" if local.year == now.year else f" {local.year}"
    return f"{local:%a} {local.day} {local:%b}{year}"
