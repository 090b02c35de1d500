"""What each lane is owed of the runs that a worker claims, however much there is to do in others.

The lanes compete by priority and by how long their work has waited. Where more becomes ready than can be done, the waiting
would go on for as long as that lasts; so of twenty runs that are claimed, each lane that has work gets one. Where few are
claimed at a time, it gets one as soon as what it is owed makes a whole run. What it had no work for is not saved up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

_ONE_OF: Final = 20


class Shares:
    """The shares of one worker.

    Args:
        lanes: all there are.
    """

    def __init__(self, lanes: Iterable[int]) -> None:
        self._owed = dict.fromkeys(lanes, 0.0)

    def choose(self) -> Mapping[int, int]:
        """By lane, how many runs of it come before all others in the next claim."""
        return {lane: int(owed) for lane, owed in self._owed.items()}

    def claimed(self, lanes: Iterable[int]) -> None:
        """Say of each run that was claimed in which lane it was."""
        given = Counter(lanes)
        due = given.total() / _ONE_OF
        # Then a lane that got less than it was owed has nothing more to do.
        had_room = any(given[lane] > int(owed) for lane, owed in self._owed.items())
        for lane, owed in self._owed.items():
            is_done = had_room and given[lane] < int(owed)
            self._owed[lane] = due if is_done else max(0.0, owed - given[lane] + due)
