"""How late runs begin, by the server's clock: from the instant at which a run is due or asked for to its claim.

Run: python tests/bench/bench_lateness.py [due|ready|loaded]...

    due     20 schedules that fire every second, for 20 s
    ready   20 runs a second that somebody asks for, each with its notification, for 20 s
    loaded  1,000 runs a second that somebody asks for, ten at a time, for 10 s
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from time import perf_counter

import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from runtime.app import running
from runtime.clock import SYSTEM_CLOCK
from runtime.loop import run_loop
from runtime.store.statements import statement
from tests.bench.bench_runtime import STEP, apply_schedules, config, drained
from tests.bench.serving import Site, serving
from tests.support.installed import install, queue_run, task

SLOTS = 200
LATENESS = """
select count(*), percentile_cont(array[0.5, 0.99, 1]) within group (
    order by 1000 * extract(epoch from started_at - due_at)::float8)
from ordinaut.run where started_at is not null and created_at > %s
"""
Connection = psycopg.AsyncConnection[tuple[object, ...]]


async def tell(connection: Connection, name: str, since: object) -> None:
    """Print how late runs were that were made after an instant."""
    row = await (await connection.execute(LATENESS, [since])).fetchone()
    assert row is not None
    (p50, p99, most) = row[1]  # type: ignore[misc] - an array of three
    print(f"{name}: {row[0]:,} runs, late by p50 {p50:.1f} ms, p99 {p99:.1f} ms, at most {most:.1f} ms", flush=True)  # fmt: skip


async def now(connection: Connection) -> object:
    row = await (await connection.execute("select now()")).fetchone()
    assert row is not None
    return row[0]


async def due(site: Site, connection: Connection) -> None:
    await asyncio.to_thread(apply_schedules, site.database, 20, timedelta(seconds=2), "1s")
    async with running(config(site, concurrency=SLOTS), site.place):
        await SYSTEM_CLOCK.sleep(4.0)
        since = await now(connection)
        await SYSTEM_CLOCK.sleep(20.0)
        await tell(connection, "due, light load", since)


async def ready(site: Site, connection: Connection) -> None:
    installed = await install(connection, task(pipeline=STEP))
    async with running(config(site, concurrency=SLOTS), site.place):
        await SYSTEM_CLOCK.sleep(2.0)
        since = await now(connection)
        for number in range(400):
            await queue_run(connection, installed, str(number))
            await connection.execute(statement("wake"))
            await SYSTEM_CLOCK.sleep(0.05)
        await drained(connection, "due_work")
        await tell(connection, "ready, light load", since)


async def loaded(site: Site, connection: Connection) -> None:
    installed = await install(connection, task(pipeline=STEP))
    async with running(config(site, concurrency=SLOTS), site.place):
        await SYSTEM_CLOCK.sleep(2.0)
        since = await now(connection)
        begin = perf_counter()
        for number in range(1_000):
            await connection.execute(
                """with r as (
                    insert into ordinaut.run (run_id, task_uid, revision_id, trigger, trigger_key, occurrence_for, due_at,
                        state)
                    select uuidv7(), %s, %s, 'manual', n::text, now(), now(), 'queued' from generate_series(1, 10) n
                    returning *)
                insert into ordinaut.due_work (run_id, task_uid, revision_id, ready_at, lane)
                select run_id, task_uid, revision_id, now(), 5 from r""",
                [installed.uid, installed.revision_id],
            )
            await connection.execute(statement("wake"))
            await SYSTEM_CLOCK.sleep(max(0.0, begin + 0.01 * (number + 1) - perf_counter()))
        rate = 10_000 / (perf_counter() - begin)
        await drained(connection, "due_work")
        await tell(connection, f"ready, {rate:,.0f} runs a second", since)


PARTS: dict[str, Callable[[Site, Connection], Awaitable[None]]] = {
    "due": due,
    "ready": ready,
    "loaded": loaded,
}


async def measure(name: str) -> None:
    async with (
        serving() as site,
        await psycopg.AsyncConnection.connect(site.database, autocommit=True) as connection,
    ):
        await PARTS[name](site, connection)


def main() -> None:
    """Measure what is asked for, everything by default."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    asked = parser.parse_args()
    print(f"load of the machine: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    for name in asked.parts or [*PARTS]:
        run_loop(measure(name))


if __name__ == "__main__":
    main()
