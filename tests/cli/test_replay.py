"""`ordinaut events replay` publishes events of the log again: the same, in order, and before what is new."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from runtime.bus import open_bus
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.relay import Relay
from runtime.store.pool import open_pool
from runtime.wake import Bell
from tests.support.cli import Cli
from tests.support.factories import NOON, insert_event, insert_run, insert_task
from tests.support.processes import ordinaut, started

STREAM = "ordinaut:events"
pytestmark = pytest.mark.usefixtures("_it_is_noon")


class Spine:
    """The way of events from the outbox to the stream."""

    def __init__(self, database: str, redis_url: str) -> None:
        self.env = {"ORDINAUT_DATABASE_URL": database, "ORDINAUT_REDIS_URL": redis_url}
        self._database = database
        self._redis_url = redis_url

    async def publish(self) -> None:
        pool = await open_pool(self._database)
        async with open_bus(self._redis_url) as bus:
            relay = Relay(pool, bus, Config(), SYSTEM_CLOCK, Bell(SYSTEM_CLOCK))
            while await relay.run_once():
                pass
        await pool.close()

    def on_stream(self) -> list[dict[str, str]]:
        with Redis.from_url(self._redis_url, decode_responses=True) as bus:
            return [fields for _, fields in bus.xrange(STREAM)]


@pytest.fixture
def spine(database: str, redis_url: str) -> Spine:
    return Spine(database, redis_url)


def tell(
    rows: psycopg.Connection, count: int, kind: str = "run.started", **columns: object
) -> None:
    """Events of one minute after another, from noon."""
    for number in range(count):
        at = NOON + timedelta(minutes=number)
        insert_event(rows, kind, **{"occurred_at": at, **columns})


async def test_the_same_events_go_out_again_in_order_and_before_what_is_new(
    cli: Cli, rows: psycopg.Connection, spine: Spine
) -> None:
    tell(rows, 5)
    await spine.publish()
    before = spine.on_stream()
    insert_event(rows, "run.failed")

    asked = cli("events", "replay", "--from", "2026-01-05T12:01", "--to", "2026-01-05T12:03")
    await spine.publish()

    assert (asked.status, asked.stdout) == (
        0,
        "3 events of 2026-01-05 12:01:00Z to 2026-01-05 12:03:00Z go out again: they wait in the outbox;"
        " no runtime is there that publishes\n",
    )
    after = spine.on_stream()
    assert after[:8] == [*before, *before[1:4]]
    assert after[8]["type"] == "ordinaut.run.failed"


async def test_a_dry_run_counts_and_asks_for_nothing(
    cli: Cli, rows: psycopg.Connection, spine: Spine
) -> None:
    tell(rows, 3)
    await spine.publish()

    found = cli("events", "replay", "--from", "2026-01-05", "--dry-run", "--json").json

    assert found == {
        "dry_run": True,
        "events": 3,
        "published": 0,
        "first_at": "2026-01-05T12:00:00Z",
        "last_at": "2026-01-05T12:02:00Z",
        "first_sequence": 1,
        "last_sequence": 3,
        "kept_since": "2026-01-05T12:00:00Z",
        "has_relay": False,
    }
    assert rows.execute("select count(*) from ordinaut.outbox").fetchone() == (0,)


@pytest.mark.parametrize(
    ("arguments", "events"),
    [
        (("--from", "0"), 6),
        (("--from", "0000000000000000002", "--to", "4"), 3),
        (("--from", "2026-01-05", "--to", "2026-01-05"), 6),
        (("--from", "2026-01-05T14:02+02:00"), 1),
        (("--from", "1m"), 6),
        (("--from", "0", "--type", "ordinaut.step.*", "--type", "run.failed"), 3),
        (("--run", "last"), 3),
        (("--run", "briefing", "--from", "2026-01-05T12:01"), 2),
    ],
)
async def test_events_are_chosen_by_time_sequence_type_and_run(
    cli: Cli, rows: psycopg.Connection, spine: Spine, arguments: tuple[str, ...], events: int
) -> None:  # fmt: skip
    run_id = insert_run(rows, insert_task(rows))
    tell(rows, 3, "step.succeeded", run_id=run_id)
    tell(rows, 3, occurred_at=NOON)
    await spine.publish()

    assert cli("events", "replay", "--dry-run", "--json", *arguments).json["events"] == events


async def test_what_waits_anyway_does_not_go_out_twice(
    cli: Cli, rows: psycopg.Connection, spine: Spine
) -> None:
    tell(rows, 3)
    await spine.publish()
    insert_event(rows, "run.failed")
    cli("events", "replay", "--from", "0", "--no-wait")

    again = cli("events", "replay", "--from", "0", "--no-wait")

    assert (again.status, "error ORD330" in again.stderr) == (1, True)
    await spine.publish()
    assert len(spine.on_stream()) == 3 + 3 + 1


async def test_more_than_the_stream_holds_is_refused_unless_it_is_asked_for_by_number(
    cli: Cli, rows: psycopg.Connection, spine: Spine
) -> None:
    tell(rows, 4)
    await spine.publish()
    env = {"ORDINAUT_STREAM_LENGTH": "3"}

    refused = cli("events", "replay", "--from", "0", **env)
    let_through = cli("events", "replay", "--from", "0", "--most", "4", **env)

    assert (refused.status, "--most 4" in refused.stderr) == (1, True)
    assert (let_through.status, let_through.stderr) == (0, "")
    audited = rows.execute(
        "select action, subject, details ->> 'events' from ordinaut.audit where action like 'events.%'"
    )
    assert audited.fetchall() == [("events.replay", "events", "4")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say where to begin with --from"),
        (("--from", "yesterday"), "'yesterday' is no sequence, no time and no span"),
        (("--from", "0", "--type", "runn.*"), "no type of event is like runn.*"),
        (("--from", "0"), "there are no such events that were published"),
        (("--run", "nothing"), "nothing is neither a run nor a task"),
    ],
)
def test_what_makes_no_sense_is_refused(
    cli: Cli, arguments: tuple[str, ...], message: str
) -> None:
    found = cli("events", "replay", *arguments)

    assert (found.status, found.stdout) == (1, "")
    assert message in found.stderr


async def test_a_relay_at_work_publishes_them_and_the_command_waits_for_it(
    rows: psycopg.Connection, spine: Spine, tmp_path: Path
) -> None:
    tell(rows, 700, occurred_at=NOON)
    await spine.publish()
    async with started("runtime", cwd=tmp_path, env=spine.env) as runtime:
        await runtime.line("started")
        asked = await ordinaut("events", "replay", "--from", "0", cwd=tmp_path, env=spine.env)

    assert asked.stdout.startswith("700 events published again")
    assert len(spine.on_stream()) == 1400
