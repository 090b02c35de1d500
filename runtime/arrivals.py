"""Service: sees that every event which arrived, and every run that is over, ends the waits that it is for.

Whoever takes in an event delivers it as well. What a process could not, because it died in between, what steps of runs
emit, and the ends of runs that others wait for are seen to here: at once where it happened in this process, else at the
next look. Runs that were started by one that is over are cancelled.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import psycopg
from psycopg_pool import PoolTimeout

from runtime.clock import Clock
from runtime.core.calls import Call
from runtime.core.outcomes import CallOutcome
from runtime.logs import get_logger
from runtime.service import stop_if_cancelled
from runtime.store.children import DEEPEST, cancel_child, settle_children, start_child
from runtime.store.due_work import Claim
from runtime.store.events import Connection, deliver, look
from runtime.store.hearing import hears_own
from runtime.store.pool import Pool, borrow
from runtime.store.recorded import Place, Waiting
from runtime.store.statements import statement
from runtime.turns import Turns
from runtime.wake import Bell

Asked = TypeVar("Asked")

_log = get_logger("arrivals")
_PATIENCE_SECONDS: Final = 30.0
_RETRY_SECONDS: Final = 0.5
# Our own events are put before listeners where they are written, and not all who write them ring.
_OWN_SECONDS: Final = 1.0


class Arrivals:
    """Service: delivers events and the ends of runs, and looks for those that a run waits for."""

    name = "arrivals"

    def __init__(
        self, pool: Pool, clock: Clock, bell: Bell, turns: Turns, heard: Bell | None = None
    ) -> None:
        self._heard = heard
        self._hears_own = False
        self._pool = pool
        self._turns = turns
        self._clock = clock
        self._bell = bell

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            patience = _OWN_SECONDS if self._hears_own else _PATIENCE_SECONDS
            wait = patience * random.uniform(0.8, 1.0)  # noqa: S311 - spreads load, guards nothing
            try:
                await self.run_once()
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("events not delivered: %s", " ".join(str(error).split()))
                wait = _RETRY_SECONDS
            await self._bell.sleep(wait)

    def wrote(self) -> None:
        """Say that events of ours were written, for whoever listens to them."""
        if self._hears_own:
            self._bell.ring()

    async def run_once(self) -> int:
        """Deliver what waits for it; returns how many events ended a wait."""
        async with borrow(self._pool) as connection:
            delivered = await deliver(connection)
            if delivered.heard and self._heard is not None:
                self._heard.ring()
            self._hears_own = await hears_own(connection)
            # Those that are cancelled may have children of their own.
            for _ in range(DEEPEST):
                if not await self._settle(connection):
                    break
        return delivered.ended

    async def _settle(self, connection: Connection) -> bool:
        """Answer parents whose children are over, and cancel children whose parents are; whether there were such."""
        looked_at, unwanted = await settle_children(connection)
        for run_id in unwanted:
            cancelled = await cancel_child(connection, run_id)
            if cancelled is not None and cancelled.followed:
                self._turns.pass_on((cancelled.task_uid,))
        if looked_at:
            await connection.execute(statement("wake"))
        return bool(unwanted)

    async def start(
        self, claim: Claim, call: Call, arguments: Mapping[str, Any]
    ) -> CallOutcome | None:
        """Start the run that a step asks for, once; why not, or None if there is one.

        Raises:
            LeaseLost: another runtime holds the run.
        """
        place, task = (call.step.name, call.iteration), arguments["task"]
        params = arguments.get("params", {})
        started = await self._asked(lambda c: start_child(c, claim, place, task, params))
        if started.turn is not None:
            self._turns.pass_on((started.turn,))
        if started.replaced:
            await self._asked(lambda c: c.execute(statement("tell_ended")))
            self._bell.ring()
        if started.is_new:
            await self._asked(lambda c: c.execute(statement("wake")))
        return None if started.error is None else CallOutcome("tool_error", error=started.error)

    async def look(self, claim: Claim, *, is_heeded: bool) -> Mapping[Place, Waiting]:
        """Where the waits of a run stand, those ended whose event has come; asked for until the database answers.

        Args:
            claim: the run, and its lease.
            is_heeded: whether all that waits goes by it; else the mark stays that something was answered.

        Raises:
            LeaseLost: another runtime holds the run.
        """
        return await self._asked(
            lambda c: look(c, claim.run_id, claim.lease_epoch, is_heeded=is_heeded)
        )

    async def _asked(self, ask: Callable[[Connection], Awaitable[Asked]]) -> Asked:
        """What the database answers, asked again for as long as it is away."""
        while True:
            try:
                async with borrow(self._pool) as connection:
                    return await ask(connection)
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("not looked for: %s", " ".join(str(error).split()))
            await self._clock.sleep(_RETRY_SECONDS)
