"""The clock of the host does not matter: the database's clock decides what is due."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runtime.app import Place, running
from runtime.clock import SystemClock
from runtime.config import Config
from tests.support.installed import install, schedule, task
from tests.support.probes import eventually


class WrongClock(SystemClock):
    """A host whose wall clock is off."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return super().now() + self._by


@pytest.mark.parametrize("hours", [-1, 1], ids=["an_hour_slow", "an_hour_fast"])
async def test_a_host_clock_that_is_wrong_changes_nothing(
    database: str,
    redis_url: str,
    connection: psycopg.AsyncConnection,
    tmp_path: Path,
    hours: int,
) -> None:
    """Asserts: a task that is due every second begins when it is due by the database's clock, not an hour late, and does
    not catch up with an hour that has not yet passed; `now` in its templates is the database's instant.
    """
    steps = [{"id": "plan", "uses": "llm.plan", "with": {"at": "${now}"}}]
    installed = await install(connection, task(schedule={"every": "1s"}, pipeline=steps))
    second = "date_trunc('second', ordinaut.now())"
    (first,) = await rows(connection, f"select {second}, {second} + interval '1 s'")
    await schedule(connection, installed, *first)

    async def two_succeeded() -> bool:
        counted = "select count(*) >= 2 from ordinaut.run where state = 'succeeded'"
        return await rows(connection, counted) == [(True,)]

    wrong = WrongClock(timedelta(hours=hours))
    config = Config(state_dir=tmp_path / "state")
    async with running(config, Place(database, redis_url, tmp_path), clock=wrong):
        await eventually(two_succeeded, "two runs")

    told = await rows(
        connection,
        "select extract(epoch from r.started_at - r.due_at),"
        " extract(epoch from (s.input ->> 'at')::timestamptz - r.started_at)"
        " from ordinaut.run r join ordinaut.step_result s using (run_id)",
    )
    late, off = zip(*told, strict=True)
    assert len(told) < 20
    assert (min(late) >= 0, max(late) < 5) == (True, True)
    assert (min(off) > -1, max(off) < 1) == (True, True)


async def rows(connection: psycopg.AsyncConnection, query: str) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query.encode())).fetchall()
