"""What scheduling costs with 10,000 tasks: their schedules compiled, the first next of each, and all of them firing at once.

Run: python tests/bench/bench_scheduling.py [TASKS]

The tasks are applied to an embedded PostgreSQL with its ordinary, durable settings; then the database's clock is set to
the instant at which all are due, and the scheduler decides them. A run counts as fired when it is queued, with its row of
due work, and its schedule stands at the next occurrence, committed. Limits are for one process on two cores, beside other work.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from reconciler.core.compile import SourceFile, compile_specs
from reconciler.core.desired import Specs
from reconciler.planning import plan_against
from runtime.core.schedules import compile_schedules
from runtime.embedded import EmbeddedServers
from runtime.store.migrate import migrate
from runtime.store.pool import open_pool
from schemas.plan import PlanSource
from tests.support.applying import Bench
from tests.support.clock import FakeClock
from tests.support.scheduling import make_scheduler

TASKS = 10_000
# A Monday on which each of the schedules below fires.
DUE = datetime(2026, 6, 1, 6, 0, tzinfo=UTC)
SCHEDULES = (
    "{cron: '0 9 * * *', timezone: Europe/Chisinau}",
    "{cron: '0 8 * * 1-5', timezone: Europe/Rome}",
    "{rrule: 'FREQ=WEEKLY;BYDAY=MO;BYHOUR=8;BYMINUTE=0', timezone: Europe/Rome}",
    "{rrule: 'FREQ=MONTHLY;BYDAY=1MO;BYHOUR=6;BYMINUTE=0', timezone: UTC}",
    "{rrule: 'FREQ=DAILY;INTERVAL=2;BYHOUR=6;BYMINUTE=0', start: 2026-01-02T06:00, timezone: UTC}",
    "{rrule: 'FREQ=MINUTELY;INTERVAL=120', start: 2026-01-01T00:00, timezone: UTC}",
    "{every: 1h}",
    "{every: 1d, start: 2026-01-01T06:00Z}",
)
# Seconds that each part may take for 10,000 tasks.
LIMITS = {
    "compile the schedules": 3.0,
    "first next of each": 3.0,
    "fire all that is due": 10.0,
}


def specs_of(number: int) -> Specs:
    """So many tasks in one file."""
    head = "apiVersion: ordinaut/v1\n"
    documents = [f"{head}kind: Project\nname: bench\n"]
    documents += [
        f"{head}kind: Task\nname: task-{index}\nschedule: {SCHEDULES[index % len(SCHEDULES)]}\n"
        "pipeline: [{id: plan, uses: llm.plan, with: {goal: bench}}]\n"
        for index in range(number)
    ]
    size = 1_000
    files = [
        SourceFile(
            f"specs/{start:06}.yaml", "---\n".join(documents[start : start + size]).encode()
        )
        for start in range(0, len(documents), size)
    ]
    specs = compile_specs(files)
    assert not specs.errors, specs.errors[:3]
    return specs


@contextmanager
def timed(spent: dict[str, float], name: str) -> Iterator[None]:
    """Note how long something takes, by the clock on the wall."""
    begin = perf_counter()
    yield
    spent[name] = perf_counter() - begin


async def fire(database: str, number: int) -> float:
    """Let all schedules be due at once and decide them; returns the seconds it took."""
    clock = FakeClock(DUE)
    pool = await open_pool(database)
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        await connection.execute("update public.test_clock set instant = %s", (DUE,))
        scheduler = make_scheduler(pool, clock)
        begin = perf_counter()
        while (await scheduler.run_once()).due:
            pass
        spent = perf_counter() - begin
        cursor = await connection.execute(
            "select count(*) from ordinaut.due_work d join ordinaut.run using (run_id)"
            " where occurrence_for = %s and state = 'queued'",
            (DUE,),
        )
        assert await cursor.fetchone() == (number,)
    await pool.close()
    return spent


def measured(number: int, database: str) -> dict[str, float]:
    """The seconds of every part."""
    spent: dict[str, float] = {}
    specs = specs_of(number)
    bodies = [one.body for key, one in specs.documents.items() if key.kind == "Task"]
    with timed(spent, "compile the schedules"):
        schedules = [compile_schedules(body) for body in bodies]
    with timed(spent, "first next of each"):
        found = [schedule.next_after(DUE - timedelta(minutes=1)) for schedule in schedules]
    assert {one and one.at for one in found} == {DUE}
    with psycopg.connect(database, autocommit=True) as connection:
        bench = Bench(database, connection)
        bench.stop_the_clock(DUE - timedelta(minutes=1))
        with timed(spent, "plan and apply"):
            bench.carry_out(plan_against(connection, specs, PlanSource(project=specs.project)))
    with asyncio.Runner() as runner:
        spent["fire all that is due"] = runner.run(fire(database, number))
    return spent


def main() -> None:
    """Print the table."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else TASKS
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        servers = EmbeddedServers(Path(folder) / "state")
        database = runner.run(servers.start()).database
        try:
            migrate(database)
            spent = measured(number, database)
        finally:
            runner.run(servers.stop())
    print(f"{number:,} tasks\n\n| part | seconds | each, ms | limit, s | |")
    print("|---|---:|---:|---:|---|")
    for name, seconds in spent.items():
        limit = LIMITS.get(name, 0.0) * number / TASKS
        verdict = ("ok" if seconds <= limit else "TOO SLOW") if limit else ""
        shown = f"{limit:.2f}" if limit else ""
        print(f"| {name} | {seconds:.2f} | {seconds / number * 1000:.3f} | {shown} | {verdict} |")


if __name__ == "__main__":
    main()
