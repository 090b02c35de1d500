"""Strips, waterfalls and heat as numbers: where each mark goes. Templates only write them down as SVG and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from runtime.core.slots import DAY_SLOT
from schemas.board import PastSlot, StripRun, Timeline
from schemas.run import RunReport, StepReport

MARKS: Final = 20
FULL: Final = 1000
"""How many units the whole width of a waterfall has."""

_MARKS: Final = {
    "succeeded": ("ok", 10),
    "failed": ("bad", 18),
    "running": ("busy", 14),
    "waiting": ("wait", 14),
    "queued": ("wait", 6),
    "cancelled": ("hollow", 10),
    "skipped": ("hollow", 4),
}
_LEAST: Final = 4
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark of a strip: where it stands, how high it is, and of which class."""

    x: int
    height: int
    look: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a waterfall: from where, how wide, of which class, and what it is."""

    x: float
    width: float
    look: str
    words: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A slot of a heat map: how many runs begin in it, which shade that is; None where it lies outside."""

    runs: int | None
    shade: int = 0


@dataclass(frozen=True, slots=True)
class Heat:
    """A heat map: the names of columns, and rows by name."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    legend: tuple[str, ...]


def strip(runs: Sequence[StripRun]) -> list[Mark]:
    """The marks of runs, the newest at the right."""
    marks = []
    for place, run in enumerate(reversed(runs[:MARKS])):
        look, height = _MARKS[run.state]
        marks.append(Mark((MARKS - min(len(runs), MARKS) + place) * 8, height, look))
    return marks


def strip_words(runs: Sequence[StripRun]) -> str:
    """What a strip shows, for who does not see it."""
    if not runs:
        return "no runs yet"
    counted = Counter(run.state for run in runs[:MARKS])
    parts = ", ".join(f"{count} {state}" for state, count in counted.most_common())
    failed = next((n for n, run in enumerate(runs) if run.state == "failed"), None)
    last = "" if failed is None else f"; the newest failure is {_back(failed)}"
    return f"last {min(len(runs), MARKS)} runs: {parts}{last}"


def _back(number: int) -> str:
    return "the newest run" if number == 0 else f"{number} run{'s' * (number > 1)} back"


def waterfall(run: RunReport) -> dict[str, list[Bar]]:
    """The bars of each step, between the begin of the run and its end, or now."""
    begin = run.started_at or run.due_at
    ends = [step.finished_at for step in run.steps if step.finished_at]
    end = run.finished_at or run.now
    end = max([end, *ends, begin + timedelta(milliseconds=1)])
    scale = FULL / (end - begin).total_seconds()
    return {step.step: list(_bars(step, begin, end, scale)) for step in run.steps}


def _bars(step: StepReport, begin: datetime, end: datetime, scale: float) -> Iterator[Bar]:
    def bar(since: datetime, until: datetime, look: str, words: str) -> Bar:
        x = min(max(0.0, (since - begin).total_seconds() * scale), FULL - _LEAST)
        width = max(_LEAST, (until - since).total_seconds() * scale)
        return Bar(round(x, 1), round(min(width, FULL - x), 1), look, words)

    for attempt in step.tries:
        yield bar(attempt.started_at, attempt.finished_at, "bad", f"try {attempt.attempt} failed")
    if step.started_at and step.state != "skipped":
        look = {"succeeded": "ok", "failed": "bad"}.get(step.state, "busy")
        yield bar(step.started_at, step.finished_at or end, look, step.state)


def day_heat(timeline: Timeline, zone: tzinfo) -> Heat:
    """The next 24 hours: a row an hour, a column each five minutes."""
    by_slot = {slot.at: slot.runs for slot in timeline.day}
    first = timeline.now.replace(minute=0, second=0, microsecond=0)
    last = timeline.now + timedelta(days=1)
    bounds = _bounds(by_slot.values())
    rows = []
    for number in range(25):
        hour = first + _HOUR * number
        instants = [hour + DAY_SLOT * place for place in range(12)]
        cells = tuple(
            _cell(by_slot.get(at, 0), bounds)
            if timeline.now - DAY_SLOT < at < last
            else Cell(None)
            for at in instants
        )
        local = hour.astimezone(zone)
        rows.append(
            (f"{local:%a %H:%M}" if number == 0 or local.hour == 0 else f"{local:%H:%M}", cells)
        )
    return Heat(tuple(f":{n * 5:02}" for n in range(12)), tuple(rows), _legend(bounds, _most(by_slot.values())))  # fmt: skip


def week_heat(timeline: Timeline, zone: tzinfo) -> Heat:
    """The next seven days: a row each hour of the clock on the wall, a column a day."""
    counted: Counter[tuple[int, int]] = Counter()
    today = timeline.now.astimezone(zone).date()
    for slot in timeline.week:
        local = slot.at.astimezone(zone)
        counted[((local.date() - today).days, local.hour)] += slot.runs
    bounds = _bounds(counted.values())
    here = timeline.now.astimezone(zone).hour
    days = [today + timedelta(days=n) for n in range(8)]
    rows = tuple(
        (
            f"{hour:02}:00",
            tuple(
                Cell(None)
                if (day == 0 and hour < here) or (day == 7 and hour > here)  # noqa: PLR2004 - a week
                else _cell(counted[(day, hour)], bounds)
                for day in range(8)
            ),
        )
        for hour in range(24)
    )
    return Heat(
        tuple(f"{day:%a %d}" for day in days), rows, _legend(bounds, _most(counted.values()))
    )


def _cell(runs: int, bounds: Sequence[int]) -> Cell:
    shade = 0 if not runs else 1 + sum(runs > bound for bound in bounds)
    return Cell(runs, shade)


def _bounds(counts: Iterable[int]) -> tuple[int, ...]:
    """Up to how many runs each shade but the darkest goes: even steps of the fullest slot, but at least one."""
    most = _most(counts)
    steps = dict.fromkeys(max(number, most * number // 5) for number in range(1, 5))
    return tuple(step for step in steps if step < most)


def _legend(bounds: Sequence[int], most: int) -> tuple[str, ...]:
    """How many runs each shade stands for."""
    ends = [*bounds, most] if most else []
    begins = [1, *(end + 1 for end in ends)]
    return tuple(str(end) if begin == end else f"{begin} to {end}" for begin, end in zip(begins, ends, strict=False))  # fmt: skip


def _most(counts: Iterable[int]) -> int:
    return max(counts, default=0)


@dataclass(frozen=True, slots=True)
class Column:
    """An hour that is past, as a stack of bars."""

    slot: PastSlot
    x: int
    parts: tuple[tuple[str, float, float], ...]


def past_columns(timeline: Timeline) -> list[Column]:
    """The last 24 hours, an hour each, stacked upwards: succeeded, other, skipped, failed."""
    by_hour = {slot.at: slot for slot in timeline.past}
    first = timeline.now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=23)
    slots = [by_hour.get(at, PastSlot(at=at)) for at in (first + _HOUR * n for n in range(24))]
    most = _most(s.succeeded + s.failed + s.skipped + s.other for s in slots) or 1
    columns = []
    for place, slot in enumerate(slots):
        parts, top = [], 80.0
        counts = (("ok", slot.succeeded), ("busy", slot.other), ("hollow", slot.skipped), ("bad", slot.failed))  # fmt: skip
        for look, count in counts:
            if count:
                height = max(2.0, 76.0 * count / most)
                top -= height
                parts.append((look, round(top, 1), round(height, 1)))
        columns.append(Column(slot, place * 20, tuple(parts)))
    return columns
