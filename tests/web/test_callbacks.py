"""`POST /callbacks/TOKEN`: the answer that a step waits for, once, and how each other is refused."""

from __future__ import annotations

import logging
import threading
from uuid import UUID

import httpx
import psycopg
import pytest

from runtime.core.callback import callback_token
from tests.support.factories import NOON, insert_due_work, insert_run, insert_task, insert_wait
from tests.support.web import Web

SCHEMA = {"type": "object", "required": ["paid"]}


@pytest.fixture
def run(rows: psycopg.Connection) -> UUID:
    """A run whose step `pay` waits for its callback."""
    step = {"id": "pay", "uses": "bank.charge", "callback": {"schema": SCHEMA}}
    task = insert_task(rows, pipeline=[step])
    run_id = insert_run(rows, task, state="waiting", started_at=NOON)
    insert_due_work(rows, task, run_id)
    return run_id


@pytest.fixture
def token(rows: psycopg.Connection, run: UUID) -> str:
    insert_wait(rows, run, "pay", kind="callback", asked={"topic": f"callback:{run}:pay"})
    return token_of(rows, run)


def token_of(rows: psycopg.Connection, run: UUID) -> str:
    (key,) = rows.execute("select callback_key from ordinaut.installation").fetchone() or ()
    return callback_token(key, run, "pay")


def answer(web: Web, token: str, body: bytes = b'{"paid": true}') -> tuple[int, str]:
    told = httpx.post(f"{web.url}/callbacks/{token}", content=body)
    if told.is_error:
        assert told.headers["content-type"] == "application/problem+json"
        assert token not in told.text
    return told.status_code, told.json().get("code", str(told.json().get("resumed")))


def test_an_answer_resumes_the_run_once(web: Web, rows: psycopg.Connection, token: str) -> None:
    assert answer(web, token) == (202, "True")
    assert rows.execute("select answer -> 'data', kind from ordinaut.wait").fetchone() == ({"paid": True}, "callback")  # fmt: skip
    assert rows.execute("select woken from ordinaut.due_work").fetchone() == (True,)

    assert answer(web, token) == (409, "ORD315")


def test_an_answer_that_comes_early_waits_for_the_step(
    web: Web, rows: psycopg.Connection, run: UUID
) -> None:
    assert answer(web, token_of(rows, run)) == (202, "False")


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"paid'])
def test_an_answer_that_does_not_fit_leaves_the_token_good(
    web: Web, token: str, body: bytes
) -> None:
    status, code = answer(web, token, body)

    assert (status, code) == (422, "ORD322" if body.endswith(b"paid") else "ORD342")
    assert answer(web, token) == (202, "True")


def test_a_token_is_good_for_its_own_step_alone(
    web: Web, rows: psycopg.Connection, token: str
) -> None:
    for wrong in (f"x{token}", token[:-1], "pay.", "pay", token + "x" * 5000, "%00", "pay.%ff"):
        assert answer(web, wrong)[0] == 404
    assert rows.execute("select count(*) from ordinaut.event").fetchone() == (0,)


def test_a_token_expires_with_its_wait(web: Web, rows: psycopg.Connection, token: str) -> None:
    rows.execute("update ordinaut.wait set until = ordinaut.now() - interval '1 s'")

    assert answer(web, token) == (410, "ORD315")


def test_of_many_answers_at_once_one_counts(web: Web, token: str) -> None:
    found: list[int] = []
    senders = [threading.Thread(target=lambda: found.append(answer(web, token)[0])) for _ in range(8)]  # fmt: skip
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()

    assert sorted(found) == [202] + [409] * 7


def test_no_log_has_the_token(web: Web, token: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        answer(web, token)
        answer(web, token)

    assert any("/callbacks/[token]" in record.getMessage() for record in caplog.records)
    assert not any(
        token in record.getMessage()
        for record in caplog.records
        if record.name.startswith("ordinaut")
    )


def test_an_answer_remembers_the_span_that_it_was_given_from(
    web: Web, rows: psycopg.Connection, token: str
) -> None:
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    httpx.post(
        f"{web.url}/callbacks/{token}", content=b'{"paid": true}', headers={"traceparent": given}
    ).raise_for_status()

    assert rows.execute("select trace_link from ordinaut.event").fetchone() == (given,)
