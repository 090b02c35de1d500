"""How fast one runtime process is, and what it spends.

Run: python tests/bench/bench_runtime.py [drain|idle]... [--runs N] [--slots N] [--profile]

Everything runs on embedded servers with PostgreSQL's own durability settings, in one process, as `ordinaut runtime` does.
    drain   runs of one built-in step that are all ready: run, step result and events recorded, events published
    idle    a runtime with 1,000 schedules, none of which is due
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import os
import pstats
import sys
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from reconciler.core.compile import SourceFile, compile_specs
from reconciler.planning import plan_against
from runtime.app import running
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.loop import run_loop
from schemas.plan import PlanSource
from tests.bench.leasing import queue_runs
from tests.bench.serving import Site, Spent, serving
from tests.bench.targets import judged
from tests.support.applying import Bench
from tests.support.installed import install, task

SCHEDULES = 1_000
IDLE_SECONDS = 30.0
LOOK_AGAIN_SECONDS = 0.1
STEP = [{"id": "plan", "uses": "ordinaut.transform", "with": {"value": "hello"}}]


def config(site: Site, **settings: int) -> Config:
    return Config(state_dir=site.place.folder / "runtime", **settings)


async def drained(connection: psycopg.AsyncConnection, table: str) -> None:
    """Wait until a table is empty."""
    while await _has_rows(connection, table):
        await SYSTEM_CLOCK.sleep(LOOK_AGAIN_SECONDS)


async def _has_rows(connection: psycopg.AsyncConnection, table: str) -> bool:
    cursor = await connection.execute(f"select exists (select from ordinaut.{table})")
    row = await cursor.fetchone()
    return bool(row and row[0])


async def drain(
    site: Site, runs: int, slots: int, profile: cProfile.Profile | None = None
) -> tuple[Spent, Spent]:
    """Execute so many runs that are ready, as fast as it goes: what it took to record them, and to publish what they tell."""
    async with await psycopg.AsyncConnection.connect(site.database, autocommit=True) as connection:
        await install(connection, task(pipeline=STEP))
        await asyncio.to_thread(queue_runs, site.database, runs)
        await connection.execute("vacuum analyze ordinaut.due_work")
        begin = await site.spent()
        if profile:
            profile.enable()
        async with running(config(site, concurrency=slots), site.place):
            await drained(connection, "due_work")
            spent = await site.spent() - begin
            if profile:
                profile.disable()
            await drained(connection, "outbox")
            told = await site.spent() - begin
        cursor = await connection.execute(
            "select count(*) filter (where state = 'succeeded'),"
            " (select count(*) from ordinaut.step_result where outcome = 'ok'),"
            " (select count(*) from ordinaut.event_log) from ordinaut.run"
        )
        assert await cursor.fetchone() == (runs, runs, 3 * runs)
    return spent, told


async def print_drain(runs: int, slots: int, profile: cProfile.Profile | None) -> None:
    async with serving() as site:
        spent, told = await drain(site, runs, slots, profile)
    print(f"drain: {runs:,} runs of one step with {slots} slots")
    report("run, step and events recorded", runs, spent)
    report("and every event published", runs, told)


def report(name: str, runs: int, spent: Spent) -> None:
    each = 1e6 / runs
    print(
        f"  {name}: {runs / spent.wall:,.0f} a second;"
        f" CPU each, microseconds: worker {spent.worker * each:.0f},"
        f" PostgreSQL {spent.postgres * each:.0f}, Valkey {spent.valkey * each:.0f}"
    )


def apply_schedules(database: str, number: int, first_in: timedelta, every: str) -> None:
    """Apply so many tasks that time drives, all of them due at the same instant."""
    head = "apiVersion: ordinaut/v1\n"
    start = (SYSTEM_CLOCK.now() + first_in).replace(microsecond=0).isoformat()
    documents = [f"{head}kind: Project\nname: bench\n"]
    documents += [
        f"{head}kind: Task\nname: task-{index}\nschedule: {{every: {every}, start: '{start}'}}\noverlap: allow\n"
        "pipeline: [{id: plan, uses: ordinaut.transform, with: {value: hello}}]\n"
        for index in range(number)
    ]
    files = [
        SourceFile(
            f"specs/{first:06}.yaml", "---\n".join(documents[first : first + 1_000]).encode()
        )
        for first in range(0, len(documents), 1_000)
    ]
    specs = compile_specs(files)
    assert not specs.errors, specs.errors[:3]
    with psycopg.connect(database, autocommit=True) as connection:
        plan = plan_against(connection, specs, PlanSource(project=specs.project))
        Bench(database, connection).carry_out(plan)


async def idle() -> None:
    """A runtime with schedules that are not due, over half a minute."""
    async with serving(count_statements=True) as site:
        await asyncio.to_thread(
            apply_schedules, site.database, SCHEDULES, timedelta(hours=1), "1d"
        )
        async with running(config(site), site.place):
            await SYSTEM_CLOCK.sleep(3.0)
            begin = await site.spent()
            await SYSTEM_CLOCK.sleep(IDLE_SECONDS)
            spent = await site.spent() - begin
    rate, share = spent.statements / spent.wall, 100 * spent.worker / spent.wall
    print(
        f"idle: {SCHEDULES:,} schedules, {IDLE_SECONDS:.0f} s\n"
        f"  {rate:.2f} statements/s; target {judged(rate, at_most=1)}\n"
        f"  worker: {share:.2f} % of a core; target {judged(share, at_most=0.5)}\n"
        f"  PostgreSQL: {100 * spent.postgres / spent.wall:.2f} % of a core"
    )


def main() -> None:
    """Measure what is asked for, everything by default."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", choices=["drain", "idle", []])
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--slots", type=int, default=500)
    parser.add_argument("--profile", action="store_true", help="of the drain, by function")
    asked = parser.parse_args()
    profile = cProfile.Profile() if asked.profile else None
    parts: dict[str, Coroutine[None, None, None]] = {
        "drain": print_drain(asked.runs, asked.slots, profile),
        "idle": idle(),
    }
    print(f"load of the machine: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    for name, part in parts.items():
        if not asked.parts or name in asked.parts:
            run_loop(part)
        else:
            part.close()
    if profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    main()
