"""How late runs begin: from the instant at which a run is due, or asked for, to its claim and to its first line.

Run: python tests/bench/bench_lateness.py [due|ready|event|loaded]... [--peers PYTHON]

    due     20 schedules that fire every second, for 20 s; beside APScheduler, whose timer is in memory
    ready   20 runs a second that somebody asks for, for 20 s; beside pgqueuer
    event   20 events a second that a task listens to, for 20 s; beside pgqueuer
    loaded  1,000 runs a second that somebody asks for, ten at a time, for 10 s

The claim is told by the server's clock, the first line by the clock of this process, which is the same machine's. PYTHON is the
interpreter of an environment that holds the peers (see `bench_peers`), which are measured in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from uuid import UUID

import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from runtime.actor import Actor
from runtime.app import running
from runtime.clock import SYSTEM_CLOCK
from runtime.execution import Execution
from runtime.loop import run_loop
from runtime.manual import request_run
from runtime.store.connect import connect
from runtime.store.due_work import Report
from runtime.store.events import Event, arrive
from runtime.store.recorded import Recorded
from runtime.store.statements import statement
from tests.bench.bench_runtime import STEP, apply_schedules, config, drained
from tests.bench.serving import Site, serving
from tests.bench.targets import judged
from tests.support.installed import arm, install, task

SLOTS = 200
LATENESS = """
select count(*), percentile_cont(array[0.5, 0.99, 1]) within group (
    order by 1000 * extract(epoch from started_at - due_at)::float8)
