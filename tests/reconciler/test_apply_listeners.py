"""What an apply makes of event schedules: which listen, which begin anew, and what becomes of what others had heard."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from runtime.store.events import Event, arrive
from runtime.store.hearing import Due, decide_heard, list_due
from tests.support.applying import Bench, specs, task

PAID = "event: orders.paid"
HELD = f"{PAID}, debounce: 1h"


def emit(database: str, number: int) -> None:
    """Tell of an order."""

    async def told() -> None:
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
            await arrive(connection, Event("orders.paid", {"order": number}, "shop", str(number)))

    asyncio.run(told())


def decide(database: str) -> list[Due]:
    """Decide what is due."""

    async def decided() -> list[Due]:
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
            due = await list_due(connection, 10)
            for one in due:
                await decide_heard(connection, one)
            return due

    return asyncio.run(decided())


def runs(bench: Bench) -> list[tuple[object, ...]]:
    return bench.rows("select state, reason, event -> 'count' from ordinaut.run order by run_id")


def test_an_applied_schedule_listens_from_then_on(bench: Bench) -> None:
    bench.apply(specs(task("pack", f'{PAID}, filter: "data.order > `1`"')))

    assert bench.rows(
        "select task_uid, position, topic, filter, quiet, most, heard, fire_at from ordinaut.listener"
    ) == [(bench.uid("pack"), 0, "orders.paid", "data.order > `1`", None, None, 0, None)]


@pytest.mark.parametrize("more", ["priority: 9\n", "params: {city: x}\n"])
def test_a_change_of_anything_else_keeps_what_was_heard(
    bench: Bench, database: str, more: str
) -> None:
    bench.apply(specs(task("pack", HELD)))
    emit(database, 1)
    before = bench.rows("select * from ordinaut.listener")

    bench.apply(specs(task("pack", HELD, more)))

    assert bench.rows("select * from ordinaut.listener") == before
    assert decide(database) == []


def test_another_window_lets_what_was_heard_be_decided_at_once(
    bench: Bench, database: str
) -> None:
    bench.apply(specs(task("pack", HELD)))
    emit(database, 1)
    emit(database, 2)

    bench.apply(specs(task("pack", f"{PAID}, debounce: 2h")))
    decide(database)

    assert runs(bench) == [("queued", None, 2)]


@pytest.mark.parametrize(
    ("after", "reason"),
    [(task("pack", "event: orders.made"), "replaced"), (task("other"), "retired")],
)
def test_what_a_schedule_that_is_gone_had_heard_is_on_record(
    bench: Bench, database: str, after: str, reason: str
) -> None:
    bench.apply(specs(task("pack", HELD), task("other")))
    emit(database, 1)
    emit(database, 2)

    bench.apply(specs(after, *([] if reason == "retired" else [task("other")])))
    emit(database, 3)
    decide(database)

    assert runs(bench) == [("skipped", reason, None)] * 2
    left = bench.rows("select topic from ordinaut.listener")
    assert left == ([] if reason == "retired" else [("orders.made",)])


@pytest.mark.parametrize(
    ("after", "reason"),
    [(task("pack", "event: orders.made"), "replaced"), (task("other", "event: x"), "retired")],
)
def test_what_came_before_a_schedule_was_gone_and_is_delivered_afterwards_is_on_record(
    bench: Bench, database: str, after: str, reason: str
) -> None:
    """As when runtimes are stopped, specs applied, and runtimes started again."""
    tell = "insert into ordinaut.event (source, event_id, topic, data) values ('shop', %s, 'orders.paid', '1')"
    due = "update ordinaut.listener set fire_at = ordinaut.now() where position < 0"
    other = task("other", "event: x")
    bench.apply(specs(task("pack", PAID), other))
    bench.run(tell, "1")

    bench.apply(specs(after, *([] if reason == "retired" else [other])))
    decide(database)
    bench.run(tell, "2")
    emit(database, 3)
    for _ in range(2):
        bench.run(due)
        decide(database)

    assert runs(bench) == [("skipped", reason, None)]
    assert bench.rows("select topic from ordinaut.listener where position < 0") == []


def test_a_schedule_that_comes_back_before_that_goes_on(bench: Bench, database: str) -> None:
    bench.apply(specs(task("pack", HELD)))
    emit(database, 1)
    bench.apply(specs(task("pack", "event: orders.made")))
    emit(database, 2)

    bench.apply(specs(task("pack", HELD)))
    emit(database, 3)
    bench.run("update ordinaut.listener set fire_at = ordinaut.now() where topic = 'orders.paid'")
    decide(database)

    assert runs(bench) == [("queued", None, 2)]
