"""Whatever a model or a stranger sends is answered, in bounds, and changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
from subprocess import PIPE
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from reconciler.mcp import bounding
from tests.support.agents import ORDINAUT, over_http
from tests.support.factories import insert_run, insert_step_result, insert_task
from tests.support.showcase import HOSTILE, TURNED
from tests.support.web import Web

MODERN = "2026-07-28"
STRANGE = ["\x00", "\ud800", TURNED, HOSTILE, "'; drop table ordinaut.run; --", "../../etc/passwd", "%", "💥" * 30, "a" * 100_000, ""]  # fmt: skip


def nested(depth: int) -> Any:
    """Objects in objects."""
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def posted(web: Web, body: bytes, token: str) -> httpx.Response:
    """A message as somebody sends it who minds no client."""
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": "tools/call",
        "Mcp-Name": "run_now",
    }
    return httpx.post(f"{web.url}/mcp", content=body, headers=headers, timeout=20)


@pytest.mark.parametrize("tool", ["get_task", "get_run", "explain_failure", "list_tasks", "get_run_logs", "preview_schedule"])  # fmt: skip
async def test_strange_words_are_told_apart_from_what_there_is(
    web: Web, rows: psycopg.Connection, tool: str
) -> None:
    insert_task(rows)
    name = {"get_task": "task", "preview_schedule": "task", "list_tasks": "words"}.get(tool, "run")

    async with over_http(web.url, web.token_for("read")) as agent:
        for text in STRANGE:
            if text == "\ud800":
                continue
            result = await agent.result(tool, **{name: text})
            told = result.content[0].text
            assert len(told) < 3_000
            assert "ORD323" not in told, (tool, text)
            assert result.is_error or result.structured_content["tasks"] is not None


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"params": nested(100)}, "ORD007"),
        ({"event": nested(100)}, "ORD007"),
        ({"params": {"city": "\x00"}}, "ORD508"),
        ({"params": {f"p{number}": 1 for number in range(2_000)}}, "ORD310"),
        ({"params": {"city": 10**400}}, "ORD"),
        ({"task": ["briefing"]}, "ORD007"),
        ({"idempotency_key": "\x00"}, "ORD007"),
        ({"idempotency_key": "k" * 129}, "ORD007"),
        ({"reason": "x" * 1_001}, "ORD007"),
        ({f"field{number}": 1 for number in range(500)}, "ORD007"),
    ],
)
async def test_what_does_not_fit_is_refused_and_starts_nothing(
    web: Web, rows: psycopg.Connection, wish: dict[str, Any], code: str
) -> None:
    insert_task(rows, params={"city": "Rome"})

    async with over_http(web.url, web.token_for("operate")) as agent:
        told = await agent.refused("run_now", **{"task": "briefing", "reason": "a test", **wish})

    assert told.startswith(code)
    assert "ORD323" not in told
    assert len(told) < 3_000
    assert rows.execute("select count(*) from ordinaut.run").fetchone() == (0,)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"\xff\xfe",
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": []}',
        b'{"jsonrpc": "2.0", "id": {}, "method": "nothing/there"}',
        b"x" * (1024 * 1024 + 1),
    ],
    ids=range(10),
)
def test_what_is_no_message_is_answered_as_such(
    web: Web, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    told = posted(web, body, web.token_for("operate"))

    assert told.status_code in {400, 413}, (told.status_code, told.text[:200])
    assert len(told.content) < 3_000
    assert "Traceback" not in caplog.text
    assert web.client.get("/healthz").status_code == 200


async def test_an_answer_that_is_too_large_says_what_to_ask_instead(
    web: Web, rows: psycopg.Connection
) -> None:
    steps = [{"id": f"s{number}", "uses": "clock.now"} for number in range(200)]
    run_id = insert_run(rows, insert_task(rows, pipeline=steps))
    for step in steps:
        insert_step_result(rows, run_id, step["id"], output={"text": "y" * 1_900})

    async with over_http(web.url, web.token_for("read")) as agent:
        told = await agent.refused("get_run", run=str(run_id))
        one = await agent.call("get_run", run=str(run_id), step="s7")

    assert told.startswith("ORD331")
    assert "one step of a run" in told
    assert len(json.dumps(one)) < bounding.MAX_ANSWER_BYTES


async def test_a_row_that_somebody_broke_ends_nothing(web: Web, rows: psycopg.Connection) -> None:
    good, bad = insert_task(rows, "good"), insert_task(rows, "bad")
    body = bad.body | {"schedule": [{"rrule": 7}]}
    rows.execute("update ordinaut.spec set body = %s where uid = %s", [Jsonb(body), bad.uid])

    async with over_http(web.url, web.token_for("read")) as agent:
        listed = await agent.call("list_tasks")
        told = await agent.refused("get_task", task="bad")

    assert {one["task"] for one in listed["tasks"]} == {"good", "bad"}, good
    assert told.startswith(("ORD213", "ORD317"))


def test_nothing_but_the_protocol_is_on_standard_output(database: str) -> None:
    said = [
        '{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}}',
        '{"jsonrpc": "2.0", "method": "notifications/initialized"}',
        "this is no message",
        "[" * 10_000,
        "\ufeff{}",
        '{"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "get_task", "arguments": {"task": "none"}}}',
        '{"jsonrpc": "2.0", "id": 3, "method": "tools/list"}',
    ]
    env = {"ORDINAUT_DATABASE_URL": database, "ORDINAUT_LOG_LEVEL": "debug", "PATH": os.defpath}

    with subprocess.Popen(
        [ORDINAUT, "mcp"], env=env, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        print(*said, sep="\n", file=process.stdin, flush=True)
        heard: list[dict[str, Any]] = []
        # Answers come in any order; what is not asked for is not answered.
        while not {1, 2, 3} <= {one.get("id") for one in heard}:
            heard.append(json.loads(process.stdout.readline()))
        process.stdin.close()
        rest = process.stdout.read()
        process.wait(10)

    assert rest == ""
    assert {one["jsonrpc"] for one in heard} == {"2.0"}
    assert process.returncode == 0