from ordinaut.run where started_at is not null and created_at > %s
"""
PEERS = {"due": "apscheduler", "ready": "pgqueuer", "event": "pgqueuer"}
Connection = psycopg.AsyncConnection[tuple[object, ...]]


@contextmanager
def begun() -> Iterator[dict[UUID, float]]:
    """When each run got to its first line in this process, in seconds since 1970."""
    begin = Execution.begin
    found: dict[UUID, float] = {}

    def watched(self: Execution, *recorded: Recorded) -> Report | None:
        found.setdefault(self._claim.run_id, SYSTEM_CLOCK.now().timestamp())
        return begin(self, *recorded)

    Execution.begin = watched  # type: ignore[method-assign] - nothing else tells of this moment
    try:
        yield found
    finally:
        Execution.begin = begin  # type: ignore[method-assign] - as it was


async def tell(connection: Connection, name: str, since: object) -> float:
    """Print how late runs were claimed that were made after an instant; the 99th percentile, in milliseconds."""
    row = await (await connection.execute(LATENESS, [since])).fetchone()
    assert row is not None
    (p50, p99, most) = row[1]  # type: ignore[misc] - an array of three
    print(f"{name}: {row[0]:,} runs, claimed late by p50 {p50:.1f} ms, p99 {p99:.1f} ms, at most {most:.1f} ms", flush=True)  # fmt: skip
    return float(p99)


def tell_begun(seconds: Iterable[float]) -> tuple[float, float]:
    """Print how late runs got to their first line; the median and the 99th percentile, in milliseconds."""
    late = sorted(seconds)
    p50, p99 = 1e3 * late[len(late) // 2], 1e3 * late[int(0.99 * len(late)) - 1]
    print(f"  at the first line p50 {p50:.1f} ms, p99 {p99:.1f} ms", flush=True)
    return p50, p99


async def now(connection: Connection) -> object:
    row = await (await connection.execute("select now()")).fetchone()
    assert row is not None
    return row[0]


async def due(site: Site, connection: Connection) -> tuple[float, float]:
    await asyncio.to_thread(apply_schedules, site.database, 20, timedelta(seconds=2), "1s")
    with begun() as found:
        async with running(config(site, concurrency=SLOTS), site.place):
            await SYSTEM_CLOCK.sleep(4.0)
            since = await now(connection)
            await SYSTEM_CLOCK.sleep(20.0)
            await tell(connection, "due, light load", since)
        cursor = await connection.execute(
            "select run_id, extract(epoch from due_at)::float8 from ordinaut.run where created_at > %s",
            [since],
        )
        p50, p99 = tell_begun(
            found[run_id] - due_at  # type: ignore[index, operator] - a uuid and a number
            for run_id, due_at in await cursor.fetchall()
            if run_id in found
        )
    print(f"  p50: {judged(p50, at_most=2)}\n  p99: {judged(p99, at_most=5)}")
    return p50, p99


async def ready(site: Site, connection: Connection) -> tuple[float, float]:
    await install(connection, task("plan", pipeline=STEP))
    late: dict[UUID, float] = {}

    def ask() -> None:
        asked_at = SYSTEM_CLOCK.now().timestamp()
        run_id, _ = request_run(
            asking, "plan", {}, may_overlap=True, needs_runtime=False, actor=Actor("ada")
        )
        late[run_id] = -asked_at

    with connect(site.database) as asking, begun() as found:
        async with running(config(site, concurrency=SLOTS), site.place):
            await SYSTEM_CLOCK.sleep(2.0)
            since = await now(connection)
            for _ in range(400):
                await asyncio.to_thread(ask)
                await SYSTEM_CLOCK.sleep(0.05)
            await drained(connection, "due_work")
            await tell(connection, "ready, light load", since)
        return tell_begun(asked + found[run_id] for run_id, asked in late.items())


async def event(site: Site, connection: Connection) -> tuple[float, float]:
    listens = await install(
        connection,
        task("plan", schedule={"event": "orders.paid"}, overlap="allow", pipeline=STEP),
    )
    await asyncio.to_thread(arm, site.database, listens)
    late: dict[str, float] = {}
    with begun() as found:
        async with running(config(site, concurrency=SLOTS), site.place):
            await SYSTEM_CLOCK.sleep(2.0)
            since = await now(connection)
            for number in range(400):
                told = Event("orders.paid", {"order": number}, "bench", str(number))
                late[told.event_id] = -SYSTEM_CLOCK.now().timestamp()
                await arrive(connection, told, actor=Actor("ada"))
                await SYSTEM_CLOCK.sleep(0.05)
            for table in ("heard", "due_work"):
                await drained(connection, table)
            await tell(connection, "event, light load", since)
        cursor = await connection.execute("select event ->> 'id', run_id from ordinaut.run")
        runs = dict(await cursor.fetchall())
        return tell_begun(told + found[runs[number]] for number, told in late.items())  # type: ignore[index] - a uuid


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
        p99 = await tell(connection, f"ready, {rate:,.0f} runs a second", since)
        print(f"  p99 to the claim: {judged(p99, at_most=50)}")


PARTS: dict[str, Callable[[Site, Connection], Awaitable[tuple[float, float] | None]]] = {
    "due": due,
    "ready": ready,
    "event": event,
    "loaded": loaded,
}


async def measure(name: str, python: str | None) -> None:
    async with (
        serving() as site,
        await psycopg.AsyncConnection.connect(site.database, autocommit=True) as connection,
    ):
        ours = await PARTS[name](site, connection)
        if python is not None and ours is not None:
            await beside(site, python, PEERS[name], ours)


async def beside(site: Site, python: str, peer: str, ours: tuple[float, float]) -> None:
    """Measure a peer on the same server, and print how we compare."""
    with psycopg.connect(site.database, autocommit=True) as connection:
        connection.execute(f"create database peer_{peer}".encode())
    url = site.database.replace("/ordinaut?", f"/peer_{peer}?")
    script = Path(__file__).with_name("peer_lateness.py")
    process = await asyncio.create_subprocess_exec(python, str(script), peer, url, stdout=PIPE)
    out, _ = await process.communicate()
    theirs = json.loads(out.splitlines()[-1])
    print(f"  {peer}: p50 {theirs['p50']:.1f} ms, p99 {theirs['p99']:.1f} ms")
    for name, figure in zip(("p50", "p99"), ours, strict=True):
        print(f"  {name} against it: {judged(figure / theirs[name], at_most=1)}")


def main() -> None:
    """Measure what is asked for, everything by default."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    parser.add_argument("--peers", metavar="PYTHON")
    asked = parser.parse_args()
    for name in asked.parts or [*PARTS]:
        print(f"load of the machine: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
        run_loop(measure(name, asked.peers))


if __name__ == "__main__":
    main()
