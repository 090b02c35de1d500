"""Ready work executed by us and by others, one after the other on the same server, and how they compare.

Run: python tests/bench/bench_peers.py PYTHON [NAME]... [--runs N]

PYTHON is the interpreter of an environment that holds the peers: `pip install pgqueuer asyncpg procrastinate dbos
absurd-sdk absurdctl "apscheduler<4" sqlalchemy "psycopg[binary]" uvloop`. Each peer runs at its documented best
(`peer_drains`), with no-op work in a database of its own, and is measured from the moment at which all of it is queued.
What they do is not the same: pgqueuer writes a log row and procrastinate the state of a job, DBOS and Absurd record a task and
its step, APScheduler nothing; we record run, step and three events, and publish these meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from runtime.loop import run_loop
from tests.bench.bench_runtime import drain
from tests.bench.serving import Site, Spent, serving
from tests.bench.targets import judged

SLOTS = 500
DRAINS = Path(__file__).with_name("peer_drains.py")


@dataclass(frozen=True, slots=True)
class Beside:
    """How we are measured beside a peer.

    Attributes:
        share: of what we are asked to do, what it does in a few seconds.
        target: our rate as a multiple of its own, at the least.
    """

    share: float
    target: float | None = None


PEERS = {
    "pgqueuer": Beside(1.0, target=1.0),
    "procrastinate": Beside(0.05),
    "dbos": Beside(0.05, target=10.0),
    "absurd": Beside(0.05, target=10.0),
    "apscheduler": Beside(0.05),
}


async def peer_drain(site: Site, python: str, name: str, count: int) -> Spent:
    """Let a peer work off so much; the CPU seconds of its process stand for the worker's."""
    with psycopg.connect(site.database, autocommit=True) as connection:
        connection.execute(f"create database peer_{name}")
    url = site.database.replace("/ordinaut?", f"/peer_{name}?")
    peer = await asyncio.create_subprocess_exec(
        python, str(DRAINS), name, url, str(count), stdin=PIPE, stdout=PIPE
    )
    assert peer.stdin
    assert peer.stdout
    await _line(peer.stdout, "queued")
    with psycopg.connect(site.database, autocommit=True) as connection:
        connection.execute("checkpoint")
    before = await site.spent()
    peer.stdin.write(b"begin\n")
    spent = json.loads(await _line(peer.stdout, "{"))
    server = (await site.spent() - before).postgres
    assert await peer.wait() == 0
    return Spent(spent["wall"], spent["cpu"], server, 0.0, 0.0)


async def _line(output: asyncio.StreamReader, beginning: str) -> str:
    """The next line that begins so; what a peer says of itself is passed over."""
    while line := (await output.readline()).decode():
        if line.startswith(beginning):
            return line
    raise EOFError(f"the peer ended without a line that begins with {beginning}")


async def measure(python: str, names: list[str], runs: int) -> None:
    """Print the table."""
    print(f"load of the machine: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores\n")
    print(
        "| | per second | CPU each, µs: worker | server | ours against it: rate | CPU | target |"
    )
    print("|---|---:|---:|---:|---:|---:|---|")
    async with serving() as site:
        ours, _ = await drain(site, runs, SLOTS)
        show("ordinaut", ours, runs)
        for name in names:
            count = int(runs * PEERS[name].share)
            theirs = await peer_drain(site, python, name, count)
            show(name, theirs, count, against=(ours, runs))


def show(name: str, spent: Spent, count: int, against: tuple[Spent, int] | None = None) -> None:
    """One row of the table."""
    rate, worker = count / spent.wall, spent.worker / count
    server = (spent.postgres + spent.valkey) / count
    ratios = " | | "
    if against:
        ours, runs = against
        ratio = runs / ours.wall / rate
        cpu = (ours.worker + ours.postgres + ours.valkey) / runs / (worker + server)
        target = PEERS[name].target
        verdict = f"rate {judged(ratio, at_least=target)}" if target else ""
        ratios = f"{ratio:.2f} | {cpu:.2f} | {verdict}"
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
