"""The example of a consumer: it takes each event, takes over from the dead, and sets aside what cannot be taken."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from redis import Redis

from runtime.bus import open_bus
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.relay import Relay
from runtime.store.pool import open_pool
from runtime.wake import Bell
from tests.support.factories import insert_event
from tests.support.processes import ROOT, started

FILE = ROOT / "examples" / "consumer" / "consumer.py"
STREAM = "ordinaut:events"
NO_TIME = timedelta(0)


def _example() -> Any:
    spec = importlib.util.spec_from_file_location("example_consumer", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


EXAMPLE = _example()


@pytest.fixture
def bus(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


class Taken:
    """Remembers what it was given, and fails at what it is told to."""

    def __init__(self, *fails_at: int) -> None:
        self.numbers: list[int] = []
        self.fails_at = set(fails_at)

    def __call__(self, event: dict[str, Any]) -> None:
        self.numbers.append(event["data"]["n"])
        if event["data"]["n"] in self.fails_at:
            raise RuntimeError("not now")


def member(
    bus: Redis, take: Taken, name: str = "one", *wants: str, patience: timedelta = NO_TIME
) -> Any:
    settings = replace(EXAMPLE.Settings(), member=name, patience=patience)
    consumer = EXAMPLE.Consumer(bus, settings, take, wants or ("*",))
    consumer.run_once(wait=NO_TIME)
    return consumer


def add(bus: Redis, *numbers: int, kind: str = "run.started") -> None:
    for number in numbers:
        fields = {
            "id": str(UUID(int=number)),
            "type": f"ordinaut.{kind}",
            "data": json.dumps({"n": number}),
        }
        bus.xadd(STREAM, fields)  # type: ignore[arg-type]  # its dictionaries are invariant


def pending(bus: Redis) -> int:
    return int(bus.xpending(STREAM, "example")["pending"])


def test_each_event_is_taken_once_though_it_comes_twice(bus: Redis) -> None:
    take = Taken()
    consumer = member(bus, take)
    add(bus, 1, 2, 1)

    consumer.run_once(wait=NO_TIME)
    add(bus, 2, 3)
    consumer.run_once(wait=NO_TIME)

    assert (take.numbers, pending(bus)) == ([1, 2, 3], 0)


def test_what_is_not_wanted_is_passed_over(bus: Redis) -> None:
    take = Taken()
    consumer = member(bus, take, "one", "run.f*")
    add(bus, 1)
    add(bus, 2, kind="run.failed")

    consumer.run_once(wait=NO_TIME)

    assert (take.numbers, pending(bus)) == ([2], 0)


def test_another_takes_over_what_a_member_died_with(bus: Redis) -> None:
    member(bus, Taken())
    add(bus, 1, 2)
    bus.xreadgroup("example", "dead", {STREAM: ">"}, count=1)
    take = Taken()

    member(bus, take, "two")

    assert (sorted(take.numbers), pending(bus)) == ([1, 2], 0)


def test_what_fails_is_tried_again_and_set_aside_after_a_few_times(bus: Redis) -> None:
    take = Taken(2)
    consumer = member(bus, take)
    add(bus, 1, 2, 3)

    for _ in range(6):
        consumer.run_once(wait=NO_TIME)

    assert take.numbers == [1, 2, 3, 2, 2]
    [(_, aside)] = bus.xrange(consumer.set_aside)
    assert (aside["id"], aside["reason"]) == (str(UUID(int=2)), "failed 3 times")
    assert pending(bus) == 0


def test_what_fails_once_is_taken_when_its_time_comes(bus: Redis) -> None:
    take = Taken(1)
    consumer = member(bus, take)
    add(bus, 1)
    consumer.run_once(wait=NO_TIME)
    take.fails_at.clear()

    consumer.run_once(wait=NO_TIME)

    assert (take.numbers, pending(bus), bus.exists(consumer.set_aside)) == ([1, 1], 0, 0)


def test_what_is_no_event_is_set_aside_at_once(bus: Redis) -> None:
    take = Taken()
    consumer = member(bus, take)
    bus.xadd(STREAM, {"some": "thing"})
    bus.xadd(STREAM, {"id": "1", "type": "x", "data": "not json"})
    add(bus, 1)

    consumer.run_once(wait=NO_TIME)

    assert (take.numbers, pending(bus), bus.xlen(consumer.set_aside)) == ([1], 0, 2)


def test_a_redis_that_comes_back_empty_gets_its_group_again(bus: Redis) -> None:
    take = Taken()
    consumer = member(bus, take)
    bus.flushdb()
    add(bus, 1)

    consumer.run_once(wait=NO_TIME)
    consumer.run_once(wait=NO_TIME)

    assert take.numbers == [1]


async def test_the_program_shows_what_a_relay_publishes(
    redis_url: str, database: str, tmp_path: Path
) -> None:
    with psycopg.connect(database, autocommit=True) as rows:
        insert_event(rows, "run.started")
        insert_event(rows, "run.failed", subject="invoices")
    pool = await open_pool(database)
    async with open_bus(redis_url) as bus:
        await Relay(pool, bus, Config(), SYSTEM_CLOCK, Bell(SYSTEM_CLOCK)).run_once()
    await pool.close()
    arguments = [str(FILE), "--type", "run.failed", "--url", redis_url]
    async with started(*arguments, cwd=tmp_path, program=(sys.executable,)) as process:
        line = await process.line("invoices")
        process.terminate()
        ended = await process.ended()

    assert line.split()[1:] == ["run.failed", "invoices"]
    assert (ended.status, ended.stderr, len(ended.stdout.splitlines())) == (0, "", 1)
