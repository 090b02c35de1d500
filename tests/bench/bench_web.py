"""What the HTTP API answers 200 times a second beside a runtime that works, with 100,000 runs in the database.

    python -m tests.bench.bench_web [--seconds 20] [--rate 200] [--runs 100000] [--working 50]

`ordinaut web` and `ordinaut runtime` are processes of their own, on the same machine as PostgreSQL and whoever asks. Requests begin
when their time has come, whether or not those before are answered; what is told is the time from then to the last byte. Pages of the
dashboard are asked for one after another, by somebody who is signed in. The load of the machine stands beside.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from statistics import quantiles
from time import perf_counter
from typing import Final

import httpx
import psycopg

from runtime.clock import SYSTEM_CLOCK
from tests.bench.bench_runtime import apply_schedules
from tests.bench.serving import Site, _family_seconds, _process_seconds
from tests.bench.serving import serving as servers
from tests.support.showcase import crowd, furnish
from tests.support.web import bearer, make_token

TARGET_MS: Final = 50
PAGE_TARGET_MS: Final = 300
TOKENS: Final = 4
LINES: Final = 16
_PROGRAM: Final = "import sys; from reconciler.cli import main; sys.exit(main())"
_V1: Final = "/api/v1"
_PAGES: Final = (
    "/",
    "/tasks",
    "/runs",
    "/timeline",
    "/changes",
    "/approvals",
    "/spend",
    "/health",
)


def main() -> None:
    """Fill a database, let a runtime work, and ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--working", type=int, default=50, help="Runs a second beside.")
    asyncio.run(_measure(parser.parse_args()))


async def _measure(asked: argparse.Namespace) -> None:
    async with servers() as site:
        paths = await asyncio.to_thread(_filled, site.database, asked)
        tokens = [make_token(site.database, f"bench-{n}", ("read",)) for n in range(TOKENS)]
        async with (
            _started(site, "runtime"),
            _started(site, "web", "--listen", "127.0.0.1:0") as told,
        ):
            url = (await _line(told, '"url"')).split('"url": "')[1].split('"')[0]
            begun = await asyncio.to_thread(_recorded, site.database)
            started = perf_counter()
            await _ask(url, tokens, paths, asked.rate, 3)
            spent = _process_seconds(told.pid), _family_seconds(site.postgres_pid)
            answers = await _ask(url, tokens, paths, asked.rate, asked.seconds)
            each = 1e3 / (asked.rate * asked.seconds)
            web = (_process_seconds(told.pid) - spent[0]) * each
            postgres = (_family_seconds(site.postgres_pid) - spent[1]) * each
            worked = await asyncio.to_thread(_recorded, site.database) - begun
            pace = worked / (perf_counter() - started)
            _tell(answers, asked, pace)
            print(f"  CPU for each request: web {web:.1f} ms, PostgreSQL with what the runtime does {postgres:.1f} ms")  # fmt: skip
            await asyncio.to_thread(_tell_pages, url, site.database)


def _filled(database: str, asked: argparse.Namespace) -> list[str]:
    """Fill the database; what is asked for, as often as it is likely to be."""
    with psycopg.connect(database, autocommit=True) as connection:
        crowd(connection, furnish(connection), tasks=asked.tasks, runs=asked.runs)
        newest = connection.execute(
            "select run_id from ordinaut.run order by run_id desc limit 50"
        ).fetchall()
    apply_schedules(database, asked.working, timedelta(seconds=8), "1s")
    task = f"{_V1}/tasks/home/morning-briefing"
    return [
        *[f"{_V1}/runs?limit=20"] * 20,
        *[f"{_V1}/runs?limit=20&state=failed"] * 5,
        *[f"{_V1}/runs/{run_id}" for (run_id,) in newest[:25]],
        *[f"{_V1}/tasks?limit=20"] * 10,
        *[task] * 10,
        *[f"{task}/next"] * 5,
        *[f"{_V1}/events?limit=20"] * 10,
        *[f"{_V1}/status"] * 10,
        *[f"{_V1}/approvals"] * 5,
    ]


