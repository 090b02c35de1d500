"""`ordinaut emit`."""

from __future__ import annotations

import json
from uuid import UUID

import psycopg
import pytest

from runtime.core.callback import callback_token
from tests.support.cli import Cli
from tests.support.factories import (
    NOON,
    TaskRow,
    insert_sleeping_run,
    insert_task,
    insert_wait,
)

STEPS = [{"id": "wait", "uses": "ordinaut.wait_for", "with": {"event": "orders.paid"}}]


@pytest.fixture
def task(rows: psycopg.Connection) -> TaskRow:
    return insert_task(rows, "orders", pipeline=STEPS)


@pytest.fixture
def run(rows: psycopg.Connection, task: TaskRow) -> UUID:
    """A run that sleeps, and waits for what its test says."""
    return insert_sleeping_run(rows, task, started_at=NOON)


def answer(rows: psycopg.Connection) -> object:
    return (rows.execute("select answer -> 'data' from ordinaut.wait").fetchone() or ())[0]


def test_an_event_ends_the_wait_for_it(cli: Cli, rows: psycopg.Connection, run: UUID) -> None:
    asked = {"topic": "orders.paid", "filter": "data.order == `17`"}
    insert_wait(rows, run, "wait", kind="event", asked=asked)

    other = cli("emit", "orders.paid", "--data", '{"order": 18}')
    right = cli("emit", "orders.paid", "--data", '{"order": 17}', "--id", "17")
    again = cli("emit", "orders.paid", "--data", '{"order": 17}', "--id", "17", "--json")

    assert other.stdout == "On record: nothing waits for it yet.\n"
    assert right.stdout == "On record: 1 wait ended.\n"
    facts = {"id": "17", "topic": "orders.paid", "is_new": False, "ended": 0, "heard": 0}
    assert json.loads(again.stdout) == facts
    assert answer(rows) == {"order": 17}
    assert rows.execute("select ready_at <= now() from ordinaut.due_work").fetchone() == (True,)


def test_a_callback_is_answered_once(cli: Cli, rows: psycopg.Connection, run: UUID) -> None:
    insert_wait(rows, run, "wait", kind="callback", asked={"topic": f"callback:{run}:wait"})
    (key,) = rows.execute("select callback_key from ordinaut.installation").fetchone() or ()
    token = callback_token(key, run, "wait")

    first = cli("emit", "--callback", token, "--data", '"done"')
    second = cli("emit", "--callback", token)
    strange = cli("emit", "--callback", "wait.AAAA")

    assert first.stdout == "On record: 1 wait ended.\n"
    assert answer(rows) == "done"
    assert (second.status, strange.status) == (1, 1)
    assert "ORD315: the callback token was used before" in second.stderr
    assert "ORD315: the callback token was not made here" in strange.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give a TOPIC, or a token with --callback"),
        (("a.b", "--callback", "x"), "give a TOPIC, or a token with --callback"),
        (("a:b",), "a TOPIC is a topic of letters"),
        (("a.b", "--data", "{"), "--data is no JSON"),
    ],
)
def test_what_cannot_be_told_is_refused(
    cli: Cli, rows: psycopg.Connection, arguments: tuple[str, ...], said: str
) -> None:
    refused = cli("emit", *arguments)

    assert refused.status == 1
    assert said in refused.stderr
    assert rows.execute("select count(*) from ordinaut.event").fetchone() == (0,)


def test_a_run_shows_what_event_it_waits_for(
    cli: Cli, rows: psycopg.Connection, run: UUID
) -> None:
    asked = {"topic": "orders.paid", "filter": "data.order == `17`"}
    insert_wait(rows, run, "wait", kind="event", asked=asked, until=NOON)

    story = cli("show", "orders")

    assert "waits   for orders.paid  where data.order == `17`  until 2026-01-05" in story.stdout


def test_an_event_is_linked_to_the_span_that_it_is_told_from(
    cli: Cli, rows: psycopg.Connection
) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    assert cli("emit", "orders.paid", "--traceparent", parent).status == 0
    refused = cli("emit", "orders.paid", "--traceparent", "mine")

    assert refused.status == 1
    assert "W3C Trace Context" in refused.stderr
    assert rows.execute("select trace_link from ordinaut.event").fetchall() == [(parent,)]
