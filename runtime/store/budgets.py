"""What agents spend, decided under the lock of the agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from runtime.core.budgets import (
    Budget,
    Exceeded,
    Hold,
    Spending,
    Verdict,
    decide,
    is_known_to_spend,
)
from runtime.core.poll import Poll
from runtime.core.usage import Usage
from runtime.store.conditions import PollClaim
from runtime.store.due_work import Claim, Skipped
from runtime.store.pool import Connection, Pool, borrow, fetch_all
from runtime.store.recorded import Place
from runtime.store.statements import statement

# Any fixed number serves: it tells locks of agents from others.
_LOCK_ID: Final = 0x6F726472


@dataclass(frozen=True, slots=True)
class Budgets:
    """The budgets of this database."""

    pool: Pool

    async def reserve(
        self, budget: Budget, claim: Claim, place: Place, uses: str, *, is_known: bool
    ) -> Verdict:
        """Whether a call may go; one that goes counts as under way until its result is on record, or its lease is over."""
        asked = {
            "agent": budget.agent,
            "run_id": claim.run_id,
            "lease_epoch": claim.lease_epoch,
            "step": place[0],
            "iteration": place[1],
            "tool": uses,
        }
        async with borrow(self.pool) as connection, connection.transaction():
            await _lock(connection, budget.agent)
            spent = [Spending(**row) for row in await _fetch(connection, "sum_spending", asked)]
            holds = [Hold(**row) for row in await _fetch(connection, "list_budget_holds", asked)]
            verdict = decide(budget.limits, uses, spent, holds, is_known=is_known)
            if verdict == "go":
                await connection.execute(statement("hold_budget"), asked)
        return verdict

    async def exceeded(self, budget: Budget, run_id: UUID, uses: str) -> Exceeded | None:
        """Which limit a poll finds used up; it is waited for by nobody, and waits for nobody."""
        asked = {"agent": budget.agent, "run_id": run_id}
        async with borrow(self.pool) as connection:
            spent = [Spending(**row) for row in await _fetch(connection, "sum_spending", asked)]
        is_known = is_known_to_spend(uses, tells=False)
        verdict = decide(budget.limits, uses, spent, (), is_known=is_known)
        return verdict if isinstance(verdict, Exceeded) else None

    async def record_poll(self, claim: PollClaim, run_id: UUID, poll: Poll, usage: Usage) -> None:
        """Write what a poll used up."""
        whose = {"run_id": run_id, "task_uid": claim.task_uid, "agent": poll.agent}
        params = whose | {"tool": poll.uses} | usage.columns()
        async with borrow(self.pool) as connection:
            await connection.execute(statement("record_poll_usage"), params)

    async def begins(self, budget: Budget, claim: Claim) -> bool:
        """Whether a run may begin; asked again about the same one, it is counted once."""
        asked = {"agent": budget.agent, "run_id": claim.run_id, "most": budget.runs}
        async with borrow(self.pool) as connection, connection.transaction():
            await _lock(connection, budget.agent)
            [row] = await _fetch(connection, "count_run", asked)
        return bool(row["begins"])

    async def skip(self, claim: Claim, detail: str) -> Skipped:
        """Record that a run that we hold does not begin."""
        held = {"run_id": claim.run_id, "lease_epoch": claim.lease_epoch, "detail": detail}
        rows = await fetch_all(self.pool, statement("skip_over_budget"), held)
        return Skipped.of(rows)


async def _lock(connection: Connection, agent: str) -> None:
    params = {"lock_id": _LOCK_ID, "agent": agent}
    await connection.execute(statement("lock_agent_budget"), params)


async def _fetch(
    connection: Connection, name: str, params: dict[str, Any]
) -> list[dict[str, Any]]:
    return await (await connection.execute(statement(name), params)).fetchall()
