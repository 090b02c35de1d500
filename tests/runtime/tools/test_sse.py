"""Servers of HTTP+SSE, as it was before 2025-03-26: the same promises as with every other transport."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runtime.core.outcomes import OutcomeClass
from runtime.tools.definition import HttpTransport, ServerDefinition
from runtime.tools.framing import Line
from runtime.tools.sse import _events
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.http_server import RawSse, Reply, event, ok, reply
from tests.runtime.tools.servers import SECOND, SUPPORT, free_port
from tests.support.probes import eventually, within
from tests.support.processes import RunningProcess, started


def sse(url: str, **fields: Any) -> ServerDefinition:
    transport = HttpTransport(url, fields.pop("headers", {}), form="sse")
    return ServerDefinition(key="web", transport=transport, **fields)


@pytest.fixture
async def server() -> AsyncIterator[RawSse]:
    async with RawSse() as server:
        yield server


def told(message: dict[str, Any]) -> Reply:
    return ok(message, {"content": [{"type": "text", "text": "told"}]})


LONG = "x" * 5_000_000
Change = Callable[[RawSse], None]
CUT_OFF = (b"", True)


def posts(answer: Reply | None) -> Change:
    """A call is answered so where it is made, and not on the stream."""

    def change(server: RawSse) -> None:
        server.post, server.event = (lambda message: answer), (lambda text: None)

    return change


def tells(said: Callable[[str], bytes]) -> Change:
    """A call's answer comes on the stream like that."""

    def change(server: RawSse) -> None:
        server.event = said

    return change


def long_of(text: str) -> str:
    return json.dumps({**json.loads(text), "result": LONG})


ANSWERS: list[tuple[str, Change, OutcomeClass, bool, str, int]] = [
    ("plain", lambda s: None, "ok", True, "", 1),
    ("on many lines", tells(lambda t: event(t.replace(", ", ",\r\ndata: "))), "ok", True, "", 1),
    ("with others", tells(lambda t: b": beat\n\n" + event("", "message") + event("x", "news") + event(t)), "ok", True, "", 1),
    ("of no kind", tells(lambda t: b"data:" + t.encode() + b"\n\n"), "ok", True, "", 1),
    ("twice", tells(lambda t: event(t) * 2), "ok", True, "", 1),
    ("not JSON", tells(lambda t: event(t.replace('"result"', "oops"))), "contract_error", True, "ORD407", 1),
    ("too long", tells(lambda t: event(long_of(t))), "contract_error", True, "ORD506", 1),
    ("too long on many lines", tells(lambda t: event(long_of(t).replace("x" * 1000, "x" * 1000 + "\r\ndata: "))), "contract_error", True, "ORD506", 1),
    ("cut off", posts(CUT_OFF), "lost", True, "ORD406", 1),
    ("gateway", posts(reply("down", "502 Bad Gateway")), "lost", True, "ORD406", 1),
    ("gateway with words", posts(reply('{"error": {"code": 502, "message": "down"}}', "502 Bad Gateway")), "lost", True, "ORD406", 1),
    ("refused oddly", posts(reply('{"jsonrpc": "2.0", "id": null, "error": {"code": "x"}}', "400 Bad Request")), "rejected", False, "ORD408", 1),
    ("refused", posts(reply("who?", "401 Unauthorized")), "rejected", False, "ORD408", 1),
    ("throttled", posts(reply("", "429 Too Many Requests")), "not_sent", False, "ORD408", 1),
    ("elsewhere", posts(reply("", "307 Temporary Redirect", headers="location: http://127.0.0.2/\r\n")), "rejected", True, "ORD408", 1),
    ("stream gone", lambda s: tells(lambda t: s.hang_up() or b"")(s), "lost", True, "ORD406", 2),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "kind", "sent", "code", "generation"), ANSWERS)
