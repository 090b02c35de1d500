"""What the API does, it does as the commands do, once, by those who may, with who and why on record."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.factories import (
    TaskRow,
    insert_due_work,
    insert_run,
    insert_task,
)
from tests.support.web import Web

V1 = "/api/v1"
TASK = f"{V1}/tasks/default/briefing"
WHY = {"reason": "a test"}


@pytest.fixture(autouse=True)
def task(rows: psycopg.Connection) -> TaskRow:
    return insert_task(rows)


def audited(rows: psycopg.Connection) -> list[tuple[Any, ...]]:
    """Who did what over HTTP."""
    return rows.execute(
        "select action, actor, origin, token, reason from ordinaut.audit where origin = 'api' order by 1"
    ).fetchall()


def runs(rows: psycopg.Connection) -> int:
    return len(rows.execute("select run_id from ordinaut.run").fetchall())


def test_a_run_is_asked_for_with_who_and_why(web: Web, rows: psycopg.Connection) -> None:
    made = web.client.post(f"{TASK}/runs", json=WHY)

    assert made.status_code == 201, made.text
    assert made.json()["state"] == "queued"
    assert made.json()["requested_by"] == "tester"
    assert web.client.get(made.headers["location"]).json()["run_id"] == made.json()["run_id"]
    assert audited(rows) == [("task.run", "tester", "api", "tester", "a test")]


@pytest.mark.parametrize(
    ("path", "body", "outcome"),
    [
        ("/pause", {"until": "2h"}, "paused"),
        ("/snooze", {"until": "2h"}, "snoozed"),
        ("/resume", {}, "not_paused"),
    ],
)
def test_a_task_is_held_back_and_let_go(
    web: Web, path: str, body: dict[str, str], outcome: str
) -> None:
    done = web.client.post(TASK + path, json=WHY | body)

    assert done.status_code == 200, done.text
    assert done.json()["outcome"] == outcome


def test_a_run_is_cancelled_and_run_again(
    web: Web, rows: psycopg.Connection, task: TaskRow
) -> None:
    run_id = insert_run(rows, task, state="queued")
    insert_due_work(rows, task, run_id)

    cancelled = web.client.post(f"{V1}/runs/{run_id}/cancel", json=WHY)
    again = web.client.post(f"{V1}/runs/{run_id}/cancel", json=WHY)
    rerun = web.client.post(f"{V1}/runs/{run_id}/reruns", json=WHY)

    assert (cancelled.json()["outcome"], again.json()["outcome"]) == ("cancelled", "unchanged")
    assert rerun.status_code == 201, rerun.text
    assert rerun.json()["rerun_of"] == str(run_id)
    assert [one[0] for one in audited(rows)] == ["run.cancel", "run.rerun"]


def test_an_event_counts_once_by_its_id(web: Web) -> None:
    event = {"topic": "orders.paid", "data": {"order": 17}, "id": "order-17"}

    first = web.client.post(f"{V1}/events", json=event)
    again = web.client.post(f"{V1}/events", json=event)

    assert first.status_code == 200, first.text
    assert (first.json()["is_new"], again.json()["is_new"]) == (True, False)


@pytest.mark.parametrize("what", ["approvals", "unsettled"])
def test_nothing_is_decided_where_nothing_waits(
    web: Web, rows: psycopg.Connection, task: TaskRow, what: str
) -> None:
    run_id = insert_run(rows, task)
    body = {"approved": True} if what == "approvals" else {"settled": "failed"}

    refused = web.client.post(f"{V1}/{what}/{run_id}/pay", json=WHY | body)

    assert (refused.status_code, refused.json()["code"]) == (404, "ORD310")


def test_no_plan_passes_that_does_not_wait(web: Web) -> None:
    for what in ("approval", "withdrawal"):
        refused = web.client.post(f"{V1}/plans/{'0' * 64}/{what}", json=WHY)
        assert refused.status_code == 404


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "  "}, {"reason": 1}, {"reason": "x", "more": 1}, [], None])  # fmt: skip
def test_what_is_done_needs_a_reason_and_takes_nothing_else(
    web: Web, rows: psycopg.Connection, body: Any
) -> None:
    assert web.client.post(f"{TASK}/pause", json=body).status_code == 422
    assert audited(rows) == []


def test_a_refusal_says_what_the_command_says(web: Web) -> None:
    refused = web.client.post(f"{TASK}/pause", json=WHY | {"until": "yesterday"})

    assert refused.status_code == 422
    assert refused.json()["code"] == "ORD007"
    assert "is no end of a pause" in refused.json()["detail"]


def test_the_same_key_gets_the_same_answer_and_nothing_is_done_again(
    web: Web, rows: psycopg.Connection
) -> None:
    key = {"Idempotency-Key": "order-17"}

    first = web.client.post(f"{TASK}/runs", json=WHY, headers=key)
    again = web.client.post(f"{TASK}/runs", json=dict(WHY), headers=key)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert runs(rows) == 1
    assert len(audited(rows)) == 1


def test_a_key_stands_for_one_request_of_one_token(web: Web, rows: psycopg.Connection) -> None:
    key = {"Idempotency-Key": "order-17"}
    web.client.post(f"{TASK}/runs", json=WHY, headers=key)

    other_body = web.client.post(f"{TASK}/runs", json={"reason": "another"}, headers=key)
    other_path = web.client.post(f"{TASK}/resume", json=WHY, headers=key)
    other_token = httpx.post(
        f"{web.url}{TASK}/runs", json=WHY | {"overlap": True}, headers=key | web.as_("operate")
    )

    assert (other_body.status_code, other_body.json()["code"]) == (422, "ORD329")
    assert other_path.status_code == 422
    assert other_token.status_code == 201, other_token.text
    assert runs(rows) == 2


def test_a_key_holds_for_24_hours(web: Web, rows: psycopg.Connection) -> None:
    key = {"Idempotency-Key": "order-17"}
    web.client.post(f"{TASK}/runs", json=WHY, headers=key)
    rows.execute("update ordinaut.api_request set answered_at = answered_at - interval '25 hours'")

    later = web.client.post(f"{TASK}/runs", json=WHY | {"overlap": True}, headers=key)

    assert later.status_code == 201, later.text
    assert runs(rows) == 2
    assert len(rows.execute("select from ordinaut.api_request").fetchall()) == 1


def test_what_was_refused_had_no_effect_and_may_be_tried_again(
    web: Web, rows: psycopg.Connection
) -> None:
    key = {"Idempotency-Key": "order-17"}
    wish = WHY | {"params": {"nothing": 1}}

    for _ in range(2):
        assert web.client.post(f"{TASK}/runs", json=wish, headers=key).status_code == 404
    assert rows.execute("select from ordinaut.api_request").fetchall() == []


def test_of_two_at_once_one_is_told_to_wait(web: Web, rows: psycopg.Connection) -> None:
    """The first is held up in the middle, by a lock on what it writes last; the second does not wait for it."""
    key = {"Idempotency-Key": "order-17"}
    answers: list[int] = []

    def ask() -> None:
        answers.append(web.client.post(f"{TASK}/runs", json=WHY, headers=key).status_code)

    with rows.transaction():
        rows.execute("lock table ordinaut.api_request in share mode")
        first = threading.Thread(target=ask)
        first.start()
        second = _refused(web, key)
    first.join()

    assert (second.status_code, second.json()["code"]) == (409, "ORD329")
    assert second.headers["retry-after"] == "1"
    assert answers == [201]
    assert runs(rows) == 1


def _refused(web: Web, key: dict[str, str]) -> httpx.Response:
    """The answer to a request beside one that is held up; another path, so that it never is the one that begins."""
    while True:
        answer = web.client.post(f"{TASK}/nothing-yet", json=WHY, headers=key)
        assert answer.status_code in {404, 405}
        held = web.client.get(f"{V1}/runs").json()["runs"]
        assert held == []
        with psycopg.connect(web.database) as connection:
            waiting = connection.execute(
                "select from pg_locks where locktype = 'advisory' and database ="
                " (select oid from pg_database where datname = current_database())"
            ).fetchall()
        if waiting:
            return web.client.post(f"{TASK}/runs", json=WHY, headers=key)


def test_a_crash_before_the_answer_is_kept_undoes_the_effect(
    web: Web, rows: psycopg.Connection
) -> None:
    rows.execute(
        "create function public.fail() returns trigger language plpgsql as $$ begin raise 'crash'; end $$;"
        "create trigger fail before insert on ordinaut.api_request execute function public.fail()"
    )

    failed = web.client.post(f"{TASK}/runs", json=WHY, headers={"Idempotency-Key": "a"})

    assert failed.status_code == 503
    assert runs(rows) == 0
    assert audited(rows) == []


@pytest.mark.parametrize("key", ["", "x" * 256, "é".encode("latin-1")])
def test_a_key_that_is_none_is_refused(web: Web, key: Any) -> None:
    headers = [(b"Idempotency-Key", key if isinstance(key, bytes) else key.encode())]

    assert web.client.post(f"{TASK}/runs", json=WHY, headers=headers).status_code == 422


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        (f"{TASK}/runs", "operate"),
        (f"{TASK}/pause", "operate"),
        (f"{V1}/runs/00000000-0000-8000-8000-000000000000/cancel", "operate"),
        (f"{V1}/unsettled/00000000-0000-8000-8000-000000000000/a", "operate"),
        (f"{V1}/approvals/00000000-0000-8000-8000-000000000000/a", "approve"),
        (f"{V1}/plans/{'0' * 64}/approval", "approve"),
        (f"{V1}/events", "emit"),
    ],
)
def test_only_those_act_who_may(web: Web, rows: psycopg.Connection, path: str, scope: Any) -> None:
    others = {"read", "operate", "approve", "emit"} - {scope}

    refused = httpx.post(web.url + path, json=WHY, headers=web.as_(*sorted(others)))

    assert refused.status_code == 403
    assert f'scope="{scope}"' in refused.headers["www-authenticate"]
    assert audited(rows) == []


LINKED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACED = {"traceparent": LINKED}


def test_what_asks_for_a_run_or_tells_of_an_event_is_linked_to(
    web: Web, rows: psycopg.Connection, task: TaskRow
) -> None:
    over = insert_run(rows, task)
    asked = web.client.post(f"{TASK}/runs", json=WHY, headers=TRACED)
    again = web.client.post(
        f"{V1}/runs/{over}/reruns", json=WHY | {"overlap": True}, headers=TRACED
    )
    plain = web.client.post(
        f"{TASK}/runs",
        json=WHY | {"overlap": True},
        headers={"traceparent": "00-" + "f" * 9_000},
    )
    told = web.client.post(f"{V1}/events", json={"topic": "a.b"}, headers=TRACED)

    assert [one.status_code for one in (asked, again, plain, told)] == [201, 201, 201, 200]
    kept = rows.execute("select run_id::text, trace_link from ordinaut.run").fetchall()
    assert dict(kept) == {
        str(over): None,
        asked.json()["run_id"]: LINKED,
        again.json()["run_id"]: LINKED,
        plain.json()["run_id"]: None,
    }
    assert rows.execute("select trace_link from ordinaut.event").fetchall() == [(LINKED,)]
