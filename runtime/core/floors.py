"""From where due work, and events on their way out, are scanned, once scanning them from their beginning has become slow.

What is finished stays in the index until it is vacuumed, and while somebody holds a snapshot that is never: then each claim
would walk over all that was ever finished. So claims begin where the last ones left off in each lane. Work that becomes
ready behind that, such as a lease that has expired, is found by a sweep from the beginning. A sweep may come as often as
it takes no more than a fiftieth of the time, and every ten seconds in any case: as long as nothing is in the way, every
claim is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

# Rows may become visible this much later than the instant at which they say they are ready.
_LAG: Final = timedelta(seconds=1)
_SWEEP_SHARE: Final = 50
_LONGEST_SECONDS: Final = 10.0
# A scan as short as this has nothing in its way.
_SHORT_SECONDS: Final = 0.05


class Sweeps:
    """When a scan may begin at the beginning. Times are seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._due_at = float("-inf")

    def are_due(self, now: float) -> bool:
        """Whether the next scan may begin at the beginning."""
        return now >= self._due_at

    def swept(self, began: float, ended: float) -> None:
        """Say how long a scan from the beginning took."""
        seconds = ended - began
        if seconds > _SHORT_SECONDS:
            self._due_at = ended + min(_SWEEP_SHARE * seconds, _LONGEST_SECONDS)


class Floors:
    """The floors of one worker. Times are seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._floors: dict[int, datetime] = {}
        self._sweeps = Sweeps()

    def choose(self, now: float) -> Mapping[int, datetime]:
        """By lane, from which `ready_at` on to look; a lane that is not named is scanned from its beginning."""
        return {} if self._sweeps.are_due(now) else self._floors

    def swept(self, began: float, ended: float) -> None:
        """Say how long a scan from the beginning took."""
        self._sweeps.swept(began, ended)

    def claimed(self, work: Iterable[tuple[int, datetime]]) -> None:
        """Say of what was claimed in which lane it was, and when it was ready."""
        reached: dict[int, datetime] = {}
        for lane, ready_at in work:
            reached[lane] = max(ready_at, reached.get(lane, ready_at))
        self._floors.update((lane, ready_at - _LAG) for lane, ready_at in reached.items())
