"""`ordinaut events` reads the stream: the last ones, from a position, by type, and as they come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from redis import Redis

from tests.support.cli import Cli
from tests.support.probes import eventually
from tests.support.processes import started
from tests.support.proxy import Proxy
from tests.support.streams import is_following

STREAM = "ordinaut:events"
RUN = UUID("01a1fc87-64b0-8e1b-b472-2cbcc5a6b66d")


@pytest.fixture
def bus(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def add(bus: Redis, kind: str, number: int, *, run: UUID | None = RUN, **data: Any) -> str:
    """An entry as the relay writes it, at position `number`-0."""
    fields = {
        "specversion": "1.0",
        "id": str(UUID(int=number)),
        "source": "ordinaut/test",
        "type": f"ordinaut.{kind}",
        "subject": "briefing",
        "time": "2026-01-05T08:30:00.004000Z",
        "datacontenttype": "application/json",
        "sequence": f"{number:019d}",
        "data": json.dumps({"task": "briefing", **data}),
    }
    if run is not None:
        fields["runid"] = str(run)
    return str(bus.xadd(STREAM, fields, id=f"{number}-0"))


def positions(stdout: str) -> list[str]:
    return [json.loads(line)["position"] for line in stdout.splitlines()]


def test_the_last_events_are_shown_oldest_first(cli: Cli, bus: Redis) -> None:
    for number in range(1, 31):
        add(bus, "run.started", number)

    assert positions(cli("events", "--json").stdout) == [f"{n}-0" for n in range(11, 31)]
    assert positions(cli("events", "--json", "-n", "2").stdout) == ["29-0", "30-0"]
    assert cli("events", "-n", "0").stdout == ""


def test_json_lines_are_cloud_events_with_their_position(cli: Cli, bus: Redis) -> None:
    add(bus, "run.started", 7, late_seconds=0.004)

    assert cli("events", "--json").json == {
        "position": "7-0",
        "specversion": "1.0",
        "id": str(UUID(int=7)),
        "source": "ordinaut/test",
        "type": "ordinaut.run.started",
        "subject": "briefing",
        "time": "2026-01-05T08:30:00.004000Z",
        "datacontenttype": "application/json",
        "sequence": "0000000000000000007",
        "runid": str(RUN),
        "data": {"task": "briefing", "late_seconds": 0.004},
    }


def test_a_line_tells_what_matters(cli: Cli, bus: Redis) -> None:
    error = {"code": "ORD404", "message": "chat not found"}
    add(bus, "run.started", 1, due_at="2026-01-05T08:30:00+00:00", late_seconds=0.004, revision=3)
    add(bus, "step.failed", 2, step="send", uses="chat.send", attempt=2, seconds=1.5, error=error)
    add(bus, "run.waiting", 3, reason="retry", ready_in_seconds=90.0)
    add(bus, "revision.applied", 4, run=None, commit=None, created=2)
    add(bus, "step.succeeded", 5, step="look", attempt=1, outcome="ok", seconds=0.012)

    lines = cli("events").lines

    assert lines[0] == (
        "2026-01-05 08:30:00.004Z  c5a6b66d  run.started       briefing"
        "  due 2026-01-05 08:30Z  late 4 ms  revision=3"
    )
    assert lines[1].endswith(
        "briefing  send  uses=chat.send  attempt=2  1.50 s  ORD404 chat not found"
    )
    assert lines[2].endswith("briefing  retry  ready in 1 min 30 s")
    assert lines[4].endswith("step.succeeded    briefing  look  12 ms")
    assert lines[3].endswith("Z            revision.applied  briefing  created=2")


def test_events_after_a_position_are_all_shown(cli: Cli, bus: Redis) -> None:
    for number in range(1, 1203):
        add(bus, "run.started", number)

    assert positions(cli("events", "--json", "--from", "1200-0").stdout) == ["1201-0", "1202-0"]
    assert len(cli("events", "--json", "--from", "0").lines) == 1202
    assert positions(cli("events", "--json", "--from", "5", "-n", "2").stdout) == ["6-0", "7-0"]


@pytest.mark.parametrize("pattern", ["run.*", "ordinaut.run.*", "*.started"])
def test_types_are_chosen_by_pattern_with_or_without_prefix(
    cli: Cli, bus: Redis, pattern: str
) -> None:
    for number in range(1, 600):
        add(bus, "run.started" if number == 3 else "step.failed", number)

    assert positions(cli("events", "--json", "--type", pattern).stdout) == ["3-0"]
    assert positions(cli("events", "--json", "--type", pattern, "--from", "0").stdout) == ["3-0"]


def test_several_types_may_be_chosen(cli: Cli, bus: Redis) -> None:
    for number, kind in enumerate(["run.started", "step.failed", "task.created"], start=1):
        add(bus, kind, number)

    found = cli("events", "--json", "--type", "run.*", "--type", "task.*")

    assert positions(found.stdout) == ["1-0", "3-0"]


def test_what_is_no_event_of_ours_is_named_and_passed_over(cli: Cli, bus: Redis) -> None:
    bus.xadd(STREAM, {"some": "thing"}, id="1-0")
    bus.xadd(STREAM, {"data": "not json"}, id="2-0")
    add(bus, "run.started", 3)

    found = cli("events", "--json", "--type", "run.*")

    assert positions(found.stdout) == ["3-0"]
    assert found.stderr == (
        "entry 1-0 of the stream is no event of Ordinaut\n"
        "entry 2-0 of the stream is no event of Ordinaut\n"
    )


def test_an_empty_stream_shows_nothing(cli: Cli) -> None:
    assert (cli("events").status, cli("events").stdout) == (0, "")
    assert cli("events", "--from", "0").stdout == ""


@pytest.mark.parametrize("arguments", [(), ("--type", "run.*"), ("--from", "1")])
async def test_following_shows_what_was_and_then_what_comes(
    tmp_path: Path, redis_url: str, bus: Redis, arguments: tuple[str, ...]
) -> None:
    add(bus, "run.started", 1)
    add(bus, "run.started", 2)
    env = {"ORDINAUT_REDIS_URL": redis_url}
    async with started(
        "events", "--follow", "--json", *arguments, cwd=tmp_path, env=env
    ) as process:
        await process.line('"2-0"')
        await eventually(lambda: is_following(redis_url), "a command that waits for events")
        add(bus, "step.failed", 3)
        add(bus, "run.failed", 4)
        await process.line('"4-0"')
        process.interrupt_group()
        shown = positions((await process.ended()).stdout)

    before = [] if arguments[:1] == ("--from",) else ["1-0"]
    between = [] if arguments[:1] == ("--type",) else ["3-0"]
    assert shown == [*before, "2-0", *between, "4-0"]


async def test_following_an_empty_stream_misses_nothing(
    tmp_path: Path, redis_url: str, bus: Redis
) -> None:
    env = {"ORDINAUT_REDIS_URL": redis_url}
    async with started("events", "-f", "--json", cwd=tmp_path, env=env) as process:
        await eventually(lambda: is_following(redis_url), "a command that waits for events")
        add(bus, "run.started", 1)
        await process.line('"1-0"')


async def test_following_goes_on_after_redis_was_away(
    tmp_path: Path, redis_url: str, bus: Redis
) -> None:
    add(bus, "run.started", 1)
    async with Proxy(redis_url) as network:
        env = {"ORDINAUT_REDIS_URL": network.url}
        async with started("events", "-f", "--json", cwd=tmp_path, env=env) as process:
            await eventually(lambda: is_following(redis_url), "a command that waits for events")
            network.refuse()
            network.cut()
            await process.line("; waiting for it")
            add(bus, "run.failed", 2)
            await network.resume()
            await process.line("answers again")
            await process.line('"2-0"')
            process.interrupt_group()
            ended = await process.ended()

    assert positions(ended.stdout) == ["1-0", "2-0"]
    assert len(ended.stderr.splitlines()) == 2


@pytest.mark.parametrize("position", ["x", "1-", "-", "(1-0", "$"])
def test_a_position_that_is_none_is_refused(cli: Cli, position: str) -> None:
    found = cli("events", "--from", position)

    assert (found.status, found.stdout) == (1, "")
    assert "is not a position such as" in found.stderr


def test_without_redis_the_way_to_one_is_named(alone: Cli) -> None:
    found = alone("events")

    assert (found.status, found.stdout) == (1, "")
    assert found.stderr.startswith("error ORD305: there is no Redis")


def test_a_redis_that_does_not_answer_is_named_without_its_password(alone: Cli) -> None:
    found = alone("events", "--redis-url", "redis://user:hidden@127.0.0.1:1/2")

    assert (found.status, found.stdout) == (1, "")
    assert "error ORD305: Redis at 127.0.0.1:1 cannot be used" in found.stderr
    assert "hidden" not in found.stderr


def test_a_key_that_is_no_stream_is_an_error_of_ours(cli: Cli, bus: Redis) -> None:
    bus.set(STREAM, "text")

    found = cli("events")

    assert found.status == 1
    assert "error ORD305" in found.stderr
    assert "wrong kind of value" in found.stderr
