"""Secrets are planted in every place that takes one, tools tell them in every way they have, and no record holds any."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import random
from collections.abc import Iterator, Mapping
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus
from uuid import UUID

import httpx
import psycopg
import pytest
from psycopg import sql
from redis.asyncio import Redis

from runtime.app import Place, running
from runtime.config import Config
from tests.support.installed import HEAD, install, queue_run, task
from tests.support.probes import eventually
from tests.support.web import serving

LEAKY = """
import base64, json, os, sys, urllib.parse
from mcp.server.mcpserver import MCPServer

server = MCPServer("leaky")
WAYS = {
    "as it is": str,
    "in a sentence": lambda text: f"the password is '{text}', keep it",
    "json": json.dumps,
    "json in json": lambda text: json.dumps({text: [json.dumps(text)]}),
    "letters": lambda text: json.dumps(text, ensure_ascii=False),
    "python": repr,
    "url": lambda text: "https://host/?q=" + urllib.parse.quote(text, safe=""),
    "form": lambda text: "q=" + urllib.parse.quote_plus(text),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "basic": lambda text: "Basic " + base64.b64encode(f"me:{text}".encode()).decode(),
    "lines": lambda text: "\\n".join(f"> {line}" for line in text.splitlines()),
}

@server.tool(description="knows " + os.environ["OWN"])
def tell(text: str, how: str) -> dict:
    told = WAYS[how](text)
    print(told, file=sys.stderr, flush=True)
    return {"told": told, told: [how, {"own": WAYS[how](os.environ["OWN"])}]}

@server.tool()
def fail(text: str, how: str) -> dict:
    raise ValueError(WAYS[how](text))

@server.tool()
def refuse(number: int) -> int:
    return number

@server.tool()
def die(text: str, how: str) -> dict:
    print(WAYS[how](text), WAYS[how](os.environ["OWN"]), file=sys.stderr, flush=True)
    os._exit(3)

server.run()
"""
WAYS = ("as it is", "in a sentence", "json", "json in json", "letters", "python", "url", "form", "base64", "basic", "lines")  # fmt: skip
AWKWARD = (
    "quotes \"and\" \\backslashes\\ and 'more'",
    "ünïcödé-пароль-🔑-secret",
    "percent%20plus+slash/equals==&amp;",
    "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\nAASCBKcwggSjAgEAAoIBAQC7\n-----END KEY-----",
    "tabs\tand $dollars ${secrets.not} `ticks`",
)
# Each is followed by a pause before the next start.
_DEATHS = 2
ALPHABET = "abcXYZ019 \"'\\/+=%&?#<>{}[]()$`~\t\nüßя漢🔑"


def secrets_of(draw: random.Random) -> dict[str, str]:
    """Awkward ones, and some that chance makes."""
    made = [
        "".join(draw.choices(ALPHABET, k=draw.randint(9, 60))).strip().ljust(9, "x")
        for _ in range(7)
    ]
    return {f"s{number}": value for number, value in enumerate([*AWKWARD, *made])}


def sources_of(secrets: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Where they are read: files, and programs that print files."""
    sources: dict[str, Any] = {}
    for number, (name, value) in enumerate(secrets.items()):
        (folder / name).write_text(value)
        printing = f"import sys; sys.stdout.write(open('{name}').read())"
        sources[name] = {"command": ["python", "-c", printing]} if number % 2 else {"file": name}
    return sources


