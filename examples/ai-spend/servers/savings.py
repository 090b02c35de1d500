"""What could be saved, by rules over calls on record: values in, values out.

Of a task the first rule that holds is told, one change at a time, so that what a change saves can be measured and the next look
finds what is left. Whoever does not run needs no cache, so schedules come first:

merge    Of the schedules of a task, one gives runs that are all as the run before them. The minute of a run has to tell which.
slow     Four of five runs are as the run before, on a schedule that goes on day and night. The longest usual period is proposed
         that is at most half of the shortest time in which anything changed: what was seen would be seen again, and at most that
         much later.
retries  At least ten calls were tried again, and none of them succeeded.
cache    At least a fifth of what a step costs went into calls with the same arguments as an earlier one of the day, all of
         which gave the same, and the step asks a model or is `pure`.
near     The same, but for an argument that holds nothing but an instant or an id: it goes, and the step has a cache.
trim     An argument is the same in every call and makes up half of what goes in, which is 500 tokens and twenty times what
         comes out. Whether answers need it, tests tell that ask the model.
model    A cheaper model is named in the Project. Whether it is good enough, tests tell that ask it.

A run is as the one before if its calls had the same arguments, but for instants and ids, gave the same, and succeeded.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any, Final
from zoneinfo import ZoneInfo

from calls import PASSING, Call

LEAST: Final = 10
UNCHANGED: Final = 0.8
EVEN: Final = 0.9
SHARE: Final = Decimal("0.2")
BULK: Final = 0.5
LONG_INPUT: Final = 500
IN_TO_OUT: Final = 20
PERIODS: Final = tuple(timedelta(hours=hours) for hours in (24, 12, 8, 6, 4, 3, 2, 1))
CACHE: Final = {"ttl": "1d"}
# Schedules that another period says as well: no other says on which days, or until when.
PLAIN: Final = frozenset({"every", "cron", "start", "timezone", "jitter", "dst_gap", "dst_fold"})
# What says what is to be done, and not what it is to be done with.
INSTRUCTIONS: Final = frozenset({"goal", "instructions", "output_schema", "model", "max_words"})
_AT_MINUTE: Final = re.compile(r"(\d{1,2}) \S+ \* \* \*")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that could be saved.

    Attributes:
        kind: the rule.
        task: whose calls.
        step: which; empty where it is about the schedule.
        edit: a JSON merge patch, over the step or else over the task.
        saved: what would not have been spent; None where only a trial tells.
        why: the evidence, in a sentence.
    """

    kind: str
    task: str
    step: str
    edit: Mapping[str, Any]
    saved: Decimal | None
    why: str


@dataclass(frozen=True, slots=True)
class Subject:
    """A task: its document as it is written, its calls in the order in which they were due, cheaper models by name, and the zone of schedules that name none."""

    name: str
    document: Mapping[str, Any]
    calls: Sequence[Call]
    cheaper: Mapping[str, Sequence[str]]
    zone: str = "UTC"

    def step(self, name: str) -> Mapping[str, Any]:
        """A step as it is written."""
        steps = self.document.get("pipeline", [])
        found = (one for one in steps if isinstance(one, dict) and one.get("id") == name)
        return next(found, {})

    @property
    def runs(self) -> list[tuple[datetime, list[Call]]]:
        """Calls by run, with what each stands for, in that order."""
        together: dict[tuple[datetime, str], list[Call]] = defaultdict(list)
        for call in self.calls:
            together[call.occurrence_for, call.run_id].append(call)
        return [(at, calls) for (at, _), calls in sorted(together.items(), key=lambda one: one[0])]

    @property
    def steps(self) -> dict[str, list[Call]]:
        """Calls that were made, by step, of those that stand in the task itself: no other can be changed there."""
        together: dict[str, list[Call]] = defaultdict(list)
        for call in self.calls:
            if not call.is_reused and self.step(call.step):
                together[call.step].append(call)
        return together


def findings(subject: Subject) -> Iterator[Finding]:
    """What could be saved of a task, in the order of the rules."""
    return (found for rule in RULES for found in rule(subject))


