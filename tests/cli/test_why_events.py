"""`ordinaut why` of a task that events start says which it ran for, and what it listens to where nothing has run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.cli.test_why import BEFORE, only, set_now, why
from tests.cli.test_why_conditions import ALIVE
from tests.support.cli import Cli
from tests.support.factories import NOON, TaskRow, insert_revision, insert_run, insert_task

HOUR = timedelta(hours=1)
LISTENING = (
    "insert into ordinaut.listener (task_uid, digest, position, topic, filter, since, heard, fire_at)"
    " values (%s, 'd', 0, %s, %s, %s, %s, %s)"
)


@pytest.fixture
def task(rows: psycopg.Connection) -> TaskRow:
    set_now(rows, NOON)
    rows.execute(ALIVE, [NOON - HOUR, NOON])
    schedule = [{"event": "orders.paid"}]
    return insert_task(
        rows, schedule=schedule, revision_id=insert_revision(rows, applied_at=BEFORE)
    )


Listening = Callable[[tuple[Any, ...], datetime | None], None]


@pytest.fixture
def listening(rows: psycopg.Connection, task: TaskRow) -> Listening:
    """Let the task listen to a topic, with a filter, to so many events until an instant; and one come."""

    def listen(listener: tuple[Any, ...], came_at: datetime | None) -> None:
        topic, condition, heard, fire_at = listener
        rows.execute(LISTENING, [task.uid, topic, condition, NOON - HOUR, heard, fire_at])
        if came_at is not None:
            rows.execute(
                "insert into ordinaut.event (source, event_id, topic, data, arrived_at)"
                " values ('s', '1', 'orders.paid', '1', %s)",
                [came_at],
            )

    return listen


@pytest.mark.parametrize(
    ("listener", "came_at", "said"),
    [
        (("orders.paid", None, 0, None), None, "no event of this topic is on record"),
        (("orders.paid", None, 0, None), NOON - 3 * HOUR, "came before, Mon 2026-01-05 09:00"),
        (("orders.paid", None, 0, None), NOON, "the last event of this topic came Mon 2026-01-05 12:00"),
        (("orders.paid", "data.x", 0, None), NOON, "and the filter has the last word on it"),
        (("orders.*", None, 0, None), NOON, "no event waits to be decided"),
        (("orders.paid", None, 2, NOON + HOUR), NOON, "2 events wait, to be decided Mon 2026-01-05 13:00"),
        (("orders.paid", None, 1, NOON), NOON, "1 event waits, and about to be decided"),
    ],
)  # fmt: skip
def test_what_a_task_listens_to_is_told(
    cli: Cli, listening: Listening, listener: tuple[Any, ...], came_at: datetime | None, said: str
) -> None:
    listening(listener, came_at)

    (fact,) = only(why(cli)).facts

    assert fact.startswith(f"it listens to {listener[0]}")
    assert said in fact


def test_the_event_of_a_run_is_named(cli: Cli, rows: psycopg.Connection, task: TaskRow) -> None:
    insert_run(rows, task, trigger="event", trigger_key="7", requested_by="orders.paid 17 of shop")

    assert "it was called for by an event: orders.paid 17 of shop" in only(why(cli)).facts
