"""How late one peer begins what is due, or what it is asked for; run by `bench_lateness`, in the peers' environment.

Run: python peer_lateness.py NAME DATABASE_URL

Prints a JSON object: milliseconds, the median and the 99th percentile, from the instant to the first line of the work.
Nothing of ours is imported, and nothing of a peer that is not asked for.
"""

# ruff: noqa: PLC0415 - each peer imports its own library, and no other
# ruff: noqa: TID251 - nothing of ours is imported, our clock neither
from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

COUNT = 400


def apscheduler(_: str) -> list[float]:
    """Twenty jobs every second, with a timer in memory; nothing is stored."""
    from apscheduler.schedulers.background import BackgroundScheduler

    late: list[float] = []
    over = threading.Event()

    def begin(due_at: float) -> None:
        late.append(time.time() - due_at)
        if len(late) == COUNT:
            over.set()

    scheduler = BackgroundScheduler(timezone=UTC, job_defaults={"misfire_grace_time": None})
    scheduler.start()
    first = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    for number in range(COUNT):
        due_at = first + timedelta(seconds=number // 20)
        scheduler.add_job(begin, "date", run_date=due_at, args=[due_at.timestamp()])
    over.wait()
    scheduler.shutdown()
    return late


async def pgqueuer(url: str) -> list[float]:
    """Twenty jobs a second that are ready at once, with its notification."""
    import asyncpg
    from pgqueuer import AsyncpgPoolDriver, PgQueuer, Queries

    late: list[float] = []
    over = asyncio.Event()
    async with asyncpg.create_pool(url, min_size=2, max_size=4) as pool:
        driver = AsyncpgPoolDriver(pool)
        queries = Queries(driver)
        await queries.install()
        worker = PgQueuer(driver)

        @worker.entrypoint("ready")
        async def ready(asked: Any) -> None:
            late.append(time.time() - float(asked.payload))
            if len(late) == COUNT:
                over.set()

        working = asyncio.create_task(worker.run())
        await asyncio.sleep(2.0)
        for _ in range(COUNT):
            await queries.enqueue("ready", str(time.time()).encode())
            await asyncio.sleep(0.05)
        await over.wait()
        worker.shutdown.set()
        await working
    return late


PEERS = {"apscheduler": apscheduler, "pgqueuer": pgqueuer}


def main() -> None:
    """Measure, and say how late."""
    found = PEERS[sys.argv[1]](sys.argv[2])
    late = sorted(asyncio.run(found) if asyncio.iscoroutine(found) else found)
    told = {"p50": 1e3 * late[len(late) // 2], "p99": 1e3 * late[int(0.99 * len(late)) - 1]}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
