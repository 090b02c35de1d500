"""Service: keeps history for as long as the settings say, and partitions ready for what comes.

Runs are kept by their occurrence, a month at a time: when the youngest of a month is older than `keep_runs`, the partitions
of that month are dropped as a whole. What belongs to a run that is not over, such as one that has waited for months, or
that ended only lately, as of a backfill, is moved on first. Nothing waits for this: where somebody is at a table, it is
tried again a minute later. Any number of runtimes may do this; the shortest of their settings counts.
"""

from __future__ import annotations

import random
from typing import Final

import psycopg
from psycopg_pool import PoolTimeout

from runtime.clock import Clock
from runtime.config import Config
from runtime.logs import get_logger
from runtime.service import stop_if_cancelled
from runtime.store.answers import forget_answers
from runtime.store.events import forget_events
from runtime.store.pool import Pool, borrow
from runtime.store.retention import (
    Fate,
    Kept,
    Month,
    drop_partition,
    list_expired_partitions,
    make_partitions,
    sweep_history,
)

_log = get_logger("retention")
_REST_SECONDS: Final = 3600.0
_RETRY_SECONDS: Final = 60.0


class Retention:
    """Service: makes partitions ahead, and drops those whose time is over."""

    name = "retention"

    def __init__(self, pool: Pool, clock: Clock, config: Config) -> None:
        self._pool = pool
        self._clock = clock
        self._kept = Kept(runs=config.keep_runs, events=config.keep_events)
        self._told: dict[Month, Fate] = {}

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            try:
                done = await self.run_once()
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("history not looked at: %s", " ".join(str(error).split()))
                done = False
            rest = _REST_SECONDS if done else _RETRY_SECONDS
            await self._clock.sleep(rest * random.uniform(0.8, 1.0))  # noqa: S311 - spreads load, guards nothing

    async def run_once(self) -> bool:
        """Do what is to be done; false if some of it must be tried again soon."""
        await make_partitions(self._pool)
        busy = False
        for month in await list_expired_partitions(self._pool, self._kept):
            fate = await drop_partition(self._pool, month, self._kept)
            self._tell(month, fate)
            busy = busy or fate == "busy"
        while await sweep_history(self._pool, self._kept):
            stop_if_cancelled()
        async with borrow(self._pool) as connection:
            while await forget_events(connection, self._kept.events):
                stop_if_cancelled()
            while await forget_answers(connection):
                stop_if_cancelled()
        return not busy

    def _tell(self, month: Month, fate: Fate) -> None:
        """Say what became of a month, once."""
        if self._told.get(month) == fate:
            return
        self._told[month] = fate
        match fate:
            case "dropped":
                del self._told[month]
                _log.info("%s dropped: its time is over", month)
            case "busy":
                _log.warning(
                    "%s not dropped yet: somebody reads the table, or is at its partitions", month
                )
            case "wanted":
                kept = (
                    "events that are not published"
                    if month.parent == "event_log"
                    else "much of runs that are not over"
                )
                _log.warning("%s not dropped yet: it holds %s", month, kept)
