"""Waiting for sessions that wait for each other."""

from __future__ import annotations

import psycopg

from tests.support.probes import eventually


async def somebody_is_blocked(database: str, *, sessions: int = 1) -> None:
    """Wait until so many sessions of this database wait for a lock."""
    # A connection of its own in autocommit: inside a transaction the activity view does not change.
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as watcher:

        async def blocked() -> bool:
            cursor = await watcher.execute(
                "select count(*) >= %s from pg_stat_activity"
                " where wait_event_type = 'Lock' and datname = current_database()",
                [sessions],
            )
            return await cursor.fetchone() == (True,)

        await eventually(blocked, f"{sessions} sessions wait for a lock")
