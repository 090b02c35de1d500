"""Service: asks the tools of conditions when it is time, and starts a run when an answer comes to meet one.

Theory of operation
    A condition that it is time to ask about is leased, its tool called, and the answer judged by what the condition
    remembers. What it remembers from then on, when it is asked next and the run that it starts are written in one
    transaction under the lease's fencing token, so an answer counts once or not at all. A runtime that dies on the way has
    written nothing: when its lease ends, another one asks.

    A tool that does not answer, and an answer that cannot be judged, are recorded on the condition. They are never an edge,
    and the next poll comes at its time.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
import psycopg

from runtime.budgets import PollPurse
from runtime.calling import Tools, may_destroy, redacted, refusal
from runtime.clock import Clock
from runtime.config import Config
from runtime.core.condition import Standing, Verdict
from runtime.core.expressions import Context
from runtime.core.identity import derive_run_id
from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.poll import Poll, calendars_of, compile_poll, free_from, next_poll, poll_for
from runtime.errors import OrdinautError
from runtime.logs import get_logger
from runtime.models import finding
from runtime.registry import Registry
from runtime.secrets import Secrets
from runtime.service import end_tasks, stop_if_cancelled
from runtime.store.budgets import Budgets
from runtime.store.cancelling import tell_ended
from runtime.store.conditions import (
    Answered,
    PollClaim,
    claim_polls,
    fail_poll,
    put_off_poll,
    release_poll,
    renew_poll,
    seconds_until_poll,
    settle_poll,
)
from runtime.store.pool import Pool
from runtime.turns import Turns
from runtime.wake import Bell, until_next

_log = get_logger("poller")
_RETRY_SECONDS: Final = 0.5
# Polls that one runtime process has under way at once; what is due beyond waits for one of them to end.
_AT_ONCE: Final = 16
# New conditions come with a notification, and nothing else makes one due before its time: looking by itself is for the
# notification that was lost, and can be rare.
_PATIENCE: Final = 6
# Of a larger answer the condition keeps nothing; the run that it starts still gets all of it.
_KEPT_BYTES: Final = 65_536


class Poller:
    """Service: the polls of one runtime process."""

    name = "poller"

    def __init__(
        self,
        *,
        runtime_id: int,
        pool: Pool,
        registry: Registry,
        tools: Tools,
        clock: Clock,
        bell: Bell,
        work: Bell,
        related: Bell,
        turns: Turns,
        config: Config,
    ) -> None:
        self._runtime_id = runtime_id
        self._pool = pool
        self._catalogue = registry
        self._tools = tools
        self._clock = clock
        self._bell = bell
        self._work = work
        self._related = related
        self._turns = turns
        self._config = config
        self._active: dict[asyncio.Task[None], PollClaim] = {}
        # An answer may have to wait for an apply; were several to, nothing would be left of the pool for leases and runs.
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        patience = _PATIENCE * self._config.poll.total_seconds()
        try:
            while True:
                stop_if_cancelled()
                await self._bell.sleep(until_next(await self._look(), patience))
        finally:
            await self._hand_back()

    async def run_once(self) -> list[asyncio.Task[None]]:
        """Lease what is due and fits, and begin to ask; returns the polls that were begun."""
        free = _AT_ONCE - len(self._active)
        if free <= 0:
            return []
        claims = await claim_polls(
            self._pool, runtime_id=self._runtime_id, limit=free, lease=self._config.lease
        )
        begun = []
        for claim in claims:
            task = asyncio.create_task(self._poll(claim), name=f"poll of task {claim.task_uid}")
            self._active[task] = claim
            task.add_done_callback(self._done)
            begun.append(task)
        return begun

    async def _look(self) -> float | None:
        try:
            await self.run_once()
            # The end of a poll rings the bell, so a full house need not look again by itself.
            is_full = len(self._active) >= _AT_ONCE
            return None if is_full else await seconds_until_poll(self._pool)
        except psycopg.OperationalError as error:
            _log.warning("conditions not looked at: %s", " ".join(str(error).split()))
            return _RETRY_SECONDS

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._active[task]
        self._bell.ring()

    async def _poll(self, claim: PollClaim) -> None:
        asking = asyncio.current_task()
        assert asking is not None  # noqa: S101 - for the type checker: a coroutine runs in a task
        keeping = asyncio.create_task(self._keep(claim, asking))
        try:
            await self._ask(claim)
        except psycopg.OperationalError as error:
            # Whether something was written is not known; if not, the condition is asked again after the lease.
            _log.warning("answer not written: %s", " ".join(str(error).split()))
        except Exception:  # noqa: BLE001 - one condition that cannot be asked must not stop the others
            _log.exception("condition of task %s failed in the runtime itself", claim.task_uid)
        finally:
            await end_tasks([keeping])

    async def _keep(self, claim: PollClaim, asking: asyncio.Task[None]) -> None:
        """Renew the lease three times per lease span, and end the poll that has lost it."""
        while True:
            await self._clock.sleep(self._config.lease.total_seconds() / 3)
            with contextlib.suppress(psycopg.OperationalError):
                if not await renew_poll(self._pool, claim, self._config.lease):
                    _log.warning("lease of a condition of task %s lost", claim.task_uid)
                    asking.cancel("lease lost")
                    return

    async def _ask(self, claim: PollClaim) -> None:
        free_at = free_from(claim.now, calendars_of(claim.body, claim.position))
        if free_at > claim.now:
            await put_off_poll(self._pool, claim, free_at)
            return
        answer = await self._answer(claim)
        async with self._writing:
            refused = await self._settle(claim, answer) if isinstance(answer, Answered) else answer
            if refused is not None:
                error = {name: text for name, text in asdict(refused).items() if text}
                if not await fail_poll(self._pool, claim, error, _next_poll(claim)):
                    await release_poll(self._pool, claim)

    async def _settle(self, claim: PollClaim, answered: Answered) -> CallError | None:
        """Write an answer and do what comes after its commit; why not, if it cannot be written at all."""
        try:
            settled = await settle_poll(self._pool, claim, answered, runtime_id=self._runtime_id)
        except psycopg.DataError as error:
            return CallError("ORD506", f"the database refused the answer: {error}")
        if settled.fate is not None and claim.body["overlap"] == "cancel_running":
            await tell_ended(self._pool)
            self._related.ring()
        if not settled.is_written:
            await release_poll(self._pool, claim)
        elif settled.fate == "begin":
            self._work.ring()
        elif settled.fate == "wait":
            self._turns.pass_on([claim.task_uid])
        return None

    async def _answer(self, claim: PollClaim) -> Answered | CallError:
        await self._catalogue.catch_up(claim.revision_id)
        try:
            poll = compile_poll(claim.body, claim.position)
            await self._catalogue.collect_secrets(claim.project, poll.secrets)
            secrets = self._catalogue.secrets(claim.project, poll.secrets)
            context = Context(
                now=claim.now, task={"name": poll.label}, params=poll.params, secrets=secrets
            )
            outcome = await self._call(poll, claim, context, secrets)
            if outcome.kind != "ok":
                return outcome.error or CallError("ORD404", f"{poll.uses}: {outcome.kind}")
            standing = Standing(claim.phase, claim.met_since)
            verdict = poll.judge(standing, replace(context, result=outcome.value))
        except OrdinautError as error:
            return CallError(error.code, error.message, error.hint)
        return _answered(claim, outcome.value, verdict)

    async def _call(
        self, poll: Poll, claim: PollClaim, context: Context, secrets: Secrets
    ) -> CallOutcome:
        arguments = poll.arguments.render(context)
        refused = refusal(self._catalogue.live, poll.agent, poll.uses)
        if refused is not None:
            return refused
        run_id = _run_id(claim)
        run = str(run_id)
        purse = PollPurse(Budgets(self._pool), self._catalogue.live, claim, poll, run_id)
        if (refused := await purse.refusal()) is not None:
            return refused
        try:
            outcome = await self._tools.call(
                poll.uses,
                arguments,
                at_most=claim.every,
                run=run,
                may_destroy=may_destroy(self._catalogue.live, poll.agent),
                find_model=finding(self._catalogue.live, claim.project, secrets, self._clock),
            )
        finally:
            self._tools.end_run(run)
        outcome = redacted(outcome, secrets)
        await purse.pay(outcome)
        return outcome

    async def _hand_back(self) -> None:
        """End the polls under way, so that others ask at once."""
        claims = list(self._active.values())
        await end_tasks(list(self._active))
        with contextlib.suppress(psycopg.Error):
            for claim in claims:
                await release_poll(self._pool, claim)


def _answered(claim: PollClaim, value: Any, verdict: Verdict) -> Answered:
    is_kept = len(orjson.dumps(value)) <= _KEPT_BYTES
    return Answered(
        next_poll_at=_next_poll(claim),
        phase=verdict.standing.phase,
        met_since=verdict.standing.met_since,
        answer=value if is_kept else None,
        run_id=_run_id(claim),
        occurrence_for=poll_for(claim.every, claim.now),
        event={"result": value, "condition": claim.position} if verdict.fires else None,
    )


def _next_poll(claim: PollClaim) -> datetime:
    return next_poll(claim.every, claim.now, calendars_of(claim.body, claim.position))


def _run_id(claim: PollClaim) -> UUID:
    """The run that this poll starts if it fires."""
    return derive_run_id(
        claim.task_uid, "condition", claim.digest, poll_for(claim.every, claim.now)
    )
