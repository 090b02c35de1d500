"""An apply leaves a pause or a snooze alone, whatever becomes of the schedule; only retiring the task ends it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from runtime.actor import Actor
from runtime.errors import NotFound
from runtime.overrides import pause_task, snooze_task
from schemas.event import EVENTS
from tests.support.applying import Bench, specs, task
from tests.support.locks import somebody_is_blocked

START = datetime(2026, 10, 22, 12, 0, 30, tzinfo=UTC)
PAUSED = "select paused_at, next_for from ordinaut.schedule order by task_uid"
SNOOZED = "select snoozed_since, snoozed_until from ordinaut.schedule"
IN_FORCE = "select actor, reason from ordinaut.task_override where ended_at is null"


def paused(bench: Bench, schedule: str) -> None:
    """A task with this schedule, and a pause of it."""
    bench.stop_the_clock(START)
    bench.apply(specs(task("one", schedule), task("two")))
    pause_task(bench.connection, "one", until=None, reason="vendor outage", actor=Actor("bob"))


def test_a_new_schedule_stays_paused(bench: Bench) -> None:
    paused(bench, "every: 1m")

    bench.apply(specs(task("one", "every: 1h"), task("two")))

    assert bench.rows(PAUSED) == [(START, datetime(2026, 10, 22, 13, 0, tzinfo=UTC))]
    assert bench.rows(IN_FORCE) == [("bob", "vendor outage")]


def test_a_first_schedule_is_paused_if_its_task_is(bench: Bench) -> None:
    paused(bench, "manual: true")

    bench.stop_the_clock(START + timedelta(minutes=5))
    bench.apply(specs(task("one", "every: 1h"), task("two", "every: 1h")))

    next_for = datetime(2026, 10, 22, 13, 0, tzinfo=UTC)
    assert bench.rows(PAUSED) == [(START, next_for), (None, next_for)]


def test_a_renamed_task_stays_paused(bench: Bench) -> None:
    paused(bench, "every: 1m")

    bench.apply(specs(task("uno", "every: 1m", "renamed_from: one\n"), task("two")))

    assert [at for at, _ in bench.rows(PAUSED)] == [START]
    assert [(o.key, o.reason) for o in bench.plan(specs(task("uno", "every: 1m"), task("two"))).overrides] == [("uno", "vendor outage")]  # fmt: skip


def test_retiring_a_task_ends_its_pause(bench: Bench) -> None:
    paused(bench, "every: 1m")

    bench.apply(specs(task("two")))
    assert bench.rows(IN_FORCE) == []
    bench.apply(specs(task("one", "every: 1m"), task("two")))

    assert [at for at, _ in bench.rows(PAUSED)] == [None]
    assert bench.plan(specs(task("one", "every: 1m"), task("two"))).overrides == ()


def test_a_first_schedule_is_snoozed_if_its_task_is(bench: Bench) -> None:
    bench.stop_the_clock(START)
    bench.apply(specs(task("one"), task("two")))
    snooze_task(bench.connection, "one", until="10m", reason="", actor=Actor("bob"))

    bench.apply(specs(task("one", "every: 1m"), task("two")))

    assert bench.rows(SNOOZED) == [(START, START + timedelta(minutes=10))]


def test_retiring_a_task_ends_its_snooze(bench: Bench) -> None:
    """What is due when the task is back runs, whatever was said of the one before."""
    bench.stop_the_clock(START)
    bench.apply(specs(task("one", "every: 1m"), task("two")))
    snooze_task(bench.connection, "one", until="10m", reason="", actor=Actor("bob"))

    bench.stop_the_clock(START + timedelta(minutes=2))
    bench.apply(specs(task("two")))
    bench.apply(specs(task("one", "every: 1m"), task("two")))

    assert bench.rows(SNOOZED) == [(START, START + timedelta(minutes=2))]


async def test_a_task_that_is_retired_meanwhile_cannot_be_paused(bench: Bench) -> None:
    bench.apply(specs(task("one", "every: 1m"), task("two")))

    def pause() -> None:
        with bench.other() as connection:
            pause_task(connection, "one", until=None, reason="", actor=Actor("bob"))

    with bench.other() as retiring, retiring.transaction():
        retiring.execute("update ordinaut.spec set retired_at = now() where name = 'one'")
        pausing = asyncio.create_task(asyncio.to_thread(pause))
        await somebody_is_blocked(bench.url)
    with pytest.raises(NotFound, match="task one is retired"):
        await pausing

    assert bench.rows(IN_FORCE) == []


def test_what_came_after_a_pause_that_nobody_ended_yet_is_decided_by_the_catch_up_policy(
    bench: Bench,
) -> None:
    bench.stop_the_clock(START)
    bench.apply(specs(task("one", "every: 1m"), task("two")))
    pause_task(bench.connection, "one", until="90s", reason="", actor=Actor("bob"))
    bench.stop_the_clock(START + timedelta(minutes=3))

    bench.apply(specs(task("one", "every: 1h"), task("two")))

    decided = "select state, reason from ordinaut.run order by occurrence_for"
    assert bench.rows(decided) == [
        ("skipped", "catch_up_latest"),
        ("skipped", "catch_up_latest"),
        ("queued", None),
    ]
    assert [at for at, _ in bench.rows(PAUSED)] == [None]
    ended = "select ended_at from ordinaut.task_override"
    assert bench.rows(ended) == [(START + timedelta(seconds=90),)]
    (told,) = bench.row("select data from ordinaut.event_log where type = 'task.resumed'")
    EVENTS["task.resumed"].model_validate(told)