def step(name: str, uses: str, arguments: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": name, "uses": uses, "with": arguments, "on_error": "continue", "needs": [], **fields}  # fmt: skip


def telling(name: str, position: int) -> list[dict[str, Any]]:
    """Steps that have one secret told in every way, and one that is refused with it."""
    reference = f"${{secrets.{name}}}"
    how = WAYS[position % len(WAYS)]
    return [
        *(
            step(f"tell{n}", "leaky.tell", {"text": reference, "how": way})
            for n, way in enumerate(WAYS)
        ),
        step("fail", "leaky.fail", {"text": f"a {reference} b", "how": how}),
        step("refuse", "leaky.refuse", {"number": reference}),
        step("unknown", "leaky.tell", {"text": reference, "how": reference}),
        step("expect", "ordinaut.transform", {"value": reference}, expect="result == `1`"),
        step("value", "ordinaut.transform", {"value": {"deep": [f"x{reference}y"]}}),
        step("assert", "ordinaut.assert", {"that": False, "message": reference}),
        step("list", "ordinaut.transform", {"value": "${item}"}, foreach=f"${{[secrets.{name}]}}"),
        *(
            step("die", "leaky.die", {"text": reference, "how": how}, needs=["fail", "refuse"])
            for _ in range(position < _DEATHS)
        ),
        step("emit", "ordinaut.emit", {"type": "leak.told", "data": {"it": reference}}),
    ]


async def columns(connection: psycopg.AsyncConnection) -> list[tuple[str, str]]:
    cursor = await connection.execute(
        "select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid"
        " where c.relnamespace = 'ordinaut'::regnamespace and c.relkind = 'r' and a.attnum > 0"
        " and not a.attisdropped and a.atttypid in ('text'::regtype, 'jsonb'::regtype, 'bytea'::regtype, 'text[]'::regtype)"
    )
    return await cursor.fetchall()  # type: ignore[return-value] - two columns


async def stored(connection: psycopg.AsyncConnection) -> list[tuple[str, str]]:
    """Every text in the database, with where it stands."""
    found = []
    for table, column in await columns(connection):
        query = sql.SQL("select {} from ordinaut.{}").format(
            sql.Identifier(column), sql.Identifier(table)
        )
        for (value,) in await (await connection.execute(query)).fetchall():
            found += [(f"{table}.{column}", text) for text in texts_in(value)]
    return found


def texts_in(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case bytes():
            yield value.decode(errors="replace")
        case dict():
            for key, item in value.items():
                yield key
                yield from texts_in(item)
        case list():
            for item in value:
                yield from texts_in(item)
        case _:
            pass


def forms(secret: str) -> set[str]:
    raw = secret.encode()
    written = {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(secret)[1:-1])[1:-1],
        repr(secret)[1:-1],
        quote(secret, safe=""),
        quote_plus(secret),
        base64.b64encode(raw).decode().rstrip("="),
        base64.b64encode(b"me:" + raw).decode().rstrip("=")[4:],
    }
    return written | {line for line in secret.splitlines() if len(line) >= 16}


async def published(redis_url: str) -> list[tuple[str, str]]:
    found = []
    async with Redis.from_url(redis_url, decode_responses=True) as bus:
        for stream in await bus.keys("*"):
            if await bus.type(stream) == "stream":
                for _, fields in await bus.xrange(stream):
                    found += [(stream, text) for field in fields.values() for text in [field, *texts_in(_loaded(field))]]  # fmt: skip
    return found


def pages(database: str, runs: list[UUID]) -> list[tuple[str, str]]:
    """What the dashboard shows of them and the API tells, as people read it."""
    with psycopg.connect(database, autocommit=True) as connection:
        names = connection.execute("select name from ordinaut.spec where kind = 'Task'").fetchall()
    tasks = [f"/tasks/default/{name}" for (name,) in names]
    paths = ["/", "/tasks", "/runs", "/health", "/audit", "/changes", *(f"/runs/{run}" for run in runs), *tasks]  # fmt: skip
    with serving(database) as web, httpx.Client(base_url=web.url, headers={"Origin": web.url}) as client:  # fmt: skip
        client.post("/sign-in", data={"token": web.token})
        answers = [(path, client.get(path)) for path in paths]
        told = ["status", "drift", "spend", "tasks", "runs", "events?limit=500", "approvals", "unsettled", "revisions", "sources", "audit", "timeline"]  # fmt: skip
        told += [f"runs/{run}" for run in runs] + [f"tasks/default/{name}" for (name,) in names]
        told += [f"tasks/default/{name}/explanation" for (name,) in names]
        answers += [(path, web.client.get(f"/api/v1/{path}")) for path in told]
    assert {answer.status_code for _, answer in answers} == {200}
    return [(f"page {path}", unescape(answer.text)) for path, answer in answers]


def _loaded(field: str) -> Any:
    try:
        return json.loads(field)
    except ValueError:
        return None


@pytest.fixture
def place(database: str, redis_url: str, tmp_path: Path) -> Place:
    return Place(database, redis_url, tmp_path)


async def test_no_record_event_or_log_holds_a_secret_however_a_tool_tells_it(
    place: Place,
    connection: psycopg.AsyncConnection,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = place.folder
    caplog.set_level(logging.DEBUG, "ordinaut")
    secrets = secrets_of(random.Random(7))
    (folder / "leaky.py").write_text(LEAKY)
    sources = sources_of(secrets, folder)
    await install(connection, {**HEAD, "kind": "Project", "name": "home", "secrets": sources})
    stdio = {"command": "python", "args": ["leaky.py"], "env": {"OWN": "${secrets.s0}"}}
    server = {**HEAD, "kind": "ToolServer", "name": "leaky", "stdio": stdio, "max_concurrency": 8}
    await install(connection, server)
    runs = []
    for position, name in enumerate(secrets):
        document = task(f"leak-{name}", pipeline=telling(name, position), timeout="2m")
        runs.append(await queue_run(connection, await install(connection, document)))

    config = Config(state_dir=folder / "state", lease=timedelta(seconds=30))
    async with running(config, place):

        async def are_over() -> bool:
            cursor = await connection.execute(
                "select count(*) from ordinaut.run where finished_at is not null"
            )
            return await cursor.fetchone() == (len(runs),)

        await eventually(are_over, "all runs end", seconds=90)

        async def are_told() -> bool:
            cursor = await connection.execute("select count(*) from ordinaut.outbox")
            return await cursor.fetchone() == (0,)

        await eventually(are_told, "all events are published", seconds=30)

    records = [*await stored(connection), *await published(str(place.redis_url)), *logged(caplog)]
    files = [path for path in (folder / "state").rglob("*") if path.is_file()]
    records += [(str(file), file.read_text(errors="replace")) for file in files]
    records += await asyncio.to_thread(pages, place.database_url, runs)
    told = {
        (
            place,
            name,
            form,
            text[max(0, text.index(form) - 60) : text.index(form) + len(form) + 40],
        )
        for name, secret in secrets.items()
        for form in forms(secret)
        for place, text in records
        if form in text
    }
    assert told == set()
    # They were given to tools, which told them: in their places stand marks.
    for column in ("output", "error", "input", "data"):
        marked = [text for where, text in records if where.endswith(f".{column}") and "[" in text]
        assert any("[redacted]" in text or "[secret s" in text for text in marked), column


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    formatter = logging.Formatter()
    return [("log", formatter.format(record)) for record in caplog.records]
