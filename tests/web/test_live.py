"""Pages that are told of changes: one follower for all of them, and none for whoever has gone or may look no more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import httpx
import psycopg
import pytest

from runtime.store.lending import Lender
from runtime.web.pages import live
from runtime.web.pages.live import Live
from tests.support.clock import FakeClock
from tests.support.factories import insert_event
from tests.support.probes import eventually
from tests.support.web import Web

TABS = 100


@pytest.fixture
def lender(database: str) -> Iterator[Lender]:
    with Lender(database, silence=timedelta(seconds=5)) as lender:
        yield lender


def followers() -> list[str]:
    names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]  # type: ignore[union-attr]  # a coroutine has a name
    return [name for name in names if name == "Live._follow"]


async def test_many_tabs_cost_one_follower_and_all_are_told(
    lender: Lender, rows: psycopg.Connection, clock: FakeClock
) -> None:
    hub = Live(lender, clock)
    tabs = [hub.join(f"session {number}") for number in range(TABS)]
    await eventually(lambda: clock.sleepers == 1, "the follower has looked for the first time")

    insert_event(rows, "run.noted")
    insert_event(rows, "task.noted")
    await clock.advance(1.1)
    told = [[await tab.get(), await tab.get()] for tab in tabs]

    assert told == [["run", "task"]] * TABS
    assert len(followers()) == 1
    for tab in tabs:
        hub.leave(tab)
    await eventually(lambda: clock.sleepers == 1, "it has told")
    await clock.advance(1.1)
    await eventually(lambda: not followers(), "nobody looks, and nothing follows")


async def test_whoever_falls_behind_is_sent_away_and_comes_back(
    lender: Lender, clock: FakeClock
) -> None:
    """Else the page would stay as it is for ever, and say that it is live."""
    hub = Live(lender, clock)
    tab = hub.join("session")
    stream = live._told(hub, tab, lender, "session")
    assert "hello" in await anext(stream)
    for _ in range(1000):
        hub._put(tab, "run")

    assert "bye" in await anext(stream)
    assert [part async for part in stream] == []
    assert hub.streams == 0
    hub.close()


def test_a_session_that_is_over_is_told_nothing_however_much_happens(
    web: Web, rows: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_SIGN_OF_LIFE_SECONDS", 2.5)
    origin = {"Origin": web.url, "Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=web.url, headers=origin, timeout=20) as client:
        client.post("/sign-in", data={"token": web.token})
        with client.stream("GET", "/live") as answer:
            seen: list[str] = []
            for line in answer.iter_lines():
                seen.append(line)
                if line == "event: hello":
                    rows.execute(
                        "update ordinaut.api_token set revoked_at = now(), revoked_by = 'ada'"
                    )
                # Something happens all the time.
                insert_event(rows, "run.noted")

    assert "event: bye" in seen