@asynccontextmanager
async def _started(site: Site, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    env = {
        "PATH": os.defpath,
        "ORDINAUT_DATABASE_URL": site.place.database_url,
        "ORDINAUT_REDIS_URL": site.place.redis_url or "",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _PROGRAM, *arguments), env=env, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.terminate()
        await process.communicate()


async def _line(process: asyncio.subprocess.Process, text: str) -> str:
    assert process.stderr is not None
    while line := (await process.stderr.readline()).decode():
        if text in line:
            return line
    raise RuntimeError(f"it ended without {text}")


def _recorded(database: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "select count(*) from ordinaut.run where finished_at > ordinaut.now() - interval '2 minutes' and trigger = 'schedule'"
            " and task_uid in (select uid from ordinaut.spec where name like 'task-%')"
        ).fetchone()
    return int(row[0]) if row else 0


async def _ask(
    url: str, tokens: list[str], paths: list[str], rate: int, seconds: int
) -> dict[str, list[float]]:
    """Ask so often for so long; the milliseconds that each answer took, by what was asked for."""
    host, port = url.removeprefix("http://").split(":")
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(LINES):
        free.put_nowait(await asyncio.open_connection(host, int(port)))
    took: dict[str, list[float]] = defaultdict(list)
    drawn = random.Random(7)

    async def one(path: str, token: str, due: float) -> None:
        reader, writer = await free.get()
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        assert " 200 " in head.splitlines()[0], head
        length = re.search(r"(?i)content-length: (\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        free.put_nowait((reader, writer))
        shape = re.sub(r"/[0-9a-f-]{36}", "/RUN", path)
        took[shape].append((perf_counter() - due) * 1e3)

    begin = perf_counter()
    asking = []
    for number in range(rate * seconds):
        due = begin + number / rate
        if (left := due - perf_counter()) > 0:
            await SYSTEM_CLOCK.sleep(left)
        asking.append(asyncio.create_task(one(drawn.choice(paths), tokens[number % TOKENS], due)))
    await asyncio.gather(*asking)
    while not free.empty():
        free.get_nowait()[1].close()
    return took


def _tell(took: dict[str, list[float]], asked: argparse.Namespace, pace: float) -> None:
    counted = Counter({path: len(times) for path, times in took.items()})
    print(
        f"{asked.rate} requests/s for {asked.seconds} s beside {pace:.0f} runs/s,"
        f" {asked.runs:,} runs in the database; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    for path, number in counted.most_common():
        middle, high, _ = _percentiles(took[path])
        print(f"  {path:<44} {number:5}   p50 {middle:6.1f} ms   p95 {high:6.1f} ms")
    middle, high, highest = _percentiles([one for times in took.values() for one in times])
    verdict = "met" if high < TARGET_MS else "missed"
    print(f"  all: p50 {middle:.1f} ms, p95 {high:.1f} ms, p99 {highest:.1f} ms; target p95 < {TARGET_MS} ms {verdict}")  # fmt: skip


def _percentiles(times: list[float]) -> tuple[float, float, float]:
    cuts = quantiles(times, n=100) if len(times) > 1 else times * 99
    return cuts[49], cuts[94], cuts[98]


def _tell_pages(url: str, database: str) -> None:
    """Pages as a browser asks for them, without what it does with them."""
    token = make_token(database, "visitor", ("read",))
    with httpx.Client(base_url=url, timeout=30, follow_redirects=True) as client:
        client.post("/sign-in", data={"token": token}, headers={"Origin": url})
        worst = 0.0
        for path in _PAGES:
            times = []
            for _ in range(6):
                begin = perf_counter()
                answer = client.get(path, headers={} if client.cookies else bearer(token))
                times.append((perf_counter() - begin) * 1e3)
            worst = max(worst, sorted(times[1:])[2])
            print(f"  page {path:<39} {answer.status_code}   first {times[0]:6.0f} ms   then {sorted(times[1:])[2]:6.0f} ms")  # fmt: skip
    verdict = "met" if worst < PAGE_TARGET_MS else "missed"
    print(f"  pages: target {PAGE_TARGET_MS} ms {verdict}; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
