"""Writes what lease holders report, many runs in one statement.

While one statement is under way the reports of other runs gather, and go with the next: under load the batches grow by
themselves, and a lone report waits for nobody. A reporter gets its answer only when its report is committed or refused.
"""

from __future__ import annotations

import asyncio
from typing import Final

import psycopg

from runtime.clock import Clock
from runtime.errors import LeaseLost, StoreError
from runtime.logs import get_logger
from runtime.service import stop_if_cancelled
from runtime.store.due_work import Report, record_progress
from runtime.store.pool import Pool
from runtime.turns import Turns
from runtime.wake import Bell

_log = get_logger("recorder")
_MAX_BATCH: Final = 500
_RETRY_SECONDS: Final = 0.5


class Recorder:
    """Service: the one writer of progress in a runtime process."""

    name = "recorder"

    def __init__(self, pool: Pool, clock: Clock, outgoing: Bell, turns: Turns) -> None:
        self._pool = pool
        self._clock = clock
        self._outgoing = outgoing
        self._turns = turns
        self._waiting: list[tuple[Report, asyncio.Future[bool]]] = []
        self._arrived = asyncio.Event()

    async def record(self, report: Report) -> None:
        """Commit a report.

        Raises:
            LeaseLost: another runtime holds the run; nothing of the report was written.
            StoreError: the database refused the report itself, and would refuse it again.
        """
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((report, answer))
        self._arrived.set()
        if not await answer:
            raise LeaseLost(
                f"run {report.run_id} of {report.task}: the lease was lost",
                hint="another runtime goes on with it",
            )

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            await self._arrived.wait()
            batch = self._take()
            try:
                await self._write(batch)
            finally:
                for _, answer in batch:
                    answer.cancel()

    def _take(self) -> list[tuple[Report, asyncio.Future[bool]]]:
        # Two reports of one run must not share a statement: both would be judged by one lock.
        batch: list[tuple[Report, asyncio.Future[bool]]] = []
        later: list[tuple[Report, asyncio.Future[bool]]] = []
        runs = set()
        for entry in self._waiting:
            taken = (
                len(batch) < _MAX_BATCH
                and entry[0].run_id not in runs
                and not entry[1].cancelled()
            )
            (batch if taken else later).append(entry)
            runs.add(entry[0].run_id)
        self._waiting = [entry for entry in later if not entry[1].cancelled()]
        if not self._waiting:
            self._arrived.clear()
        return batch

    async def _write(self, batch: list[tuple[Report, asyncio.Future[bool]]]) -> None:
        wait = 0.0  # first at once: most often one connection was lost, and the next is sound
        while batch:
            stop_if_cancelled()
            try:
                written = await record_progress(self._pool, [report for report, _ in batch])
            except (psycopg.OperationalError, psycopg.errors.SerializationFailure) as error:
                # The connection may have gone before or after the commit. Saying it again is harmless: results keep
                # the first writer, events have fixed ids, and a finished run no longer has a lease to match.
                _log.warning("progress not written yet: %s", " ".join(str(error).split()))
                await self._clock.sleep(wait)
                wait = _RETRY_SECONDS
                batch = [entry for entry in batch if not entry[1].done()]
            except psycopg.Error as error:
                await self._refuse(batch, error)
                return
            else:
                self._outgoing.ring()
                self._turns.pass_on(written.turns)
                for report, answer in batch:
                    _answer(answer, report.run_id in written.held)
                return

    async def _refuse(
        self, batch: list[tuple[Report, asyncio.Future[bool]]], error: psycopg.Error
    ) -> None:
        """One bad report must not stop the others: write them one by one, and tell only its own run."""
        if len(batch) == 1:
            if not batch[0][1].done():
                batch[0][1].set_exception(StoreError(f"the database refused a result: {error}"))
            return
        for entry in batch:
            await self._write([entry])


def _answer(answer: asyncio.Future[bool], held: bool) -> None:
    if not answer.done():
        answer.set_result(held)
