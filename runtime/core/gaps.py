"""Which numbers of the event log a follower has seen, and for which it has to look again.

Sequence numbers are handed out before what bears them is committed, so a follower meets gaps: numbers that somebody has
drawn and nobody can see yet. Most are filled within milliseconds, those of long transactions within minutes, and those of
transactions that were rolled back never. So a gap is remembered with the span of time in which its events can have occurred,
looked for again after 1, 2, 4, … seconds, and given up when its patience is over. The later half of the looks goes
back further, as far as a statement can last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

PATIENCE_SECONDS: Final = 300.0
"""How long a gap is looked for: a change of specs is one transaction, and may take minutes."""
MOST_MISSING: Final = 10_000
"""How many numbers are looked for; the oldest are given up first."""
LAG: Final = timedelta(seconds=2)
"""How much earlier than its neighbours an event may have occurred, as a rule."""
LONGEST_STATEMENT: Final = timedelta(seconds=65)
"""How much earlier it may have occurred at most: as long as a statement may last, and a little."""
# Of the few microseconds between a look at the clock and one at the sequence.
_SLACK: Final = timedelta(seconds=1)
_FIRST_LOOK_SECONDS: Final = 1.0
_LOOKS_NEARBY: Final = 4


@dataclass(frozen=True, slots=True)
class Look:
    """Numbers to look for, and when their events can have occurred."""

    numbers: list[int]
    since: datetime
    until: datetime


@dataclass(slots=True)
class _Gap:
    numbers: set[int]
    since: datetime
    until: datetime
    missed: float
    looks: int = 0

    @property
    def due(self) -> float:
        return self.missed + _FIRST_LOOK_SECONDS * (2.0**self.looks - 1 if self.looks else 0.5)


class Gaps:
    """The numbers that one follower has not seen. `now` is in seconds of any clock that does not go back.

    Args:
        top: the highest number that counts as seen.
    """

    def __init__(self, top: int) -> None:
        self.top = top
        self.given_up = 0
        self._gaps: list[_Gap] = []
        self._missing: dict[int, _Gap] = {}

    @property
    def missing(self) -> tuple[int, ...]:
        """The numbers that are looked for, in order."""
        return tuple(sorted(self._missing))

    def take(
        self, numbers: Iterable[int], top: int, *, since: datetime, until: datetime, now: float
    ) -> set[int]:
        """Take note of what was read; which of it is new.

        Args:
            numbers: those of the events that were read; some may have been read before.
            top: the highest number that was drawn before the reading, or that was read.
            since: when the first of these events occurred, or may have.
            until: until when numbers up to `top` were drawn.
            now: the moment.
        """
        read = set(numbers)
        fresh = {number for number in read if number > self.top}
        for number in read & self._missing.keys():
            self._found(number)
            fresh.add(number)
        top = max(top, max(fresh, default=top), self.top)
        self._miss(fresh, top, since, until, now)
        self.top = top
        return fresh

    def miss(
        self, numbers: Collection[int], *, since: datetime, until: datetime, now: float
    ) -> None:
        """Look for numbers that an earlier process missed."""
        if numbers:
            self._add(_Gap(set(numbers), since - LAG, until + _SLACK, now))

    def looks(self, now: float) -> list[Look]:
        """What to look for now; each is to be answered by `take`, with what was found."""
        due = [gap for gap in self._gaps if gap.numbers and gap.due <= now]
        found = []
        for gap in due:
            gap.looks += 1
            is_nearby = gap.looks <= _LOOKS_NEARBY
            since = gap.since if is_nearby else gap.since - LONGEST_STATEMENT
            found.append(Look(sorted(gap.numbers), since, gap.until))
        return found

    def give_up(self, now: float) -> int:
        """Give up what was looked for long enough: nobody committed it. How many numbers that were."""
        over = [gap for gap in self._gaps if gap.missed + PATIENCE_SECONDS <= now]
        numbers = sum(len(gap.numbers) for gap in over)
        for gap in over:
            for number in gap.numbers:
                del self._missing[number]
        self._gaps = [gap for gap in self._gaps if gap.numbers and gap not in over]
        self.given_up += numbers
        return numbers

    def _miss(
        self, fresh: set[int], top: int, since: datetime, until: datetime, now: float
    ) -> None:
        first = max(self.top + 1, top - MOST_MISSING + 1)
        # What a sequence that was set far ahead leaves out is nobody's.
        self.given_up += first - (self.top + 1)
        missed = {number for number in range(first, top + 1) if number not in fresh}
        if missed:
            self._add(_Gap(missed, since - LAG, until + _SLACK, now))

    def _add(self, gap: _Gap) -> None:
        self._gaps.append(gap)
        self._missing.update(dict.fromkeys(gap.numbers, gap))
        for number in self.missing[: max(0, len(self._missing) - MOST_MISSING)]:
            self._found(number)
            self.given_up += 1

    def _found(self, number: int) -> None:
        self._missing.pop(number).numbers.discard(number)
