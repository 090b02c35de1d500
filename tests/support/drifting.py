"""Rows that somebody writes past git, and a runtime that looks for such."""

from __future__ import annotations

import psycopg

from runtime.clock import SYSTEM_CLOCK
from runtime.drifting import DriftWatch
from runtime.store.pool import open_pool
from tests.support.applying import Bench


def by_psql(bench: Bench, statement: str) -> None:
    """Do this to the database as somebody with a terminal does."""
    with psycopg.connect(bench.url, autocommit=True, application_name="psql") as session:
        session.execute(statement.encode())


async def look(bench: Bench) -> list[tuple[str, str]]:
    """What one look of a runtime tells: types of events, and of which documents."""
    pool = await open_pool(bench.url)
    try:
        found = await DriftWatch(pool, SYSTEM_CLOCK).run_once()
    finally:
        await pool.close()
    return sorted((one.type, one.data["document"]) for one in found)
