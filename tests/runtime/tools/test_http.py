"""Servers over HTTP: one bad answer spoils one call, and never the session."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runtime.core.identity import HEADER_META, KEY_META
from runtime.core.outcomes import OutcomeClass
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.http_server import RawHttp, Reply, compressed, ok, reply, stream
from tests.runtime.tools.servers import SECOND, SUPPORT, free_port, http
from tests.support.probes import eventually
from tests.support.processes import RunningProcess, started


@pytest.fixture
async def server() -> AsyncIterator[RawHttp]:
    async with RawHttp() as server:
        yield server


def text(message: dict[str, Any], value: str) -> str:
    result = {"content": [{"type": "text", "text": value}]}
    return json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})


LONG = "x" * 5_000_000
ANSWERS: list[tuple[str, Callable[[dict[str, Any]], Reply], OutcomeClass, bool, str]] = [
    ("stream", lambda m: stream(text(m, "told")), "ok", True, ""),
    ("tool error", lambda m: ok(m, {"content": [], "isError": True}), "tool_error", True, "ORD404"),
    ("cut off in the body", lambda m: reply(text(m, "told"), cut=True), "lost", True, "ORD406"),
    ("cut off before the head", lambda m: (b"", True), "lost", True, "ORD406"),
    ("stream cut off", lambda m: stream(whole=False), "lost", True, "ORD406"),
    ("gateway", lambda m: reply("down", "502 Bad Gateway"), "lost", True, "ORD406"),
    ("gateway with words", lambda m: reply('{"error": {"code": 502, "message": "down"}}', "502 Bad Gateway"), "lost", True, "ORD406"),
    ("gateway in other words", lambda m: reply('{"error": "down"}', "500 Internal Server Error"), "lost", True, "ORD406"),
    ("refused", lambda m: reply("who?", "401 Unauthorized"), "rejected", False, "ORD408"),
    ("not found", lambda m: reply("what?", "404 Not Found"), "rejected", False, "ORD408"),
    ("throttled", lambda m: reply("", "429 Too Many Requests", headers="retry-after: 7\r\n"), "not_sent", False, "ORD408"),
    ("throttled with words", lambda m: reply('{"error": {"message": "slow down"}}', "429 Too Many Requests", headers="retry-after: 7\r\n"), "not_sent", False, "ORD408"),
    ("refused by the server", lambda m: reply(json.dumps({"jsonrpc": "2.0", "id": m["id"], "error": {"code": -32602, "message": "no"}}), "400 Bad Request"), "rejected", True, "ORD408"),
    ("not HTTP", lambda m: (b"SSH-2.0\r\n\r\n", True), "lost", True, "ORD406"),
    ("not JSON", lambda m: reply("oops"), "contract_error", True, "ORD407"),
    ("not JSON in a stream", lambda m: stream("oops"), "contract_error", True, "ORD407"),
    ("too long", lambda m: reply(text(m, LONG)), "contract_error", True, "ORD506"),
    ("too long in a stream", lambda m: stream(text(m, LONG)), "contract_error", True, "ORD407"),
    ("compressed", lambda m: compressed(json.loads(text(m, "told"))), "ok", True, ""),
    ("too long when decompressed", lambda m: compressed(json.loads(text(m, LONG))), "contract_error", True, "ORD506"),
    ("not what it says it is", lambda m: reply(text(m, "told"), headers="content-encoding: gzip\r\n"), "contract_error", True, "ORD407"),
    ("too long to keep", lambda m: reply(text(m, LONG[:2_000_000])), "contract_error", True, "ORD506"),
    ("accepted for nothing", lambda m: reply("", "202 Accepted"), "rejected", True, "ORD408"),
    ("elsewhere", lambda m: reply("", "307 Temporary Redirect", headers="location: http://127.0.0.2/\r\n"), "rejected", True, "ORD408"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "answer", "kind", "sent", "code"), ANSWERS)
async def test_a_bad_answer_spoils_its_own_call_only(  # noqa: PLR0917 - the columns of the table
    open_toolbox: OpenToolbox,
    server: RawHttp,
    name: str,
    answer: Callable[[dict[str, Any]], Reply],
    kind: OutcomeClass,
    sent: bool,
    code: str,
) -> None:
    box = await open_toolbox(http(server.url, protocol="legacy"))
    server.answer = answer

    outcome = await box.call("web.act", {})
    server.answer = lambda message: reply(text(message, "fine"))
    after = await box.call("web.act", {})

    assert (outcome.kind, outcome.sent) == (kind, sent)
    assert (outcome.error.code if outcome.error else "") == code
    assert outcome.retry_after == (7 if name.startswith("throttled") else None)
    assert (after.kind, after.value, after.generation) == ("ok", "fine", 1)
    assert server.calls() == 2


@pytest.mark.parametrize("seconds", ["86401", "9" * 20, "9" * 400])
async def test_nobody_is_kept_waiting_for_longer_than_a_day(
    open_toolbox: OpenToolbox, server: RawHttp, seconds: str
) -> None:
    box = await open_toolbox(http(server.url, protocol="legacy"))
    head = f"retry-after: {seconds}\r\n"
    server.answer = lambda message: reply("", "429 Too Many Requests", headers=head)

    assert (await box.call("web.act", {})).retry_after == 86_400


async def test_a_call_without_an_answer_times_out_and_the_next_is_served(
    open_toolbox: OpenToolbox, server: RawHttp
) -> None:
    box = await open_toolbox(http(server.url, protocol="legacy"))
    await box.tools("web")
    server.answer = lambda message: None

    slow = await box.call("web.act", {}, timedelta(seconds=0.3))
    server.answer = lambda message: ok(message, {"content": []})

    assert (slow.kind, slow.sent) == ("timeout", True)
    assert (await box.call("web.act", {}, 10 * SECOND)).kind == "ok"


async def test_a_forgotten_session_is_renewed_without_anybody_noticing(
    open_toolbox: OpenToolbox, server: RawHttp
) -> None:
    server.session = "one"
    box = await open_toolbox(http(server.url, protocol="legacy"))
    await box.call("web.act", {})

    server.session = "two"
    outcome = await box.call("web.act", {})

    assert (outcome.kind, outcome.generation) == ("ok", 2)


async def test_a_server_that_forgets_every_session_gets_no_call_through(
    open_toolbox: OpenToolbox, server: RawHttp
) -> None:
    server.session = "one"
    box = await open_toolbox(http(server.url, protocol="legacy"))
    server.answer = lambda message: reply("gone", "404 Not Found")

    outcome = await box.call("web.act", {})

    assert (outcome.kind, outcome.sent) == ("not_sent", False)
    assert outcome.error is not None
    assert outcome.error.message == "web refused the call 3 times, unseen"


async def test_headers_go_with_every_request_and_into_no_error(
    open_toolbox: OpenToolbox, server: RawHttp
) -> None:
    token = "Bearer s3cr3t-token"
    box = await open_toolbox(http(server.url, headers={"authorization": token}), secrets=[token])
    server.answer = lambda message: reply(
        {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -1, "message": f"bad {token}"}}
    )

    outcome = await box.call("web.act", {})

    assert {headers.get("authorization") for _, headers in server.requests} == {token}
    assert box.status()[0].protocol == "2025-11-25"
    assert outcome.error is not None
    assert outcome.error.message == "web.act was rejected: bad [redacted] (-1)"


async def test_a_server_that_is_away_means_not_sent_and_is_found_when_it_is_back(
    open_toolbox: OpenToolbox, server: RawHttp
) -> None:
    box = await open_toolbox(http(server.url))
    server.stop()

    async def succeeds() -> bool:
        return (await box.call("web.act", {})).kind == "ok"

    never_there = await box.call("web.act", {})
    await server.start()
    await eventually(succeeds, "the server is found")
    server.stop()
    gone = await box.call("web.act", {})
    await server.start()

    for outcome in (never_there, gone):
        assert (outcome.kind, outcome.sent) == ("not_sent", False)
        assert outcome.error is not None
        assert outcome.error.code == "ORD401"
        assert "ConnectError" in outcome.error.message
    assert await succeeds()


@asynccontextmanager
async def good_http(port: int, folder: Path) -> AsyncIterator[RunningProcess]:
    """The server on the official SDK, over HTTP."""
    program = (sys.executable, str(SUPPORT / "mcp_server.py"), "http", str(port))
    async with started(cwd=folder, program=program) as process:
        await process.line("Uvicorn running")
        yield process


@pytest.mark.parametrize("protocol", ["auto", "legacy"])
async def test_a_real_server_killed_in_a_call_and_started_again_costs_that_call_only(
    open_toolbox: OpenToolbox, tmp_path: Path, protocol: str
) -> None:
    port = free_port()
    box = await open_toolbox(http(f"http://127.0.0.1:{port}/mcp", protocol=protocol))
    diary = tmp_path / "diary"

    async with good_http(port, tmp_path) as process:
        assert (await box.call("web.add", {"a": 1, "b": 2})).value == {"result": 3}
        call = asyncio.create_task(box.call("web.slow", {"seconds": 60, "file": str(diary)}))
        await eventually(
            lambda: diary.exists() and diary.read_text() == "started\n", "the call has arrived"
        )
        process.kill()
        lost = await call
    away = await box.call("web.add", {"a": 1, "b": 2})
    async with good_http(port, tmp_path):
        back = await box.call("web.add", {"a": 1, "b": 2})

    assert (lost.kind, lost.sent) == ("lost", True)
    assert (away.kind, away.sent) == ("not_sent", False)
    assert (back.kind, back.value) == ("ok", {"result": 3})
    assert diary.read_text() == "started\n"


async def test_half_a_megabyte_fits_through_every_revision(
    open_toolbox: OpenToolbox, tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    box = await open_toolbox(http(url), http(url, key="old", protocol="legacy"))

    async with good_http(port, tmp_path):
        sizes = [(await box.call(f"{key}.big", {"size": 524_288})).size for key in ("web", "old")]

    assert sizes == [524_290, 524_290]


async def test_a_header_carries_the_idempotency_key_of_the_call_that_wants_it_and_of_no_other(
    open_toolbox: OpenToolbox, server: RawHttp
) -> None:
    box = await open_toolbox(http(server.url, protocol="legacy"))
    meta = {KEY_META: "order-17", HEADER_META: "Idempotency-Key"}

    await box.call("web.act", {}, 10 * SECOND, meta)
    await box.call("web.act", {}, 10 * SECOND, {KEY_META: "order-18"})

    sent = [headers for method, headers in server.requests if method == "tools/call"]
    assert [headers.get("idempotency-key") for headers in sent] == ["order-17", None]


async def test_a_header_carries_the_context_of_the_trace_as_the_call_does(
    open_toolbox: OpenToolbox, server: RawHttp
) -> None:
    box = await open_toolbox(http(server.url, protocol="legacy"))
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    await box.call("web.act", {}, 10 * SECOND, {"traceparent": parent})

    [sent] = [headers for method, headers in server.requests if method == "tools/call"]
    assert sent["traceparent"] == parent
