"""Types of events may have a stream of their own, beside the one that has all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from redis.asyncio import Redis

from runtime.bus import open_bus
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.errors import ConfigError
from runtime.relay import Relay
from runtime.store.pool import Pool
from runtime.wake import Bell
from tests.support.factories import insert_event


@pytest.fixture
def rows(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def bus(redis_url: str) -> AsyncIterator[Redis]:
    async with open_bus(redis_url) as bus:
        yield bus


def relay(pool: Pool, bus: Redis, **settings: object) -> Relay:
    config = Config(**settings)  # type: ignore[arg-type]  # as given
    return Relay(pool, bus, config, SYSTEM_CLOCK, Bell(SYSTEM_CLOCK))


async def test_the_types_that_are_named_go_on_their_own_streams_too(
    rows: psycopg.Connection, pool: Pool, bus: Redis
) -> None:
    for kind in ("run.started", "run.failed", "step.failed", "drift.detected", "run.failed"):
        insert_event(rows, kind)

    await relay(pool, bus, topic_streams=("*.failed", "ordinaut.drift.*")).run_once()

    everything = [fields for _, fields in await bus.xrange("ordinaut:events")]
    assert len(everything) == 5
    own = {key for key in await bus.keys("*") if not key.endswith(":marks")} - {"ordinaut:events"}
    assert own == {
        f"{{ordinaut:events}}:{kind}" for kind in ("run.failed", "step.failed", "drift.detected")
    }
    failed = [fields for _, fields in await bus.xrange("{ordinaut:events}:run.failed")]
    assert failed == [everything[1], everything[4]]


async def test_a_stream_of_a_type_is_cut_as_the_one_of_all_is(
    rows: psycopg.Connection, pool: Pool, bus: Redis
) -> None:
    rows.execute(
        "insert into ordinaut.event_log (type, subject, data)"
        " select 'run.failed', 'many', '{}' from generate_series(1, 500)"
    )

    await relay(pool, bus, stream_length=100, topic_streams=("run.failed",)).run_once()

    assert 100 <= await bus.xlen("{ordinaut:events}:run.failed") < 300


async def test_a_type_that_there_is_not_is_a_wrong_setting(pool: Pool, bus: Redis) -> None:
    with pytest.raises(ConfigError, match="setting topic_streams: no type of event is like runn"):
        relay(pool, bus, topic_streams=("run.*", "runn.*"))


def test_the_setting_is_a_list_of_globs() -> None:
    config = Config.load(environ={"ORDINAUT_TOPIC_STREAMS": "run.failed, drift.*"})

    assert config.topic_streams == ("run.failed", "drift.*")
