"""What a runtime does under strain: thousands due at once, thousands of items, somebody's open transaction, a kill.

Run: python tests/bench/bench_strain.py [burst|foreach|snapshot|recovery]... [--minutes M] [--lead SECONDS] [--kills N]

    burst     10,000 schedules that are due in the same second, beside a drain of as many runs; `--lead`: how long before that they
              are applied
    foreach   one run over 10,000 items, computed in process
    snapshot  runs without end for so many `--minutes`, with a session that holds a snapshot all the time, and at the same
              time without
    recovery  `kill -9` of a runtime that executes 50 runs, until another goes on with them; so many `--kills`
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from runtime.app import running
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.loop import run_loop
from runtime.store.statements import statement
from tests.bench.bench_runtime import (
    STEP,
    apply_schedules,
    config,
    drain,
    report,
)
from tests.bench.serving import Site, Spent, serving
from tests.bench.targets import judged
from tests.faults.site import Site as Workplace
from tests.faults.site import step
from tests.support.installed import install, queue_run, task
from tests.support.probes import eventually

SLOTS = 500
MANY = 10_000
HELD = 50
LEASE = Config().lease
LOOK_AGAIN_SECONDS = 0.25
Connection = psycopg.AsyncConnection[Any]

BURST = """
select count(*) filter (where finished_at is not null), extract(epoch from max(created_at) - min(due_at))::float8,
    extract(epoch from max(started_at) - min(due_at))::float8, extract(epoch from max(finished_at) - min(due_at))::float8
from ordinaut.run
"""
# Rows leave the hot table when they are over; counting what is over would be work of its own.
DONE = "select n_tup_del from pg_stat_user_tables where schemaname = 'ordinaut' and relname = 'due_work'"
MORE = """
with r as (
    insert into ordinaut.run (run_id, task_uid, revision_id, trigger, trigger_key, occurrence_for, due_at, state)
    select uuidv7(), %s, %s, 'manual', n::text, now(), now(), 'queued' from generate_series(1, %s) n
    returning *)