async def test_a_bad_answer_spoils_its_own_call_only(  # noqa: PLR0917 - the columns of the table
    open_toolbox: OpenToolbox,
    server: RawSse,
    name: str,
    change: Change,
    kind: OutcomeClass,
    sent: bool,
    code: str,
    generation: int,
) -> None:
    server.answer = told
    box = await open_toolbox(sse(server.url))
    await box.tools("web")
    usual = (server.post, server.event)
    change(server)

    outcome = await within(box.call("web.act", {}), "the outcome")
    server.post, server.event = usual
    after = await within(box.call("web.act", {}), "the next outcome")

    assert (outcome.kind, outcome.sent) == (kind, sent)
    assert (outcome.error.code if outcome.error else "") == code
    assert (after.kind, after.value, after.generation) == ("ok", "told", generation)
    assert server.calls() == 2
    assert box.status()[0].protocol == "2025-11-25"


async def test_a_session_that_the_server_forgot_is_renewed_without_anybody_noticing(
    open_toolbox: OpenToolbox, server: RawSse
) -> None:
    server.answer = told
    box = await open_toolbox(sse(server.url))
    await box.tools("web")
    forgotten = [reply("gone", "404 Not Found")]
    accepted, usual = server.post, server.event
    server.post = lambda message: forgotten.pop() if forgotten else accepted(message)
    server.event = lambda text: None if forgotten else usual(text)

    outcome = await within(box.call("web.act", {}), "the outcome")

    assert (outcome.kind, outcome.generation) == ("ok", 2)


async def test_the_end_of_the_stream_is_noticed_while_nobody_calls(
    open_toolbox: OpenToolbox, server: RawSse
) -> None:
    box = await open_toolbox(sse(server.url, lifecycle="always"))
    await eventually(lambda: box.status()[0].state == "ready", "it is ready")

    server.hang_up()

    await eventually(lambda: box.status()[0].generation == 2, "there is a new session")


async def test_a_request_that_nobody_takes_does_not_keep_others_waiting(
    open_toolbox: OpenToolbox, server: RawSse
) -> None:
    server.answer = told
    box = await open_toolbox(sse(server.url))
    await box.tools("web")
    posts(None)(server)

    slow = asyncio.create_task(box.call("web.act", {}, timedelta(seconds=0.5)))
    await eventually(lambda: server.calls() == 1, "the first has arrived")
    server.post, server.event = (lambda message: reply("", "202 Accepted")), event
    outcome = await within(box.call("web.act", {}), "the second")

    assert outcome.kind == "ok"
    assert not slow.done()
    assert ((await slow).kind, (await slow).sent) == ("timeout", True)


@pytest.mark.parametrize(
    ("opening", "said"),
    [
        (b"", "no answer came in time"),
        (event("https://evil.example/messages", "endpoint"), "the server wants requests to go elsewhere: https://evil.example/messages"),
        (event("//127.0.0.1:1/messages", "endpoint"), "the server wants requests to go elsewhere: http://127.0.0.1:1/messages"),
    ],
)  # fmt: skip
async def test_a_server_that_names_no_address_of_its_own_is_not_talked_to(
    open_toolbox: OpenToolbox, server: RawSse, opening: bytes, said: str
) -> None:
    server.opening = opening
    box = await open_toolbox(
        sse(server.url, connect_timeout=timedelta(seconds=0.4), headers={"x": "s"})
    )

    outcome = await within(box.call("web.act", {}), "the outcome")

    assert (outcome.kind, outcome.sent) == ("not_sent", False)
    assert outcome.error is not None
    assert outcome.error.message == f"web could not be started: {said}"
    assert server.calls() == 0


async def test_a_server_of_another_transport_is_told_apart_both_ways(
    open_toolbox: OpenToolbox, server: RawSse
) -> None:
    newer = sse(server.url.replace("/sse", "/mcp"))
    server.respond = lambda line, headers, body: reply(  # type: ignore[method-assign] - a server by hand
        "x" * 70_000, "405 Method Not Allowed"
    )
    older = replace(newer, key="older", transport=HttpTransport(server.url))
    box = await open_toolbox(newer, older)

    asked = [await box.call(f"{key}.act", {}) for key in ("web", "older")]

    messages = [each.error.message for each in asked if each.error]
    assert messages[0] == (
        "web could not be started: HTTP 405 and application/json, where a stream of events should be"
    )
    assert "HTTP 405 Method Not Allowed" in messages[1]
    assert "`transport: sse`" in messages[1]


