"""A storm of webhooks against a real process: exactly the distinct valid ones start runs, whoever dies in between."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from runtime.clock import SYSTEM_CLOCK
from runtime.store.events import deliver
from runtime.store.pool import open_pool
from tests.support.clock import FakeClock
from tests.support.hearing import Listening
from tests.support.hooks import SECRET, declare, standard
from tests.support.processes import started

REQUESTS = 10_000
DISTINCT = 4_000
SENDERS = 8

pytestmark = [pytest.mark.slow, pytest.mark.unmeasured, pytest.mark.timeout(600)]


class Sender:
    """Posts to the web side, one request after another over one connection; says how each was answered."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, headers: dict[str, str], body: bytes, length: int | None = None) -> int:
        """The status; sent again until there is one, as senders of webhooks do."""
        head = {"host": "127.0.0.1", "content-length": str(length or len(body)), **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        request = f"POST /hooks/home/shop HTTP/1.1\r\n{lines}\r\n".encode() + body
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                return await self._asked(request)
            self.close()

    async def _asked(self, request: bytes) -> int:
        if self._open is None:
            self._open = await asyncio.open_connection("127.0.0.1", self._ports[-1])
        reader, writer = self._open
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = head.split("content-length: ")[1].split("\r\n")[0]
        await reader.readexactly(int(length))
        if "connection: close" in head:
            self.close()
        return int(head.split(" ", 2)[1])

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
        self._open = None


def body_of(number: int) -> bytes:
    return b'{"type": "paid", "order": %d}' % number


async def send(sender: Sender, kind: str, number: int) -> int:
    """One request of a kind."""
    body, name = body_of(number), f"m-{number}"
    match kind:
        case "valid":
            return await sender.post(standard(body, name), body)
        case "bad signature":
            return await sender.post(standard(body, name, secret=SECRET[::-1]), body)
        case "other id":
            return await sender.post(standard(body, name) | {"webhook-id": f"x-{number}"}, body)
        case "late":
            return await sender.post(standard(body, name, late=301), body)
        case "too deep":
            deep = b"[" * 99 + b"]" * 99
            return await sender.post(standard(deep, f"deep-{number}"), deep)
        case _:
            return await sender.post(standard(body, name), body, length=2_000_000)


EXPECTED = {"bad signature": 403, "other id": 403, "late": 403, "too deep": 422, "oversized": 413}


def storm(requests: int, distinct: int) -> list[tuple[str, int]]:
    """Requests in any order: each distinct valid one at least once, many of them again, and everything that is wrong."""
    chance = random.Random(7)
    kinds = [*["valid"] * 60, *["bad signature"] * 15, *["late"] * 10, *["other id"] * 8, *["too deep"] * 5, *["oversized"] * 2]  # fmt: skip
    found = [("valid", number) for number in range(distinct)]
    found += [
        (chance.choice(kinds), chance.randrange(distinct)) for _ in range(requests - distinct)
    ]
    chance.shuffle(found)
    return found


@asynccontextmanager
async def web(folder: Path, database: str, ports: list[int]) -> AsyncIterator[None]:
    """A process that serves; senders connect to the newest."""
    # Ten thousand requests are not measured: that would take several times as long, and others cover the lines.
    env = {"ORDINAUT_DATABASE_URL": database, "COVERAGE_PROCESS_CONFIG": ""}
    async with started("web", "--listen", "127.0.0.1:0", cwd=folder, env=env) as process:
        line = await process.line('"url"')
        ports.append(int(line.split('"url": "')[1].split('"')[0].rpartition(":")[2]))
        try:
            yield
        finally:
            process.kill()
            await process.ended()


@pytest.fixture
async def listening(
    database: str, connection: psycopg.AsyncConnection, clock: FakeClock
) -> AsyncIterator[Listening]:
    pool = await open_pool(database)
    yield Listening(pool, connection, clock, database)
    await pool.close()


async def blow(
    ports: list[int], requests: Iterator[tuple[str, int]], answers: Counter[tuple[str, int]]
) -> None:
    """Send what is left of a storm."""
    sender = Sender(ports)
    for kind, number in requests:
        answers[kind, await send(sender, kind, number)] += 1
    sender.close()


async def work(listening: Listening) -> None:
    """What runtimes do meanwhile."""
    while True:
        await deliver(listening.connection)
        await listening.decide()
        await SYSTEM_CLOCK.sleep(0.05)


async def started_once(listening: Listening, distinct: int) -> None:
    await deliver(listening.connection)
    while await listening.decide():
        pass
    ((runs, orders, queued),) = await listening.rows(
        "select count(*), count(distinct event #> '{data,order}'), count(*) filter (where state = 'queued')"
        " from ordinaut.run where trigger = 'event'"
    )
    assert (runs, orders, queued) == (distinct, distinct, distinct)
    assert await listening.rows("select count(*) from ordinaut.event") == [(distinct,)]


async def test_of_a_storm_exactly_the_distinct_valid_requests_start_runs(
    listening: Listening, database: str, tmp_path: Path
) -> None:
    with psycopg.connect(database, autocommit=True) as rows:
        declare(rows, tmp_path, shop={})
    await listening.listen("shop.*", overlap="allow")
    answers: Counter[tuple[str, int]] = Counter()
    requests, ports = iter(storm(REQUESTS, DISTINCT)), list[int]()

    async with web(tmp_path, database, ports):
        working = asyncio.create_task(work(listening))
        await asyncio.gather(*(blow(ports, requests, answers) for _ in range(SENDERS)))
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    assert sum(answers.values()) == REQUESTS
    assert answers["valid", 202] == DISTINCT
    wrong = {(kind, status) for kind, status in answers if kind != "valid"}
    assert wrong == set(EXPECTED.items())
    assert {status for kind, status in answers if kind == "valid"} == {200, 202}
    await started_once(listening, DISTINCT)


async def test_a_web_process_that_is_killed_in_a_storm_loses_nothing_that_it_took(
    listening: Listening, database: str, tmp_path: Path
) -> None:
    with psycopg.connect(database, autocommit=True) as rows:
        declare(rows, tmp_path, shop={})
    await listening.listen("shop.*", overlap="allow")
    answers: Counter[tuple[str, int]] = Counter()
    requests, ports = iter(storm(1_500, 600)), list[int]()

    async with web(tmp_path, database, ports):
        blowing = asyncio.gather(*(blow(ports, requests, answers) for _ in range(SENDERS)))
        while sum(answers.values()) < 500:
            await SYSTEM_CLOCK.sleep(0.01)
    async with web(tmp_path, database, ports):
        await blowing

    # Of what was in work when it was killed the first answer was lost, and the second says that it came before.
    assert 600 - SENDERS <= answers["valid", 202] <= 600
    await started_once(listening, 600)
