"""A schedule in plain words, e.g. `weekdays at 08:30, Europe/Chisinau`.

Promise: the words say what the engine does, parts taken from the start included, and two schedules with the same words
have the same occurrences from the later start on, unless they name so many times that these are counted. What has no short form is called a custom rule and quoted; show the
next occurrences beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final, assert_never

from runtime.core.recurrence.cron import parse_cron
from runtime.core.recurrence.cron_words import cron_phrase
from runtime.core.recurrence.expansion import full_rule
from runtime.core.recurrence.phrases import every, joined, length, moment
from runtime.core.recurrence.rule import Rule, bare_rule, parse_rule
from runtime.core.recurrence.rule_words import rule_phrase
from runtime.core.recurrence.triggers import (
    NO_JITTER,
    AtTrigger,
    CronTrigger,
    DstFold,
    DstGap,
    EveryTrigger,
    RRuleTrigger,
    Trigger,
    Until,
)

_GAP_WORDS: Final[dict[DstGap, str]] = {
    "shift": "a time that does not exist is shifted",
    "skip": "a time that does not exist is skipped",
}
_FOLD_WORDS: Final[dict[DstFold, str]] = {
    "first": "a repeated time is the first",
    "second": "a repeated time is the second",
    "both": "a repeated time counts twice",
}
# Nobody waits for a start that is this old.
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)
# More times than these are no words any more.
_MANY: Final = 24


def describe(trigger: Trigger) -> str:
    """The trigger in plain words, one line.

    Raises:
        ScheduleError: the rule or expression cannot be parsed.
    """
    match trigger:
        case RRuleTrigger():
            words = _rules(trigger)
        case CronTrigger():
            words = _cron(trigger)
        case EveryTrigger():
            words = _every(trigger) + _bounds(trigger.until, trigger.count)
        case AtTrigger():
            zone = f", {trigger.timezone}" if trigger.timezone else ""
            words = f"at {_times(trigger.at)}{zone}"
        case _:
            assert_never(trigger)
    return words + (f", up to {length(trigger.jitter)} late" if trigger.jitter > NO_JITTER else "")


def _times(moments: Iterable[date]) -> str:
    found = sorted(map(moment, moments))
    if len(found) <= _MANY:
        return joined(found)
    return f"{len(found):,} times from {found[0]} to {found[-1]}"


def _rules(trigger: RRuleTrigger) -> str:
    texts = (trigger.rrule,) if isinstance(trigger.rrule, str) else trigger.rrule
    rules = [parse_rule(text, until=trigger.until, count=trigger.count) for text in texts]
    pairs = zip(rules, texts, strict=True)
    words = " and ".join(_rule(rule, trigger.start, text) for rule, text in pairs)
    words += f", {trigger.timezone}"
    if trigger.rdate:
        words += f", also {_times(trigger.rdate)}"
    if trigger.exdate:
        words += f", not {_times(trigger.exdate)}"
    if all(rule.sub_daily for rule in rules):
        return words
    gap = None if trigger.dst_gap == "shift" else trigger.dst_gap
    return words + _dst(gap, None if trigger.dst_fold == "first" else trigger.dst_fold)


def _rule(rule: Rule, start: datetime, text: str) -> str:
    rule = full_rule(rule, start)
    phrase = rule_phrase(rule, start)
    anchored = not phrase or rule.sub_daily or rule.interval > 1 or rule.count is not None
    return (
        (phrase or f"custom rule {bare_rule(text)}")
        + (f", counted from {moment(start)}" if anchored else "")
        + _bounds(rule.until, rule.count)
    )


def _cron(trigger: CronTrigger) -> str:
    words = (
        cron_phrase(parse_cron(trigger.cron)) or f"custom cron {' '.join(trigger.cron.split())}"
    )
    count = f", counted from {moment(trigger.start)}" if trigger.count and trigger.start else ""
    words += count + _bounds(trigger.until, trigger.count) + f", {trigger.timezone}"
    return words + _dst(trigger.dst_gap, trigger.dst_fold)


def _every(trigger: EveryTrigger) -> str:
    words = f"{every(trigger.every)} of elapsed time"
    at_midnight = not (trigger.start - _LONG_AGO) % _DAY and not _DAY % trigger.every
    # All starts that long ago give the same instants.
    if at_midnight and trigger.start <= _LONG_AGO and trigger.count is None:
        return f"{words}, counted from midnight UTC"
    return f"{words} from {moment(trigger.start)}"


def _bounds(until: Until, count: int | None) -> str:
    if count is not None:
        return f", {count} time{'s' * (count > 1)}"
    return f", until {moment(until)}" if until is not None else ""


def _dst(gap: DstGap | None, fold: DstFold | None) -> str:
    """The policies that are not the kind's own."""
    return (f", {_GAP_WORDS[gap]}" if gap else "") + (f", {_FOLD_WORDS[fold]}" if fold else "")
