"""Rules shorter than a day: instants by elapsed time.

RFC 5545 does not say whether HOURLY, MINUTELY and SECONDLY step the wall clock or real time. Stepping the wall clock
loses an hour in spring and doubles one in autumn; Ordinaut steps real time. Such a rule is a row of blocks (an hour,
a minute, a second long), every INTERVAL-th counted in real time from the one that holds DTSTART, and an instant is an
instance if it lies in a counted block and the wall, read at that instant, fits the BYxxx parts. In a repeated hour the
rule goes on; in a gap there is nothing to lose.

Theory: between two offset changes local time is UTC plus a constant. Within such a span each part says at or after
which instant it next fits (block, day, time of day); they leapfrog until all agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Final

from runtime.core.recurrence.days import LAST_YEAR, DaySet
from runtime.core.recurrence.effort import Effort
from runtime.core.recurrence.expansion import elapsed_grid
from runtime.core.recurrence.rule import Rule
from runtime.core.recurrence.values import Frequency
from runtime.core.recurrence.zone import Zone, epoch_seconds

_DAY: Final = 86_400
# Finding a year's offset changes for the first time costs as much as so many steps.
_SPAN_STEPS: Final = 50
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
LAST_SECOND: Final = epoch_seconds(datetime(LAST_YEAR, 12, 1, tzinfo=UTC))
_UNITS: Final[dict[Frequency, int]] = {"HOURLY": 3600, "MINUTELY": 60, "SECONDLY": 1}


class ElapsedRule:
    """The instants of one sub-daily rule, in seconds since 1970.

    Args:
        rule: a rule whose `sub_daily` is true.
        start: DTSTART, naive local time.
        zone: where the wall hangs.
        days: days that fit.

    Attributes:
        anchor: the instant of DTSTART.
        step: distance between instances if nothing but INTERVAL decides, else None.
    """

    __slots__ = (
        "_block",
        "_days",
        "_grid",
        "_origin",
        "_positions",
        "_step",
        "_unit",
        "_width",
        "_zone",
        "anchor",
        "step",
    )

    def __init__(self, rule: Rule, start: datetime, zone: Zone, days: DaySet) -> None:
        self._unit = _UNITS[rule.freq]
        occurrence = zone.resolve(start, "shift", "first")[0]
        self.anchor = epoch_seconds(occurrence.at)
        self._zone = zone
        self._days = days
        self._positions = rule.bysetpos
        self._step = rule.interval * self._unit
        self._block = self.anchor - (self.anchor + zone.offset_seconds(self.anchor)) % self._unit
        self._grid = elapsed_grid(rule, start)
        self._origin, self._width = self._window(rule)
        self.step = None if rule.limited else self._step

    def _window(self, rule: Rule) -> tuple[int, int]:
        """First instant, and length, of the part of a block in which instances may lie.

        Parts below FREQ that the rule leaves out are DTSTART's, counted from the block's start.
        """
        if rule.freq == "HOURLY" and rule.byminute:
            return self._block, self._unit
        if rule.freq != "SECONDLY" and rule.bysecond:
            return self.anchor - (self.anchor - self._block) % 60, 60
        return self.anchor, 1

    def instants(self, low: int, effort: Effort) -> Iterator[int]:
        """Instances from `low` on, in order.

        Raises:
            Exhausted: by the effort.
        """
        low = max(low, self.anchor)
        if self.step is not None:
            return iter(range(low + (self.anchor - low) % self.step, LAST_SECOND, self.step))
        if self._positions:
            return self._chosen(low, effort)
        return self._hits(low, LAST_SECOND, effort)

    def _chosen(self, low: int, effort: Effort) -> Iterator[int]:
        """What BYSETPOS leaves, block by whole block."""
        at = low - (low - self._block) % self._step
        while (first := next(self._hits(at, LAST_SECOND, effort), None)) is not None:
            effort.spend()
            block = first - (first - self._block) % self._step
            hits = [first, *self._hits(first + 1, block + self._unit, effort)]
            size = len(hits)
            wanted = {n - 1 if n > 0 else size + n for n in self._positions if abs(n) <= size}
            yield from (hits[index] for index in sorted(wanted) if hits[index] >= low)
            at = block + self._step

    def _hits(self, at: int, stop: int, effort: Effort) -> Iterator[int]:
        """Instants from `at` on and before `stop` that fit, whatever BYSETPOS says."""
        offset, end = self._zone.span(at)
        while at < stop:
            effort.spend()
            if at >= end:
                effort.spend(_SPAN_STEPS)
                offset, end = self._zone.span(at)
            ahead = (at - self._origin) % self._step
            if ahead >= self._width:
                at += self._step - ahead
                continue
            fitting = self._next_fitting(at, offset, end, effort)
            if fitting is None:
                return
            if fitting == at:
                yield at
                fitting += 1
            at = fitting

    def _next_fitting(self, at: int, offset: int, end: int, effort: Effort) -> int | None:
        """An instant no later than the next one, from `at` on, that fits day and time of day; `at` if it fits itself."""
        day, second = divmod(at + offset, _DAY)
        found = self._days.next(day + _EPOCH_ORDINAL, effort)
        if found is None:
            return None
        next_day = found - _EPOCH_ORDINAL
        if next_day > day:
            # Two days are more than any offset or fold: before `far` no wall shows the day, and once the span's end is
            # that far away no fold can lead back to the day before. Nearer, stop at the span's end and look again.
            far = (next_day - 2) * _DAY
            skip = far > end and end + offset - 2 * _DAY >= day * _DAY
            return far if skip else min(next_day * _DAY - offset, end)
        index = self._grid.index(second // 3600, second // 60 % 60, second % 60)
        if index == len(self._grid):
            return min((day + 1) * _DAY - offset, end)
        fit = self._grid[index]
        return min(at - second + fit.hour * 3600 + fit.minute * 60 + fit.second, end)
