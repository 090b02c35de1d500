"""Steps with `effect: transactional`: what the statement does and the record of it are committed together, or neither is.

The statement runs first, and takes no lock of ours, so nobody's lease waits for it. Then the result is recorded in the same
transaction, under the same fence as any other: where the lease was lost meanwhile, the transaction is rolled back. So is
one whose answer the step does not take for a success. When the connection is lost while it commits, nobody knows whether
it did until the database is asked: the one lock that both ways take makes the answer certain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import psycopg

from runtime.caller import Caller
from runtime.clock import Clock
from runtime.core.outcomes import CallError, CallOutcome
from runtime.errors import LeaseLost, StoreError
from runtime.progress import Progress
from runtime.store.due_work import Claim
from runtime.store.pool import Connection, Pool, borrow
from runtime.store.transactional import find_result, keep_lease, record_with, run_statement
from runtime.tools.builtin import builtin_tools
from runtime.tools.normalise import Unacceptable, normalise
from runtime.tools.redact import NOTHING_TO_BLOT
from runtime.underway import Landed, Ready

_TOOL: Final = builtin_tools()["ordinaut"]["sql"].info
_NAME: Final = "ordinaut.sql"
_MOST_SECONDS: Final = 30.0
_RESULT_BYTES: Final = 1_048_576
_AGAIN_SECONDS: Final = 0.5
# The session was ended, the server goes down or comes up, or the connection failed.
_LOST: Final = ("57P", "08", "25P")
_ROLLED_BACK: Final = "40"

Judge = Callable[[CallOutcome], CallOutcome]
"""What the step makes of an outcome."""


@dataclass(frozen=True, slots=True)
class Transactional:
    """Makes such calls for one claim of one run.

    Attributes:
        pool: connections of their own, so that nothing else waits behind a slow statement.
        claim: the run.
        progress: makes the report.
        caller: knows what may be called, and for how long.
        clock: for limits and waits.
    """

    pool: Pool
    claim: Claim
    progress: Progress
    caller: Caller
    clock: Clock

    async def call(self, ready: Ready, judge: Judge) -> Landed:
        """Execute the statement and record its result.

        Raises:
            LeaseLost: another runtime holds the run; nothing was done.
            StoreError: the database refused the record.
        """
        began = self.clock.monotonic()
        outcome = self.caller.refusal(ready.call.step.uses)
        problem = _TOOL.argument_error(ready.arguments)
        if outcome is None and problem is not None:
            outcome = CallOutcome("contract_error", error=problem)
        if outcome is None:
            outcome = await _Commit(self, ready, judge, began).outcome()
        seconds = self.clock.monotonic() - began
        return Landed(ready.call, ready.shown, outcome, seconds, is_recorded=outcome.kind == "ok")


class _Commit:
    """One call, until it is known whether it was committed."""

    def __init__(self, around: Transactional, ready: Ready, judge: Judge, began: float) -> None:
        self._around = around
        self._ready = ready
        self._judge = judge
        self._began = began
        self._in_doubt = False
        timeout = ready.call.step.timeout
        limit = _MOST_SECONDS if timeout is None else timeout.total_seconds()
        self._deadline = began + min(limit, around.caller.left)

    async def outcome(self) -> CallOutcome:
        """What became of it; a connection that is lost is replaced for as long as the call may take."""
        clock, pool = self._around.clock, self._around.pool
        while True:
            seconds = self._deadline - clock.monotonic()
            if seconds <= 0 and not self._in_doubt:
                error = CallError("ORD405", f"{_NAME} was not done in time, and nothing was kept")
                return CallOutcome("timeout", error=error)
            seconds = max(seconds, 0.0)
            try:
                # The record is written after the statement's own time.
                patience = seconds + pool.silence.total_seconds()
                async with borrow(pool, seconds=patience) as connection:
                    return await self._attempt(connection, seconds)
            except psycopg.Error as error:
                if not _is_lost(error) and not (error.sqlstate or "").startswith(_ROLLED_BACK):
                    # Not of the statement, whose errors are outcomes: of the record, or of what a commit checks.
                    raise StoreError(f"the database refused a result: {error}") from error
                await clock.sleep(_AGAIN_SECONDS)

    async def _attempt(self, connection: Connection, seconds: float) -> CallOutcome:
        async with connection.transaction() as transaction:
            if self._in_doubt and (known := await self._committed(connection)) is not None:
                return known
            outcome = self._judge(await self._execute(connection, seconds))
            if outcome.kind != "ok":
                raise psycopg.Rollback(transaction)
            await self._record(connection, outcome)
            self._in_doubt = True
        self._in_doubt = False
        return outcome

    async def _committed(self, connection: Connection) -> CallOutcome | None:
        """The outcome, if an earlier attempt was committed without our knowing; None if it certainly was not."""
        call, claim = self._ready.call, self._around.claim
        if not await keep_lease(connection, claim):
            raise self._lease_lost()
        found = await find_result(connection, claim, call.step.name, call.iteration)
        self._in_doubt = False
        return None if found is None else CallOutcome("ok", value=found[0], sent=True)

    async def _execute(self, connection: Connection, seconds: float) -> CallOutcome:
        arguments = self._ready.arguments
        try:
            rows = await run_statement(
                connection,
                arguments["statement"],
                arguments.get("parameters", []),
                seconds=seconds,
            )
            value, size = normalise({"rows": rows}, limit=_RESULT_BYTES, redact=NOTHING_TO_BLOT)
        except Unacceptable as refusal:
            return CallOutcome("contract_error", error=refusal.error)
        except psycopg.errors.QueryCanceled:
            error = CallError("ORD405", f"{_NAME} took too long, and nothing was kept")
            return CallOutcome("timeout", error=error)
        except psycopg.Error as error:
            if _is_lost(error):
                raise
            return CallOutcome("tool_error", error=_told(error))
        return CallOutcome("ok", value=value, sent=True, schema_digest=_TOOL.digest, size=size)

    async def _record(self, connection: Connection, outcome: CallOutcome) -> None:
        seconds = self._around.clock.monotonic() - self._began
        landed = Landed(self._ready.call, self._ready.shown, outcome, seconds)
        if not await record_with(connection, self._around.progress.alone(landed.tried)):
            raise self._lease_lost()

    def _lease_lost(self) -> LeaseLost:
        claim = self._around.claim
        return LeaseLost(
            f"run {claim.run_id} of {claim.task}: the lease was lost",
            hint="another runtime goes on with it",
        )


def _is_lost(error: psycopg.Error) -> bool:
    """Whether the connection went, and not what was asked was wrong."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate.startswith(_LOST)


def _told(error: psycopg.Error) -> CallError:
    said = error.diag
    more = "\n".join(text for text in (said.message_detail, said.message_hint) if text)
    return CallError("ORD404", f"{_NAME}: {said.message_primary} ({error.sqlstate})", more)