insert into ordinaut.due_work (run_id, task_uid, revision_id, ready_at, lane)
select run_id, task_uid, revision_id, now(), 5 from r
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments."""

    minutes: float
    lead: float
    kills: int


async def connected(site: Site) -> Connection:
    return await psycopg.AsyncConnection.connect(site.database, autocommit=True)


async def row_of(connection: Connection, query: str, *parameters: object) -> tuple[Any, ...]:
    row = await (await connection.execute(query.encode(), parameters)).fetchone()
    assert row is not None
    return tuple(row)


async def burst(asked: Asked) -> None:
    async with serving() as site:
        ready, _ = await drain(site, MANY, SLOTS)
    async with serving() as site, await connected(site) as connection:
        lead = timedelta(seconds=asked.lead)
        begun = perf_counter()
        await asyncio.to_thread(apply_schedules, site.database, MANY, lead, "1d")
        applied = perf_counter() - begun
        assert applied < asked.lead, f"applying took {applied:.0f} s: give more --lead"
        async with running(config(site, concurrency=SLOTS), site.place):
            await SYSTEM_CLOCK.sleep(max(0.0, asked.lead - applied - 2.0))
            begin = await site.spent()
            while (found := await row_of(connection, BURST))[0] < MANY:
                await SYSTEM_CLOCK.sleep(LOOK_AGAIN_SECONDS)
            spent = await site.spent() - begin
    decided, began, ended = found[1:]
    print(
        f"burst: {MANY:,} schedules due in one second\n"
        f"  the last was decided after {decided:.1f} s, began after {began:.1f} s, and was over after {ended:.1f} s"
    )
    report("decided, run, step and events recorded", MANY, spent)
    times = began / ready.wall
    print(
        f"  {times:.2f} times what a drain of as many took ({ready.wall:.1f} s);"
        f" target {judged(times, at_most=2)}"
    )


async def foreach(_: Asked) -> None:
    each = STEP[0] | {"foreach": "${params.items}", "max_parallel": 100}
    fields = {"params": {"items": list(range(MANY))}, "pipeline": [each]}
    most = 0
    async with serving() as site, await connected(site) as connection:
        installed = await install(connection, task(**fields))
        async with running(config(site, concurrency=SLOTS), site.place):
            await SYSTEM_CLOCK.sleep(1.0)
            begin = await site.spent()
            await queue_run(connection, installed)
            await connection.execute(statement("wake"))
            while rows := (await row_of(connection, "select count(*) from ordinaut.due_work"))[0]:
                most = max(most, rows)
                await SYSTEM_CLOCK.sleep(0.02)
            spent = await site.spent() - begin
        (recorded,) = await row_of(connection, "select count(*) from ordinaut.step_result")
    assert recorded == MANY + 1
    print(f"foreach: one run over {MANY:,} items took {spent.wall:.1f} s")
    report("items recorded", MANY, spent)
    print(f"  rows of due work: {most}; target {judged(most, at_most=1)}")


async def soaked(minutes: float, *, holds: bool) -> tuple[int, Spent, list[float]]:
    """Work without end for a while: how many runs, what they took, and the runs a second of every fifth of the time."""
    async with serving() as site, await connected(site) as connection, AsyncExitStack() as stack:
        installed = await install(connection, task(pipeline=STEP))
        if holds:
            holder = await psycopg.AsyncConnection.connect(site.database)
            await stack.enter_async_context(holder)
            await holder.execute("set transaction isolation level repeatable read")
            await holder.execute("select 1")
        await stack.enter_async_context(running(config(site, concurrency=SLOTS), site.place))
        begin = await site.spent()
        fifths: list[int] = []
        queued = 0
        while len(fifths) < 5:
            (done,) = await row_of(connection, DONE)
            if queued - done < MANY:
                await connection.execute(MORE, [installed.uid, installed.revision_id, MANY])
                await connection.execute(statement("wake"))
                queued += MANY
            if perf_counter() - begin.wall > (len(fifths) + 1) * minutes * 60 / 5:
                fifths.append(done)
            await SYSTEM_CLOCK.sleep(LOOK_AGAIN_SECONDS)
        spent = await site.spent() - begin
    steps = [after - before for before, after in zip([0, *fifths], fifths, strict=False)]
    return done, spent, [5 * count / (minutes * 60) for count in steps]


def soak(minutes: float, holds: bool) -> tuple[int, Spent, list[float]]:
    """In a process of its own."""
    return run_loop(soaked(minutes, holds=holds))


async def snapshot(asked: Asked) -> None:
    """Both at the same time, each with servers of its own: what else the machine does is in the way of both."""
    names = {"without": False, "with": True}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as beside:
        soaks = [beside.submit(soak, asked.minutes, holds) for holds in names.values()]
        found = await asyncio.gather(*map(asyncio.wrap_future, soaks))
    print(f"snapshot: {asked.minutes:g} minutes of work")
    rates, each = [], []
    for name, (done, spent, fifths) in zip(names, found, strict=True):
        report(f"{name} a held snapshot", done, spent)
        print(f"    runs/s of each fifth: {', '.join(f'{rate:,.0f}' for rate in fifths)}")
        rates.append(done / spent.wall)
        each.append((spent.worker + spent.postgres) / done)
    ratio = rates[1] / rates[0]
    print(f"  {ratio:.2f} of the rate without; target {judged(ratio, at_least=0.9)}")
    print(f"  {each[1] / each[0]:.2f} of the CPU time without")


async def recovery(asked: Asked) -> None:
    shares = []
    for _ in range(asked.kills):
        async with serving() as site, await connected(site) as connection:
            with tempfile.TemporaryDirectory() as folder:
                shares.append(await recovered(site, connection, Path(folder)))
    worst = max(shares)
    print(f"recovery: within {worst:.2f} of a lease; target {judged(worst, at_most=1)}")


async def recovered(site: Site, connection: Connection, folder: Path) -> float:
    """Kill a runtime that is in the middle of runs; how many leases passed until another had gone on with all of them."""
    urls = {"database_url": site.database, "redis_url": site.place.redis_url or ""}
    env = {f"ORDINAUT_{name.upper()}": value for name, value in urls.items()}
    work = Workplace(folder, connection, env)
    settings = {"lease": f"{LEASE.total_seconds():g}s", "concurrency": "100"}
    steps = step("first"), step("second", "wait"), step("third")
    installed = await work.install(*steps, at_once=HELD)
    await work.queue_many(installed, HELD)

    async def begun(times: int) -> None:
        what = f"the second step begins {times} times"
        await eventually(lambda: work.diary.count("second") >= times, what, seconds=60)

    async with work.runtime(**settings) as killed:
        await begun(HELD)
        async with work.runtime(**settings):
            await work.runtimes_alive(2)
            # Anywhere between two renewals.
            await SYSTEM_CLOCK.sleep(random.uniform(0, LEASE.total_seconds() / 3))
            killed.kill()
            at = perf_counter()
            await begun(HELD + 1)
            first = perf_counter() - at
            await begun(2 * HELD)
            last = perf_counter() - at
            work.open_gate()
            await eventually(lambda: all_over(work), "the runs are over", seconds=60)
    called = {name: work.diary.count(name) for name in ("first", "second", "third")}
    assert called == {"first": HELD, "second": 2 * HELD, "third": HELD}, called
    assert len(await work.results()) == 3 * HELD
    lease = LEASE.total_seconds()
    print(
        f"  killed with {HELD} runs: the first went on after {first:.1f} s, the last after {last:.1f} s, lease {lease:g} s;"
        " nothing lost, nothing twice",
        flush=True,
    )
    return last / lease


async def all_over(work: Workplace) -> bool:
    return await work.states() == {"succeeded": HELD}


PARTS: dict[str, Callable[[Asked], Awaitable[None]]] = {
    "burst": burst,
    "foreach": foreach,
    "snapshot": snapshot,
    "recovery": recovery,
}


async def measure(names: list[str], asked: Asked) -> None:
    for name in names:
        print(f"load of the machine: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
        await PARTS[name](asked)


def main() -> None:
    """Measure what is asked for, everything by default."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    parser.add_argument("--minutes", type=float, default=0.5)
    parser.add_argument("--lead", type=float, default=60.0)
    parser.add_argument("--kills", type=int, default=3)
    given = parser.parse_args()
    run_loop(measure(given.parts or [*PARTS], Asked(given.minutes, given.lead, given.kills)))


if __name__ == "__main__":
    main()
