"""When what a run has to report goes on record: before anything that depends on it, else beside the calls.

A step begins when the results that it needs are on record, and a call that must not be repeated when its intent is; its
own result is written at once. The items of a `foreach` need nothing of one another: while the results of some are being
written, the next ones are made, and their results gather for the next statement, which follows the last one after a
rest. So any number of quick calls need few statements, and a slow one's result is written at once.
"""

from __future__ import annotations

import math
from typing import Final

from runtime.progress import Progress
from runtime.surroundings import Surroundings
from runtime.underway import UnderWay

_REST_SECONDS: Final = 0.05


class Checkpoints:
    """Those of one claim of one run; `is_due` says that something begins that depends on what is not on record yet."""

    def __init__(self, around: Surroundings, progress: Progress, under_way: UnderWay) -> None:
        self._recorder = around.recorder
        self._clock = around.clock
        self._rests_until = -math.inf
        self._progress = progress
        self._under_way = under_way
        self.is_due = False

    async def write(self) -> None:
        """Write what there is, before other calls are made.

        Raises:
            LeaseLost: another runtime holds the run.
            StoreError: the database refused a report.
        """
        if self.is_due or self._progress.is_urgent:
            self.is_due = False
            await self._under_way.written()
            if not self._progress.is_empty:
                await self._recorder.record(self._progress.checkpoint())
        elif self._is_waiting and self._clock.monotonic() >= self._rests_until:
            # To the microsecond: a sleep of less would end before this does.
            self._rests_until = round(self._clock.monotonic() + _REST_SECONDS, 6)
            self._under_way.write(self._recorder.record(self._progress.checkpoint()))

    def until(self, next_at: float | None) -> float | None:
        """When something has to be done by itself: at `next_at`, or to write what has gathered."""
        if not self._is_waiting:
            return next_at
        return min(self._rests_until, math.inf if next_at is None else next_at)

    @property
    def _is_waiting(self) -> bool:
        return not (self._progress.is_empty or self._under_way.is_writing)