def after(calls: Sequence[Call], revision: int) -> list[Call]:
    """Of a task's calls those by the first revision after one, on days of which no other has a part."""
    revisions: dict[date, set[int]] = defaultdict(set)
    for call in calls:
        revisions[call.day].add(call.revision)
    later = min((call.revision for call in calls if call.revision > revision), default=None)
    return [call for call in calls if revisions[call.day] == {later}]


def _merge(subject: Subject) -> Iterator[Finding]:
    schedules = subject.document.get("schedule")
    if not isinstance(schedules, list):
        return
    whose: dict[int, list[tuple[bool, list[Call]]]] = defaultdict(list)
    for at, same, calls in _compared(subject):
        owners = [
            number for number, one in enumerate(schedules) if _may_be_of(at, one, subject.zone)
        ]
        if len(owners) != 1:
            return
        whose[owners[0]].append((same, calls))
    for number, own in sorted(whose.items()):
        if len(own) >= LEAST and all(same for same, _ in own):
            left = [one for place, one in enumerate(schedules) if place != number]
            why = (
                f"all {len(own)} runs of `{schedules[number]['cron']}` were as the run before them"
            )
            yield Finding("merge", subject.name, "", {"schedule": left[0] if len(left) == 1 else left}, _cost(*(c for _, c in own)), why)  # fmt: skip


def _may_be_of(at: datetime, schedule: Mapping[str, Any], zone: str) -> bool:
    """Whether a run of that instant may be of a schedule: by its minute, where it tells that of every hour it has."""
    found = _AT_MINUTE.fullmatch(str(schedule.get("cron", "")))
    local_at = at.astimezone(ZoneInfo(schedule.get("timezone", zone)))
    return found is None or local_at.minute == int(found[1])


