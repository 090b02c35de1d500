"""What the adviser of the example ai-spend tells people, and what it does not tell them again; and sums that follow their calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest
from mcp.server.mcpserver.exceptions import ToolError

from runtime.embedded import Urls
from tests.examples.ai_spend import server_module
from tests.examples.test_ai_spend_rules import SORT, hourly
from tests.support.databases import fresh_database
from tests.support.processes import ordinaut, started

OTHER = """\
apiVersion: ordinaut/v1
kind: Project
name: other
---
apiVersion: ordinaut/v1
kind: Agent
name: thinker
scopes: [llm.plan]
---
apiVersion: ordinaut/v1
kind: Task
name: think
agent: thinker
labels: {client: acme}
schedule: {manual: true}
pipeline: [{id: think, uses: llm.plan, with: {goal: A day at the lake}}]
"""
DEAR = {**SORT, "with": {"text": "${item}", "handbook": "${params.handbook}"}}


@pytest.fixture
def books_url(servers: Urls, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with fresh_database(servers.database, "template0") as url:
        monkeypatch.setenv("BOOKS_URL", url)
        for name in ("adviser", "books"):
            monkeypatch.setattr(server_module(name), "URL", url)
        yield url


@pytest.fixture
def adviser(books_url: str) -> ModuleType:
    return server_module("adviser")


def subject(revision: int = 1) -> Any:
    """A task with two things that could be saved, neither of which is sure before it is tried."""
    savings, calls = server_module("savings"), server_module("calls")
    handbook = calls.argument("words " * 500)
    made = [
        replace(
            one,
            revision=revision,
            arguments={**one.arguments, "handbook": handbook},
            input_tokens=900,
        )
        for one in hourly()
    ]
    document = {"schedule": {"cron": "0 * * * *"}, "pipeline": [DEAR]}
    return savings.Subject("t", document, made, {"default": ["small"]})


def told(adviser: ModuleType, url: str, tests: str = "as they are", **fields: Any) -> list[str]:
    """What is found, by kind."""
    with server_module("ledger").open_ledger(url) as ledger:
        return [
            one.partition("-")[0] for one in adviser._next(ledger, "s", subject(**fields), tests)
        ]


def settle(url: str, state: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("update recommendation set state = %s where state = 'found'", [state])


def test_what_tests_refused_hides_nothing_else_and_is_tried_again_with_others(
    adviser: ModuleType, books_url: str
) -> None:
    assert told(adviser, books_url) == ["trim"]
    settle(books_url, "refused")

    assert told(adviser, books_url) == ["model"]
    settle(books_url, "refused")
    assert told(adviser, books_url) == []

    assert told(adviser, books_url, "other tests") == ["trim"]
    settle(books_url, "refused")
    assert told(adviser, books_url, "other tests", revision=2) == ["trim"]


@pytest.mark.parametrize("state", ["proposed", "realised"])
def test_what_people_were_told_they_are_not_told_again(
    adviser: ModuleType, books_url: str, state: str
) -> None:
    """Nor is a model asked for it every night, nor anything else of the task proposed beside it."""
    assert told(adviser, books_url) == ["trim"]
    settle(books_url, state)

    assert told(adviser, books_url) == []
    assert told(adviser, books_url, "other tests", revision=2) == []


def test_sums_follow_their_calls(books_url: str) -> None:
    ledger = server_module("ledger")
    [one] = hourly(1, source="s", run_id="019aaa00-0000-8000-8000-000000000001")
    with ledger.open_ledger(books_url) as books:
        books.put([replace(one, model="first told")])
        books.sum_up()
        books.put([replace(one, model="then told")])
        books.sum_up()

        assert [(row["model"], row["calls"]) for row in books.rows("select * from spend")] == [
            ("then told", 1)
        ]


def test_books_that_cannot_be_kept_are_no_success(
    books_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    books = server_module("books")
    monkeypatch.setenv("ORDINAUT_DATABASE_URL", "postgresql://x@127.0.0.1:1/x")

    with pytest.raises(ToolError, match="ORD301"):
        books.read_calls("mine")
    assert "no Ordinaut" in books.read_calls("theirs", str(tmp_path))["note"]


@pytest.mark.slow
async def test_the_books_have_what_another_ordinaut_called_and_have_it_once(
    books_url: str, tmp_path: Path
) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "ordinaut.yaml").write_text(OTHER)
    books, source = server_module("books"), ("other", str(tmp_path / ".ordinaut"))

    async with started("up", cwd=tmp_path) as up:
        await up.line("watching the specs")
        ran = await ordinaut("run", "think", "--wait", cwd=tmp_path)
        entered = [await asyncio.to_thread(books.read_calls, *source) for _ in range(2)]
        up.terminate()
        assert (await up.ended()).status == 0

    assert ran.status == 0, ran.stdout
    assert [one.get("note") for one in entered] == [None, None]
    books.sum_up()
    with server_module("ledger").open_ledger(books_url) as ledger:
        [row] = ledger.rows("select * from spend")
    assert (row["source"], row["task"], row["agent"], row["client"]) == (
        "other",
        "think",
        "thinker",
        "acme",
    )
    assert (row["tool"], row["calls"], row["input_tokens"] > 0) == ("llm.plan", 1, True)
