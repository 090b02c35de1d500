"""`POST /hooks/PROJECT/NAME`: what is answered, and what is on record by then."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.hooks import SECRET, declare, github, standard
from tests.support.web import Web

BODY = b'{"type": "order.paid", "order": 17}'


@pytest.fixture(autouse=True)
def hooks(rows: psycopg.Connection, tmp_path: Path) -> None:
    """The webhooks of the tests."""
    declare(
        rows,
        tmp_path,
        shop={},
        code={"preset": "github"},
        told={"topic": "orders.${event.data.order}"},
    )


def post(web: Web, name: str, headers: dict[str, str], body: bytes = BODY) -> httpx.Response:
    return httpx.post(f"{web.url}/hooks/{name}", content=body, headers=headers)


def events(rows: psycopg.Connection) -> list[tuple[Any, ...]]:
    return rows.execute(
        "select topic, source, event_id, data from ordinaut.event order by event_no"
    ).fetchall()


def test_an_event_is_on_record_when_it_is_answered_and_counts_once(
    web: Web, rows: psycopg.Connection
) -> None:
    first, again = (post(web, "home/shop", standard(BODY, "m-1")) for _ in range(2))

    told = {"id": "m-1", "topic": "shop.order.paid"}
    assert (first.status_code, first.json()) == (202, told | {"is_new": True})
    assert (again.status_code, again.json()) == (200, told | {"is_new": False})
    assert events(rows) == [("shop.order.paid", "home/shop", "m-1", {"type": "order.paid", "order": 17})]  # fmt: skip
    assert rows.execute("select type from ordinaut.event_log").fetchall() == [("event.arrived",)]


def test_an_event_remembers_the_span_that_it_was_told_from(
    web: Web, rows: psycopg.Connection
) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    post(web, "home/shop", standard(BODY, "m-1") | {"traceparent": parent})
    post(web, "home/shop", standard(BODY, "m-2") | {"traceparent": "mine"})

    found = rows.execute("select trace_link from ordinaut.event order by event_no").fetchall()
    assert found == [(parent,), (None,)]


def test_no_token_is_asked_for_and_none_counts(web: Web, rows: psycopg.Connection) -> None:
    unsigned = web.client.post("/hooks/home/shop", content=BODY)

    assert unsigned.status_code == 403
    assert events(rows) == []


DEEP = b"[" * 99 + b"]" * 99
LARGE = b"1" * 1_048_577


@pytest.mark.parametrize(
    ("name", "sent", "status", "code"),
    [
        ("home/shop", lambda: (standard(BODY, "m", secret=SECRET + "x"), BODY), 403, "ORD341"),
        ("home/shop", lambda: (standard(BODY, "m", late=400), BODY), 403, "ORD341"),
        ("home/shop", lambda: (standard(BODY, "m"), BODY + b" "), 403, "ORD341"),
        ("home/shop", lambda: (github(BODY, "m"), BODY), 403, "ORD341"),
        ("home/shop", lambda: (standard(b"{", "m"), b"{"), 422, "ORD322"),
        ("home/shop", lambda: (standard(DEEP, "m"), DEEP), 422, "ORD322"),
        ("home/told", lambda: (standard(b"{}", "m"), b"{}"), 422, "ORD502"),
        ("home/shop", lambda: (standard(LARGE, "m"), LARGE), 413, "ORD322"),
        ("home/none", lambda: (standard(BODY, "m"), BODY), 404, "ORD310"),
        ("other/shop", lambda: (standard(BODY, "m"), BODY), 404, "ORD310"),
        ("home/shop%00", lambda: (standard(BODY, "m"), BODY), 404, "ORD310"),
        ("home%00/shop", lambda: (standard(BODY, "m"), BODY), 404, "ORD310"),
        ("home/..%2fshop", lambda: (standard(BODY, "m"), BODY), 404, "ORD310"),
    ],
)
def test_what_is_refused_is_a_problem_document_and_not_on_record(
    web: Web, name: str, sent: Callable[[], tuple[dict[str, str], bytes]], status: int, code: str
) -> None:
    headers, body = sent()

    answer = post(web, name, headers, body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert SECRET not in answer.text
    with psycopg.connect(web.database) as rows:
        assert events(rows) == []


def test_a_webhook_that_was_changed_is_another_one_soon(
    web: Web, rows: psycopg.Connection
) -> None:
    assert post(web, "home/shop", standard(BODY, "m-1")).status_code == 202
    rows.execute("update ordinaut.spec set retired_at = ordinaut.now() where kind = 'Project'")

    while post(web, "home/shop", standard(BODY, "m-1")).status_code != 404:
        pass


def test_a_new_secret_and_the_old_one_are_right_while_both_are_declared(
    web: Web, rows: psycopg.Connection, tmp_path: Path
) -> None:
    (tmp_path / "new").write_text("the secret from now on\n")
    rows.execute(
        "update ordinaut.spec set body = jsonb_set(jsonb_set(body, '{secrets,new}', %s), '{webhooks,shop,secret}', %s)"
        " where kind = 'Project'",
        [
            psycopg.types.json.Jsonb({"file": str(tmp_path / "new")}),
            psycopg.types.json.Jsonb(["${secrets.new}", "${secrets.hook}"]),
        ],
    )

    for number, secret in enumerate((SECRET, "the secret from now on")):
        answer = post(web, "home/shop", standard(BODY, f"m-{number}", secret=secret))
        assert answer.status_code == 202


def test_a_secret_that_cannot_be_read_is_told_without_it(
    web: Web, rows: psycopg.Connection, tmp_path: Path
) -> None:
    (tmp_path / "hook").unlink()

    answer = post(web, "home/shop", standard(BODY, "m-1"))

    assert (answer.status_code, answer.json()["code"]) == (503, "ORD410")


def test_strangers_do_not_fill_the_log(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ordinaut"):
        for _ in range(20):
            post(web, "home/shop", {})

    assert sum("right signature" in record.getMessage() for record in caplog.records) == 1
