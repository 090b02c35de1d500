"""Ready work executed by us and by others, one after the other on the same server, and how they compare.

Run: python tests/bench/bench_peers.py PYTHON [NAME]... [--runs N]

PYTHON is the interpreter of an environment that holds the peers: `pip install pgqueuer asyncpg procrastinate dbos
"apscheduler<4" sqlalchemy "psycopg[binary]"`. Each peer runs at its documented best (`peer_drains`), with no-op work in a
database of its own. What they do is not the same: pgqueuer writes a log row and procrastinate the state of a job, DBOS
records workflow and step, APScheduler nothing; we record run, step and three events, and publish these meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from subprocess import run

import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from runtime.loop import run_loop
from tests.bench.bench_runtime import drain
from tests.bench.peer_drains import PEERS
from tests.bench.serving import Site, Spent, serving

SLOTS = 500
DRAINS = Path(__file__).with_name("peer_drains.py")
# What one of them does in a few seconds, against what we are asked to do.
SHARES = {"pgqueuer": 1.0, "procrastinate": 0.05, "dbos": 0.05, "apscheduler": 0.05}


async def peer_drain(site: Site, python: str, name: str, count: int) -> Spent:
    """Let a peer work off so much; the CPU seconds of its process stand for the worker's."""
    with psycopg.connect(site.database, autocommit=True) as connection:
        connection.execute(f"create database peer_{name}")
        connection.execute("checkpoint")
    url = site.database.replace("/ordinaut?", f"/peer_{name}?")
    before = await site.spent()
    command = [python, str(DRAINS), name, url, str(count)]
    done = await asyncio.to_thread(run, command, check=True, capture_output=True, text=True)
    spent = json.loads(done.stdout.splitlines()[-1])
    server = (await site.spent() - before).postgres
    return Spent(spent["wall"], spent["cpu"], server, 0.0, 0.0)


async def measure(python: str, names: list[str], runs: int) -> None:
    """Print the table."""
    print(f"load of the machine: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores\n")
    print(
        "| | per second | worker CPU, µs | server CPU, µs | ours against it: rate | worker CPU |"
    )
    print("|---|---:|---:|---:|---:|---:|")
    async with serving() as site:
        ours, _ = await drain(site, runs, SLOTS)
        show("ordinaut", ours, runs)
        for name in names:
            count = int(runs * SHARES[name])
            show(name, await peer_drain(site, python, name, count), count, against=(ours, runs))


def show(name: str, spent: Spent, count: int, against: tuple[Spent, int] | None = None) -> None:
    """One row of the table."""
    rate, worker = count / spent.wall, spent.worker / count
    server = (spent.postgres + spent.valkey) / count
    ratios = " | "
    if against:
        ours, runs = against
        ratios = f"{runs / ours.wall / rate:.2f} | {ours.worker / runs / worker:.2f}"
    print(
        f"| {name} | {rate:,.0f} | {worker * 1e6:.0f} | {server * 1e6:.0f} | {ratios} |",
        flush=True,
    )


def main() -> None:
    """Measure those that are asked for, all by default."""
    parser = argparse.ArgumentParser()
    parser.add_argument("python")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--runs", type=int, default=20_000)
    asked = parser.parse_args()
    run_loop(measure(asked.python, asked.names or list(PEERS), asked.runs))


if __name__ == "__main__":
    main()