async def test_a_stream_that_ends_before_it_began_is_told(
    open_toolbox: OpenToolbox, server: RawSse
) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 0\r\n\r\n"
    server.respond = lambda line, headers, body: (head, False)  # type: ignore[method-assign] - likewise
    box = await open_toolbox(sse(server.url))

    outcome = await box.call("web.act", {})

    assert outcome.error is not None
    assert "ended before it named an address for requests" in outcome.error.message


async def test_nobody_there_is_not_sent(open_toolbox: OpenToolbox) -> None:
    box = await open_toolbox(sse(f"http://127.0.0.1:{free_port()}/sse"))

    outcome = await box.call("web.act", {})

    assert (outcome.kind, outcome.sent) == ("not_sent", False)
    assert outcome.error is not None
    assert "ConnectError" in outcome.error.message


async def test_headers_go_with_every_request(open_toolbox: OpenToolbox, server: RawSse) -> None:
    server.answer = told
    box = await open_toolbox(sse(server.url, headers={"x-key": "s3cr3t"}))

    await box.call("web.act", {})

    assert {headers["x-key"] for _, headers in server.requests} == {"s3cr3t"}


@asynccontextmanager
async def old_server(port: int, folder: Path) -> AsyncIterator[RunningProcess]:
    program = (sys.executable, str(SUPPORT / "mcp_server.py"), "sse", str(port))
    async with started(cwd=folder, program=program) as process:
        await eventually(lambda: listens(port), "it listens", seconds=20)
        yield process


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def test_a_real_server_that_is_killed_and_comes_back_is_used_again(
    open_toolbox: OpenToolbox, tmp_path: Path
) -> None:
    port, diary = free_port(), tmp_path / "diary"
    box = await open_toolbox(sse(f"http://127.0.0.1:{port}/sse"))
    arguments = {"seconds": 60, "file": str(diary)}

    async with old_server(port, tmp_path) as process:
        sums = await asyncio.gather(*(box.call("web.add", {"a": n, "b": 1}) for n in range(20)))
        under_way = asyncio.create_task(box.call("web.slow", arguments))
        await eventually(diary.exists, "the call is under way")
        process.kill()
        lost = await within(under_way, "the loss")
    away = await box.call("web.add", {"a": 1, "b": 2}, 5 * SECOND)
    async with old_server(port, tmp_path):
        back = await eventually_ok(box)

    assert [each.value for each in sums] == [{"result": n + 1} for n in range(20)]
    assert (lost.kind, lost.sent) == ("lost", True)
    assert (away.kind, away.sent) == ("not_sent", False)
    assert back == {"result": 3}
    assert diary.read_text() == "started\n"


async def eventually_ok(box: Any) -> Any:
    values: list[Any] = []

    async def answered() -> bool:
        outcome = await box.call("web.add", {"a": 1, "b": 2})
        values.append(outcome.value)
        return bool(outcome.kind == "ok")

    await eventually(answered, "it is back", seconds=20)
    return values[-1]


async def test_an_event_on_very_many_lines_costs_no_more_than_its_length() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(60):
            yield b"data:\n" * 1000
        yield b"\n"

    began = time.process_time()
    (found,) = [each async for each in _events(chunks(), 4_000_000)]

    assert found[1].size == 60_000 * len("data:")
    assert time.process_time() - began < 5, "line by line all before it would be counted again"


async def test_of_a_long_event_on_many_lines_only_the_edges_are_kept() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'data: {"id": 7,\n'
        for _ in range(1000):
            yield b"data: " + b"x" * 1000 + b"\n"
        yield b"data: }\n\n"

    (found,) = [each async for each in _events(chunks(), 10_000)]

    kind, line = found
    assert (kind, line.oversize, line.answered_id()) == ("message", True, 7)
    assert line.size > 1_000_000
    assert len(line.text) < 2000
    assert isinstance(line, Line)
