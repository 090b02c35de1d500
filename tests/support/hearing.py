"""Tasks that events start, on a database and a clock of their own, step by step."""

from __future__ import annotations

from typing import Any

import psycopg

from runtime.arrivals import Arrivals
from runtime.hearing import Hearing
from runtime.store.events import Arrival, Event, arrive
from runtime.store.pool import Pool
from runtime.turns import Turns
from runtime.wake import Bell
from tests.support.clock import FakeClock
from tests.support.installed import Installed, arm, install, task


class Listening:
    """A database, a clock, and as many runtimes as a test wants."""

    def __init__(
        self, pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
    ) -> None:
        self.pool = pool
        self.connection = connection
        self.clock = clock
        self.turns = Turns(pool, clock, Bell(clock), Bell(clock))
        self.begun = 0
        self.hearing = self.another()
        self.arrivals = Arrivals(pool, clock, Bell(clock), self.turns)
        self.database = database

    def another(self, pool: Pool | None = None) -> Hearing:
        """One more runtime."""
        bell, related = Bell(self.clock), Bell(self.clock)
        return Hearing(
            pool or self.pool, self.clock, bell, self.turns, begun=self._begin, related=related
        )

    def _begin(self, count: int) -> None:
        self.begun += count

    async def listen(
        self, topic: str = "orders.paid", name: str = "pack", **fields: Any
    ) -> Installed:
        """A task that listens, as an apply leaves it; `filter`, `debounce` and `batch` are those of its schedule."""
        schedule = {"event": topic}
        for field in ("filter", "debounce", "batch"):
            if field in fields:
                schedule[field] = fields.pop(field)
        return await self.install(task(name, schedule=schedule, **fields))

    async def install(self, document: dict[str, Any]) -> Installed:
        installed = await install(self.connection, document)
        arm(self.database, installed)
        return installed

    async def emit(
        self, number: int, topic: str = "orders.paid", data: Any = None, **fields: Any
    ) -> Arrival:
        """Tell of an event with this number, of the source `shop`."""
        payload = {"order": number} if data is None else data
        async with await psycopg.AsyncConnection.connect(
            self.database, autocommit=True
        ) as connection:
            return await arrive(
                connection, Event(topic, payload, "shop", fields.get("event_id", str(number)))
            )

    async def decide(self) -> int:
        """Let a runtime decide what is due; how many listeners had something."""
        decided, _ = await self.hearing.run_once()
        return decided

    async def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        cursor = await self.connection.execute(query.encode(), parameters)
        return await cursor.fetchall()

    async def runs(self) -> list[tuple[Any, str, str | None]]:
        """The order, the state and the reason of each run that an event started."""
        return await self.rows(
            "select event #> '{data,order}', state, reason from ordinaut.run where trigger = 'event'"
            " order by trigger_key::bigint, task_uid"
        )

    async def override(
        self, installed: Installed, kind: str = "pause", until: Any = None, *, over: bool = False
    ) -> None:
        """Let somebody pause or snooze the task from now on, or end that."""
        if over:
            await self.connection.execute(
                "update ordinaut.task_override set ended_at = ordinaut.now() where task_uid = %s",
                [installed.uid],
            )
            return
        await self.connection.execute(
            "insert into ordinaut.task_override (task_uid, kind, reason, actor, until) values (%s, %s, '', 'ada', %s)",
            [installed.uid, kind, until],
        )
