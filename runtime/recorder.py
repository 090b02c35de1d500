"""Writes what lease holders report, many runs in one statement.

While one statement is under way the reports of other runs gather, and go with the next: under load the batches grow by
themselves, and a lone report waits for nobody. A reporter gets its answer only when its report is committed or refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

import psycopg

from runtime.clock import Clock
from runtime.errors import LeaseLost, StoreError
from runtime.logs import get_logger
from runtime.service import stop_if_cancelled
from runtime.store.due_work import Report, Written, record_progress
from runtime.store.pool import Pool
from runtime.turns import Turns
from runtime.wake import Bell

_log = get_logger("recorder")
_MAX_BATCH: Final = 500
# Of all results in one statement; a single report may have more.
_MAX_BYTES: Final = 16 << 20
_RETRY_SECONDS: Final = 0.5


Told = Callable[[BaseException | None], None]
"""Is told what became of a report: None if it is committed, LeaseLost, StoreError, or CancelledError if nobody knows."""


@dataclass(slots=True)
class _Entry:
    """A report that is to be written, who is told of it, and whether nobody waits for that any more."""

    report: Report
    tell: Told
    is_over: Callable[[], bool]


def _nothing(written: Written) -> None:
    """Nobody has to be told."""


class Recorder:
    """Service: the one writer of progress in a runtime process. `after` is told of each commit."""

    name = "recorder"

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        outgoing: Bell,
        turns: Turns,
        after: Callable[[Written], None] = _nothing,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._outgoing = outgoing
        self._turns = turns
        self._after = after
        self._waiting: list[_Entry] = []
        self._arrived = asyncio.Event()

    async def record(self, report: Report) -> None:
        """Commit a report.

        Raises:
            LeaseLost: another runtime holds the run; nothing of the report was written.
            StoreError: the database refused the report itself, and would refuse it again.
        """
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._add(_Entry(report, partial(_answer, answer), answer.done))
        await answer

    def hand_over(self, reports: Iterable[tuple[Report, Told]]) -> None:
        """Commit reports, and tell what became of each once that is known."""
        for report, told in reports:
            self._add(_Entry(report, told, _never))

    def _add(self, entry: _Entry) -> None:
        self._waiting.append(entry)
        self._arrived.set()

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            await self._arrived.wait()
            batch = self._take()
            try:
                await self._write(batch)
            except BaseException:
                for entry in batch:
                    entry.tell(asyncio.CancelledError())
                raise

    def _take(self) -> list[_Entry]:
        # Two reports of one run must not share a statement: both would be judged by one lock.
        batch: list[_Entry] = []
        later: list[_Entry] = []
        runs = set()
        size = 0
        for entry in self._waiting:
            run_id = entry.report.run_id
            if entry.is_over():
                continue
            size += entry.report.size
            fits = len(batch) < _MAX_BATCH and (size <= _MAX_BYTES or not batch)
            (batch if fits and run_id not in runs else later).append(entry)
            runs.add(run_id)
        self._waiting = later
        if not later:
            self._arrived.clear()
        return batch

    async def _write(self, batch: list[_Entry]) -> None:
        wait = 0.0  # first at once: most often one connection was lost, and the next is sound
        while batch:
            stop_if_cancelled()
            try:
                written = await record_progress(self._pool, [entry.report for entry in batch])
            except psycopg.errors.ProgramLimitExceeded as error:
                # An OperationalError by descent, and yet nothing that passes.
                await self._refuse(batch, error)
                return
            except (psycopg.OperationalError, psycopg.errors.SerializationFailure) as error:
                # The connection may have gone before or after the commit. Saying it again is harmless: results keep
                # the first writer, events have fixed ids, and a finished run no longer has a lease to match.
                _log.warning("progress not written yet: %s", " ".join(str(error).split()))
                await self._clock.sleep(wait)
                wait = _RETRY_SECONDS
                batch = [entry for entry in batch if not entry.is_over()]
            except psycopg.Error as error:
                await self._refuse(batch, error)
                return
            else:
                self._outgoing.ring()
                self._turns.pass_on(written.turns)
                self._after(written)
                for entry in batch:
                    report = entry.report
                    entry.tell(None if report.run_id in written.held else _lost(report))
                return

    async def _refuse(self, batch: list[_Entry], error: psycopg.Error) -> None:
        """One bad report must not stop the others: write them one by one, and tell only its own run."""
        if len(batch) == 1:
            batch[0].tell(_refused(error))
            return
        for entry in batch:
            await self._write([entry])


def _refused(error: psycopg.Error) -> StoreError:
    reason = " ".join(str(error).split())
    if isinstance(error, psycopg.errors.ProgramLimitExceeded):
        hint = "let the tool answer less, or lower `result_bytes` of its ToolServer to be told so by the step"
        return StoreError(
            f"a result is too large for PostgreSQL: {reason}", hint=hint, code="ORD506"
        )
    return StoreError(f"the database refused a result: {reason}")


def _lost(report: Report) -> LeaseLost:
    return LeaseLost(
        f"run {report.run_id} of {report.task}: the lease was lost",
        hint="another runtime goes on with it",
    )


def _answer(answer: asyncio.Future[None], problem: BaseException | None) -> None:
    if answer.done():
        return
    if problem is None:
        answer.set_result(None)
    elif isinstance(problem, asyncio.CancelledError):
        answer.cancel()
    else:
        answer.set_exception(problem)


def _never() -> bool:
    return False
