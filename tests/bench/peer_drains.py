"""One peer executes no-op work that is all ready, at its documented best; run by `bench_peers`, in the peers' environment.

Run: python peer_drains.py NAME DATABASE_URL COUNT

Prints a line when everything is queued, and begins when it is answered with another; then a JSON object: the seconds between
the beginning of the work and the last call, and the CPU seconds of this process. Nothing of ours is imported, and nothing
of a peer that is not asked for.
"""

# ruff: noqa: PLC0415 - each peer imports its own library, and no other
from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Coroutine
from time import perf_counter, process_time

Spent = dict[str, float]


class Stopwatch:
    """From its making, when everything is queued, to the last of so many calls."""

    def __init__(self, count: int) -> None:
        self._left = count
        sys.stdout.write("queued\n")
        sys.stdout.flush()
        sys.stdin.readline()
        self._began = perf_counter(), process_time()
        self._lock = threading.Lock()
        self.spent: Spent = {}
        self.over = threading.Event()

    def tick(self) -> None:
        with self._lock:
            self._left -= 1
            if not self._left:
                self.stop()

    def stop(self) -> None:
        wall, cpu = self._began
        self.spent = {"wall": perf_counter() - wall, "cpu": process_time() - cpu}
        self.over.set()


async def pgqueuer(url: str, count: int) -> Spent:
    import asyncpg
    from pgqueuer import AsyncpgPoolDriver, PgQueuer, Queries
    from pgqueuer.types import QueueExecutionMode

    async with asyncpg.create_pool(url, min_size=2, max_size=4) as pool:
        driver = AsyncpgPoolDriver(pool)
        queries = Queries(driver)
        await queries.install()
        await queries.enqueue(["noop"] * count, [None] * count, [0] * count)
        worker = PgQueuer(driver)

        @worker.entrypoint("noop")
        async def noop(_: object) -> None:
            pass

        watch = Stopwatch(count)
        await worker.run(batch_size=500, mode=QueueExecutionMode.drain)
        watch.stop()
        return watch.spent


async def procrastinate(url: str, count: int) -> Spent:
    from procrastinate import App, PsycopgConnector

    app = App(connector=PsycopgConnector(conninfo=url, max_size=20))

    @app.task(name="noop")
    async def noop() -> None:
        pass

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await noop.batch_defer_async(*({} for _ in range(count)))
        watch = Stopwatch(count)
        await app.run_worker_async(concurrency=100, wait=False, install_signal_handlers=False)
        watch.stop()
        return watch.spent


def dbos(url: str, count: int) -> Spent:
    from dbos import DBOS, DBOSClient

    DBOS(
        config={"name": "bench", "system_database_url": url, "run_admin_server": False, "log_level": "ERROR"}
    )  # fmt: skip
    started: list[Stopwatch] = []

    @DBOS.step()
    def step() -> None:
        pass

    @DBOS.workflow(name="noop")
    def noop() -> None:
        step()
        started[0].tick()

    DBOS.launch()
    client = DBOSClient(system_database_url=url)
    for _ in range(count):
        client.enqueue({"workflow_name": "noop", "queue_name": "bench"})
    started.append(Stopwatch(count))
    # Nobody takes from a queue that is not there.
    DBOS.register_queue("bench", polling_interval_sec=0.05)
    started[0].over.wait()
    DBOS.destroy()
    return started[0].spent


async def absurd(url: str, count: int) -> Spent:
    import psycopg
    from absurd_sdk import AsyncAbsurd, AsyncTaskContext
    from absurdctl import BUNDLED_SCHEMA_SQL

    queued = "select absurd.spawn_task('bench', 'noop', '{}', '{}') from generate_series(1, %s)"
    # A client has one connection, and commits each step and each task on it: several share the commits of the log.
    clients = [AsyncAbsurd(url, queue_name="bench") for _ in range(4)]

    async def nothing() -> None:
        pass

    async def noop(_: object, context: AsyncTaskContext) -> None:
        await context.step("step", nothing)
        watch.tick()
        if watch.over.is_set():
            for client in clients:
                client.stop_worker()

    for client in clients:
        client.register_task(name="noop")(noop)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(BUNDLED_SCHEMA_SQL)
        await clients[0].create_queue()
        await connection.execute(queued, [count])
        watch = Stopwatch(count)
        await asyncio.gather(
            *(client.start_worker(concurrency=4, batch_size=50) for client in clients)
        )
    for client in clients:
        await client.close()
    return watch.spent


_watch: Stopwatch


def _tick() -> None:
    _watch.tick()


def apscheduler(url: str, count: int) -> Spent:
    global _watch  # noqa: PLW0603 - the job store refers to the function by its name
    from datetime import UTC, datetime

    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from apscheduler.schedulers.background import BackgroundScheduler

    store = SQLAlchemyJobStore(url.replace("postgresql://", "postgresql+psycopg://"))
    scheduler = BackgroundScheduler(
        jobstores={"default": store}, job_defaults={"misfire_grace_time": None}, timezone=UTC
    )
    scheduler.start(paused=True)
    for _ in range(count):
        scheduler.add_job(_tick, "date", run_date=datetime(2026, 1, 1, tzinfo=UTC))
    _watch = Stopwatch(count)
    scheduler.resume()
    _watch.over.wait()
    scheduler.shutdown()
    return _watch.spent


PEERS: dict[str, Callable[[str, int], object]] = {
    "pgqueuer": pgqueuer,
    "procrastinate": procrastinate,
    "dbos": dbos,
    "absurd": absurd,
    "apscheduler": apscheduler,
}


def run(peer: Coroutine[object, object, Spent]) -> Spent:
    """On the same event loop as ours."""
    from uvloop import new_event_loop

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(peer)


def main() -> None:
    """Drain, and say what it took."""
    name, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    found = PEERS[name](url, count)
    spent = run(found) if asyncio.iscoroutine(found) else found
    sys.stdout.write(json.dumps(spent) + "\n")


if __name__ == "__main__":
    main()
