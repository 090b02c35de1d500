"""Triggers to compiled triggers: every check that needs no clock, once."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import chain
from typing import Final, assert_never

from runtime.core.recurrence.compiled import Compiled
from runtime.core.recurrence.cron import parse_cron
from runtime.core.recurrence.days import LAST_YEAR
from runtime.core.recurrence.effort import TooCostly
from runtime.core.recurrence.elapsed import ElapsedRule
from runtime.core.recurrence.expansion import day_set, full_rule, wall_grid
from runtime.core.recurrence.period import CALENDAR_START, Periods
from runtime.core.recurrence.rule import Rule, parse_rule
from runtime.core.recurrence.sources import (
    BEGINNING,
    ElapsedSource,
    EverySource,
    ListSource,
    Source,
    WallSource,
)
from runtime.core.recurrence.triggers import (
    AtTrigger,
    CronTrigger,
    DstFold,
    DstGap,
    EveryTrigger,
    Occurrence,
    RRuleTrigger,
    Trigger,
    Until,
)
from runtime.core.recurrence.zone import ZERO, Zone, load_zone
from runtime.errors import ScheduleError

SHORTEST: Final = timedelta(seconds=1)
# Gregorian, and far enough from the ends of `datetime` for any offset.
FIRST_YEAR: Final = 1600


def compile_trigger(trigger: Trigger, *, seed: str = "") -> Compiled:
    """Check a trigger and make it answer questions.

    Args:
        seed: what the jitter is derived from; give each schedule its own, and the same one always.

    Raises:
        ScheduleError: `ORD601` to `ORD606`; the message names the part and the hint what was probably meant.
    """
    if trigger.jitter < ZERO:
        raise ScheduleError(
            "jitter is negative", hint="write how long a start may be late at most", code="ORD602"
        )
    try:
        return _compile(trigger, seed)
    except TooCostly:
        raise ScheduleError(
            "count is so large, or what the rule finds so rare, that its last occurrence cannot be found",
            hint="use until, or a smaller count",
            code="ORD606",
        ) from None


def _compile(trigger: Trigger, seed: str) -> Compiled:
    match trigger:
        case RRuleTrigger():
            return _compile_rrule(trigger, seed)
        case CronTrigger():
            return Compiled(trigger, seed, (_cron_source(trigger),))
        case EveryTrigger():
            return Compiled(trigger, seed, (_every_source(trigger),))
        case AtTrigger():
            return Compiled(trigger, seed, (ListSource(_named(trigger)),))
        case _:
            assert_never(trigger)


def _compile_rrule(trigger: RRuleTrigger, seed: str) -> Compiled:
    zone = load_zone(trigger.timezone)
    texts = (trigger.rrule,) if isinstance(trigger.rrule, str) else trigger.rrule
    if not texts:
        raise ScheduleError(
            "rrule holds no rule", hint="write for example FREQ=DAILY", code="ORD601"
        )
    if trigger.count is not None and len(texts) > 1:
        raise ScheduleError(
            "count beside several rules could count each or all of them",
            hint="write COUNT in the rules",
            code="ORD603",
        )
    _check_bounds(trigger.until, trigger.count)
    start = _local("start", trigger.start)
    sources: list[Source] = [
        _rule_source(
            parse_rule(text, until=trigger.until, count=trigger.count), start, zone, trigger
        )
        for text in texts
    ]
    if trigger.rdate:
        added = [
            _resolve(moment, zone, trigger.dst_gap, trigger.dst_fold) for moment in trigger.rdate
        ]
        sources.append(ListSource(chain.from_iterable(added)))
    moments = [moment for moment in trigger.exdate if isinstance(moment, datetime)]
    removed = [_resolve(moment, zone, trigger.dst_gap, trigger.dst_fold) for moment in moments]
    return Compiled(
        trigger,
        seed,
        tuple(sources),
        frozenset(found.at for found in chain.from_iterable(removed)),
        frozenset(day for day in trigger.exdate if not isinstance(day, datetime)),
    )


def _rule_source(rule: Rule, start: datetime, zone: Zone, trigger: RRuleTrigger) -> Source:
    rule = full_rule(rule, start)
    until = _until_instant(rule.until, zone)
    freq = rule.freq
    match freq:
        case "HOURLY" | "MINUTELY" | "SECONDLY":
            elapsed = ElapsedRule(rule, start, zone, day_set(rule))
            return ElapsedSource(elapsed, zone, until=until, count=rule.count)
        case _:
            periods = Periods(
                unit=freq,
                days=day_set(rule),
                grid=wall_grid(rule, start),
                anchor=start,
                interval=rule.interval,
                positions=rule.bysetpos,
                week_start=rule.week_start,
            )
            gap, fold = trigger.dst_gap, trigger.dst_fold
            return WallSource(periods, zone, gap=gap, fold=fold, until=until, count=rule.count)


def _cron_source(trigger: CronTrigger) -> Source:
    zone = load_zone(trigger.timezone)
    cron = parse_cron(trigger.cron)
    _check_bounds(trigger.until, trigger.count)
    if trigger.count is not None and trigger.start is None:
        raise ScheduleError(
            "count has no start to count from", hint="write start beside it", code="ORD602"
        )
    anchor = CALENDAR_START if trigger.start is None else _local("start", trigger.start)
    return WallSource(
        Periods(unit="DAILY", days=cron.day_set(), grid=cron.grid, anchor=anchor),
        zone,
        gap=trigger.dst_gap or ("skip" if cron.frequency else "end"),
        fold=trigger.dst_fold or ("both" if cron.frequency else "first"),
        until=_until_instant(trigger.until, zone),
        count=trigger.count,
    )


def _every_source(trigger: EveryTrigger) -> Source:
    if trigger.every < SHORTEST:
        raise ScheduleError(
            f"every {trigger.every} is shorter than one second",
            hint="write every: 1s or more",
            code="ORD606",
        )
    _check_bounds(trigger.until, trigger.count)
    start = _instant("start", trigger.start)
    until = _until_instant(trigger.until, load_zone("UTC"))
    return EverySource(trigger.every, start, until=until, count=trigger.count)


def _named(trigger: AtTrigger) -> list[Occurrence]:
    if not trigger.at:
        raise ScheduleError(
            "at names no time", hint="write for example 2026-01-05T08:30:00+02:00", code="ORD601"
        )
    if trigger.timezone is None:
        return [load_zone("UTC").read(_instant("at", moment)) for moment in trigger.at]
    zone = load_zone(trigger.timezone)
    return [found for moment in trigger.at for found in _resolve(moment, zone, "shift", "first")]


def _resolve(moment: datetime, zone: Zone, gap: DstGap, fold: DstFold) -> tuple[Occurrence, ...]:
    _in_reach("time", moment)
    if moment.tzinfo is not None:
        return (zone.read(moment.astimezone(UTC)),)
    return zone.resolve(moment, gap, fold)


def _until_instant(until: Until, zone: Zone) -> datetime | None:
    """The last instant that a bound allows: the whole of a local day, a wall time's later reading, or the instant itself."""
    if until is None or until.year > LAST_YEAR:
        return None
    if until.year < FIRST_YEAR:
        return BEGINNING
    if not isinstance(until, datetime):
        return zone.last_instant(datetime.combine(until, time.max))
    return zone.last_instant(until) if until.tzinfo is None else until.astimezone(UTC)


