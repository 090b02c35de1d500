"""What people try: paths that lead out, headers in headers, bodies that are too large, too deep or never end, guessed tokens."""

from __future__ import annotations

import inspect
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from starlette.middleware.cors import CORSMiddleware

from reconciler.web.app import whole_app
from runtime.config import Config
from runtime.store import tokens
from runtime.web import auth, boundary, server
from runtime.web.boundary import MAX_BODY_BYTES
from runtime.web.limits import GUESSES_AT_ONCE, REQUESTS_AT_ONCE, Buckets
from schemas.wishes import MAX_DEPTH
from tests.support.clock import FakeClock
from tests.support.factories import insert_task
from tests.support.web import Web, bearer

V1 = "/api/v1"
TASK = f"{V1}/tasks/default/briefing"
JSON = {"Content-Type": "application/json"}


def raw(web: Web, request: bytes, *, wait: float = 15) -> bytes:
    """What is answered to these very bytes, until the other side closes."""
    parts = urlsplit(web.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=wait) as line:
        line.sendall(request)
        answered = b""
        while piece := line.recv(65536):
            answered += piece
        return answered


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd", "/api/v1/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd",
        "/static/../../../../etc/passwd", "/static/%2e%2e/%2e%2e/app.py", "/static/..%5c..%5capp.py", "//etc/passwd",
        "/static//etc/passwd", "/static/%00", "/api/v1/runs/..%2f..%2fstatus", "/api/v1/tasks/default/..%2f..",
    ],
)  # fmt: skip
def test_no_path_leads_out(web: Web, path: str) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {web.token}\r\nConnection: close\r\n\r\n"

    answered = raw(web, head.encode())

    assert int(answered.split()[1]) in {400, 404, 422}, answered
    assert b"root:" not in answered
    assert b"import" not in answered


@pytest.mark.parametrize(
    "path",
    [
        f"{V1}/runs?limit=1&cursor=%0d%0aSet-Cookie:%20a=b",
        f"{V1}/tasks?words=a%0d%0aX-Injected:%20yes&limit=1",
        f"{V1}/plans/%0d%0aX-Injected:%20yes",
        "/%0d%0aX-Injected:%20yes",
    ],
)
def test_nothing_of_a_request_becomes_a_header(
    web: Web, rows: psycopg.Connection, path: str
) -> None:
    for name in ("a", "b"):
        insert_task(rows, name=name)

    answer = web.client.get(path)

    assert "x-injected" not in answer.headers
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "lines",
    [
        "X-A: b\r\n c: d", "X A: b", "X-A: a\x00b", "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Host: other",
    ],
)  # fmt: skip
def test_a_head_that_can_be_read_two_ways_is_refused_or_closed(web: Web, lines: str) -> None:
    head = f"POST {V1}/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n\r\n0\r\n\r\n"

    answered = raw(web, head.encode())

    # It never gets past the door.
    assert answered == b"" or int(answered.split()[1]) in {400, 401, 421}, answered


def test_a_head_that_is_too_large_is_refused(web: Web) -> None:
    head = f"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: {'x' * 70_000}\r\n\r\n"

    answered = raw(web, head.encode())

    assert answered.split()[1] in {b"400", b"431"}


@pytest.mark.parametrize("is_told", [True, False])
def test_a_body_that_is_too_large_is_refused(web: Web, is_told: bool) -> None:
    body = b'{"topic": "a", "data": "' + b"x" * MAX_BODY_BYTES + b'"}'

    def pieces() -> Any:
        yield body

    answer = web.client.post(f"{V1}/events", content=body if is_told else pieces(), headers=JSON)

    assert (answer.status_code, answer.json()["code"]) == (413, "ORD322")


@pytest.mark.parametrize("depth", [MAX_DEPTH + 2, 2_000, 200_000])
def test_a_body_that_is_nested_too_deep_is_refused(web: Web, depth: int) -> None:
    body = '{"topic": "a", "data": ' + "[" * depth + "]" * depth + "}"

    answer = web.client.post(f"{V1}/events", content=body, headers=JSON)

    assert answer.status_code == 422, answer.text


def test_a_body_as_deep_as_allowed_is_taken(web: Web) -> None:
    body = '{"topic": "a", "data": ' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}"

    assert web.client.post(f"{V1}/events", content=body, headers=JSON).status_code == 200


