"""Token buckets, and the turns of calls that wait for a token."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from runtime.core.rates import RateLimit
from runtime.store.pool import Pool, borrow, fetch_all
from runtime.store.statements import statement


class Rates:
    """The buckets of this database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def take_turn(
        self, limits: Sequence[RateLimit], run_id: UUID, step: str, iteration: int, attempt: int
    ) -> float:
        """Seconds until this try of a call may be made; 0 if that is now, and then only once."""
        asked = {
            "run_id": run_id,
            "step": step,
            "iteration": iteration,
            "attempt": attempt,
            "buckets": [limit.bucket for limit in limits],
            "costs": [limit.cost for limit in limits],
            "pers": [limit.per for limit in limits],
        }
        rows = await fetch_all(self._pool, statement("take_turn"), asked)
        return float(rows[0]["ready_in"])

    async def hold_back(self, limit: RateLimit, pause: timedelta) -> None:
        """Let nobody have a turn before the pause is over."""
        async with borrow(self._pool) as connection:
            held = {"bucket": limit.bucket, "pause": pause + limit.per}
            await connection.execute(statement("hold_back"), held)