def _check_bounds(until: Until, count: int | None) -> None:
    if until is not None and count is not None:
        raise ScheduleError(
            "until and count bound the same schedule", hint="drop one of them", code="ORD602"
        )
    if count is not None and count < 1:
        raise ScheduleError(
            f"count {count} is not a number from 1 on", hint="write 1 or more", code="ORD602"
        )


def _local(name: str, moment: datetime) -> datetime:
    if moment.tzinfo is not None:
        raise ScheduleError(
            f"{name} {moment.isoformat()} has an offset",
            hint=f"it is local time in the schedule's zone: write {moment.replace(tzinfo=None).isoformat()}",
            code="ORD602",
        )
    if moment.microsecond:
        raise ScheduleError(
            f"{name} {moment.isoformat()} has fractions of a second",
            hint="rules know whole seconds",
            code="ORD602",
        )
    return _in_reach(name, moment)


def _instant(name: str, moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ScheduleError(
            f"{name} {moment.isoformat()} is a local time without a zone",
            hint=f"add an offset, e.g. {moment.isoformat()}Z, or a timezone",
            code="ORD602",
        )
    return _in_reach(name, moment.astimezone(UTC))


def _in_reach(name: str, moment: datetime) -> datetime:
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ScheduleError(
            f"{name} {moment.isoformat()} is out of reach",
            hint=f"years {FIRST_YEAR} to {LAST_YEAR} can be scheduled",
            code="ORD602",
        )
    return moment