@pytest.mark.parametrize(
    "data", ['"\\u0000"', '"\\ud800"', '{"\\u0000": 1}', "NaN", "1e999", "-0", "1" * 5000]
)
def test_values_that_no_database_holds_do_no_harm(web: Web, data: str) -> None:
    body = '{"topic": "a", "data": ' + data + "}"

    answer = web.client.post(f"{V1}/events", content=body, headers=JSON)

    assert answer.status_code in {200, 422}, answer.text


def test_who_never_finishes_a_head_or_a_body_is_cut_off(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(boundary, "BODY_SECONDS", 0.3)
    begun = (
        f"POST {V1}/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {web.token}\r\n"
    )
    started = time.monotonic()  # noqa: TID251 - how long a network is silent

    assert raw(web, b"") == b""
    assert raw(web, begun.encode()) == b""
    answered = raw(web, f"{begun}Content-Length: 9\r\n\r\n{{".encode())

    assert answered.split()[1] == b"408"
    assert time.monotonic() - started < 10  # noqa: TID251 - as above


def test_who_announces_too_much_and_sends_little_hears_at_once_that_it_is_too_much(
    web: Web,
) -> None:
    begun = (
        f"POST {V1}/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {web.token}\r\n"
    )
    started = time.monotonic()  # noqa: TID251 - how long a network is silent

    answered = raw(web, f"{begun}Content-Length: 99999999\r\n\r\n{{".encode())

    assert answered.split()[1] == b"413"
    assert time.monotonic() - started < boundary.BODY_SECONDS / 2  # noqa: TID251 - as above


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])  # fmt: skip
def test_no_header_overrides_a_method(web: Web, rows: psycopg.Connection, header: str) -> None:
    insert_task(rows)

    answer = web.client.get(f"{TASK}/pause", headers={header: "POST"})

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


def test_no_other_site_is_let_in(web: Web) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}

    for answer in (
        web.client.options(f"{TASK}/pause", headers=headers),
        web.client.get(f"{V1}/status", headers=headers),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    app = whole_app(Config.load({}, environ={}), "")
    assert CORSMiddleware not in [one.cls for one in app.user_middleware]


def test_a_token_is_found_by_its_digest_and_never_compared(
    web: Web, rows: psycopg.Connection
) -> None:
    """How long it takes tells of digests that nobody can choose: no column holds a token, and no code compares one."""
    columns = rows.execute(
        "select column_name from information_schema.columns where table_name = 'api_token'"
    ).fetchall()
    held = rows.execute("select octet_length(digest) from ordinaut.api_token").fetchall()

    assert ("token",) not in columns
    assert set(held) == {(32,)}
    assert "digest_of(token)" in inspect.getsource(tokens.find_token)
    assert "==" not in inspect.getsource(auth.identify) + inspect.getsource(tokens.find_token)


def test_who_guesses_tokens_is_put_off_and_who_has_one_is_not(web: Web) -> None:
    answers = []
    # A guess a second comes back, so on a slow machine it takes some more.
    for number in range(3 * GUESSES_AT_ONCE):
        answers.append(web.client.get(f"{V1}/status", headers=bearer(f"ord_{number}")))
        if answers[-1].status_code != 401:
            break

    assert len(answers) > GUESSES_AT_ONCE
    assert (answers[-1].status_code, answers[-1].json()["code"]) == (429, "ORD321")
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert web.client.get(f"{V1}/drift").status_code == 200


async def test_a_bucket_holds_so_many_turns_and_fills_with_time(clock: FakeClock) -> None:
    buckets = Buckets(10, 3, clock)

    assert [buckets.take("a") for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a") == pytest.approx(0.1)
    assert buckets.take("b") == 0


async def test_a_bucket_fills(clock: FakeClock) -> None:
    buckets = Buckets(10, 3, clock)
    while not buckets.take("a"):
        pass

    await clock.advance(0.11)

    assert buckets.take("a") == 0
    assert buckets.take("a") > 0


def test_a_token_that_asks_too_often_is_told_when_to_come_back(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    from runtime.web import limits  # noqa: PLC0415 - what is changed for this test alone

    assert REQUESTS_AT_ONCE > 1
    monkeypatch.setattr(limits.Buckets, "take", lambda _, key: 2.5 if key.isdecimal() else 0.0)

    answer = web.client.get(f"{V1}/drift")

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