def _slow(subject: Subject) -> Iterator[Finding]:
    runs = list(_compared(subject))
    schedule = subject.document.get("schedule")
    if (
        len(runs) < LEAST
        or not isinstance(schedule, dict)
        or not {"every", "cron"} & schedule.keys() <= schedule.keys() <= PLAIN
    ):
        return
    unchanged = sum(same for _, same, _ in runs)
    if unchanged < UNCHANGED * len(runs):
        return
    instants = [at for at, _, _ in runs]
    changes = [at for at, same, _ in runs if not same]
    fastest = min(
        (later - earlier for earlier, later in pairwise(changes)),
        default=instants[-1] - instants[0],
    )
    gaps = sorted(later - earlier for earlier, later in pairwise(instants))
    period = gaps[len(gaps) // 2]
    longer = next((one for one in PERIODS if one <= fastest / 2), None)
    # Who looks by day alone, or on some days, wants nothing by night.
    is_even = len(runs) - 1 >= EVEN * ((instants[-1] - instants[0]) / period)
    if longer is None or longer <= period or not is_even:
        return
    kept = Decimal(period // timedelta(seconds=1)) / Decimal(longer // timedelta(seconds=1))
    edit = {"schedule": {**dict.fromkeys(schedule.keys() - {"jitter"}), "every": f"{longer // timedelta(hours=1)}h"}}  # fmt: skip
    why = f"{unchanged} of {len(runs)} runs were as the run before, and nothing changed within less than {fastest}"
    yield Finding("slow", subject.name, "", edit, _cost(subject.calls) * (1 - kept), why)


def _retries(subject: Subject) -> Iterator[Finding]:
    for step, calls in subject.steps.items():
        again = [call for call in calls if call.attempts > 1]
        if len(again) >= LEAST and not any(call.outcome == "ok" for call in again):
            saved = sum((call.again_cost for call in again), Decimal(0))
            why = f"{len(again)} calls were tried {sum(c.attempts - 1 for c in again)} times more, and none succeeded"
            yield Finding("retries", subject.name, step, {"retry": {"attempts": 1}}, saved, why)


def _cache(subject: Subject) -> Iterator[Finding]:
    for step, calls in _cacheable(subject):
        saved = _repeated(calls, lambda call: call.exact)
        if saved >= SHARE * _cost(calls):
            why = f"of {len(calls)} calls only {len({(c.day, c.exact) for c in calls})} had arguments that were new that day"
            yield Finding("cache", subject.name, step, {"cache": CACHE}, saved, why)


def _near(subject: Subject) -> Iterator[Finding]:
    for step, calls in _cacheable(subject):
        passing = [name for name in calls[0].arguments if _is_passing(name, calls)]
        saved = _repeated(calls, partial(_without, passing))
        if passing and saved >= SHARE * _cost(calls):
            edit = {"with": dict.fromkeys(passing), "cache": CACHE}
            why = f"{len({(c.day, _without(passing, c)) for c in calls})} of {len(calls)} calls differ in more than `{'`, `'.join(passing)}`"
            yield Finding("near", subject.name, step, edit, saved, why)


def _trim(subject: Subject) -> Iterator[Finding]:
    for step, calls in subject.steps.items():
        told, said = (
            median(c.input_tokens for c in calls),
            median(c.output_tokens for c in calls),
        )
        if len(calls) < LEAST or told < LONG_INPUT or told < IN_TO_OUT * said:
            continue
        for name, one in calls[0].arguments.items():
            whole = sum(part.size for part in calls[0].arguments.values())
            alike = all(
                name in c.arguments and c.arguments[name].exact == one.exact for c in calls
            )
            if name not in INSTRUCTIONS and alike and one.size >= BULK * whole:
                why = f"`{name}`, {one.size / whole:.0%} of what goes in, is the same in all {len(calls)} calls; {told:.0f} tokens go in for {said:.0f}"
                yield Finding("trim", subject.name, step, {"with": {name: None}}, None, why)


def _model(subject: Subject) -> Iterator[Finding]:
    for step, calls in subject.steps.items():
        if len(calls) < LEAST or not _is_model(calls):
            continue
        now = str(subject.step(step).get("with", {}).get("model", "default"))
        for name in subject.cheaper.get(now, ()):
            why = f"{len(calls)} calls asked `{now}`, and `{name}` is cheaper"
            yield Finding("model", subject.name, step, {"with": {"model": name}}, None, why)


RULES: Final[tuple[Callable[[Subject], Iterator[Finding]], ...]] = (
    _merge,
    _slow,
    _retries,
    _cache,
    _near,
    _trim,
    _model,
)


def _compared(subject: Subject) -> Iterator[tuple[datetime, bool, list[Call]]]:
    """Runs after the first: what they stand for, whether they are as the one before, and their calls."""
    before: object = None
    for number, (at, calls) in enumerate(subject.runs):
        now = sorted((call.step, call.item, call.timeless, call.output) for call in calls)
        if number:
            # What fails alike each time may succeed the next time: nothing was seen.
            yield at, now == before and all(call.outcome == "ok" for call in calls), calls
        before = now


def _cacheable(subject: Subject) -> Iterator[tuple[str, list[Call]]]:
    """Steps that could have a cache, and have none."""
    for step, calls in subject.steps.items():
        written = subject.step(step)
        # A call that does something may be wanted again, even where that does no harm: models only answer.
        harmless = written.get("effect", "pure" if _is_model(calls) else "") == "pure"
        if len(calls) >= LEAST and harmless and "cache" not in written and _cost(calls):
            yield step, calls


def _repeated(calls: Sequence[Call], key: Callable[[Call], object]) -> Decimal:
    """What calls cost that were the same as an earlier one of their day; nothing if the same ever gave different results."""
    given: dict[object, set[str]] = defaultdict(set)
    for call in calls:
        given[key(call)].add(call.output)
    if max(map(len, given.values())) > 1:
        return Decimal(0)
    seen: Counter[object] = Counter()
    saved = Decimal(0)
    for call in calls:
        saved += call.cost if seen[call.day, key(call)] else 0
        seen[call.day, key(call)] += 1
    return saved


def _is_passing(name: str, calls: Sequence[Call]) -> bool:
    """Whether an argument is nothing but an instant or an id that differs."""
    values = [call.arguments[name] for call in calls if name in call.arguments]
    exact, timeless = {one.exact for one in values}, {one.timeless for one in values}
    return len(values) == len(calls) and len(exact) > 1 and timeless == {PASSING}


def _without(passing: Sequence[str], call: Call) -> object:
    """What tells a call's arguments from others once some are gone."""
    return tuple(one for one in call.exact if one[0] not in passing)


def _is_model(calls: Sequence[Call]) -> bool:
    return calls[0].tool.startswith("llm.")


def _cost(*groups: Sequence[Call]) -> Decimal:
    return sum((call.cost for calls in groups for call in calls), Decimal(0))
