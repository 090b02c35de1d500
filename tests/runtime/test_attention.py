"""Answers that come while a run is held, because another branch of it is busy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import psycopg
import pytest

from runtime.actor import Actor
from runtime.errors import LeaseLost
from runtime.store.due_work import Claim
from runtime.store.events import Event, arrive
from runtime.store.recorded import Place, Waiting
from runtime.store.waits import answer_wait, list_asked
from tests.support.executing import LEASE, Bench, step
from tests.support.probes import eventually
from tests.support.scripted_tools import ScriptedTools, ok

ASK = step("ask", "ordinaut.approve", needs=[], **{"with": {"message": "Go on?", "timeout": "1h"}})
WAIT = step("ask", "ordinaut.wait_for", needs=[], **{"with": {"event": "orders.paid"}})
AFTER = step("after", "tool.after", needs=["ask"])


class Busy:
    """A run with one branch that is busy until `gate` is set, and another that waits."""

    def __init__(self, bench: Bench, *waits: dict[str, Any]) -> None:
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()
        self.bench = bench
        self.tools = ScriptedTools(tool__slow=self._slow, tool__after=ok())
        self.steps = [step("slow", "tool.slow"), *waits, AFTER]

    async def _slow(self, _: Mapping[str, Any]) -> Any:
        self.entered.set()
        await self.gate.wait()
        return ok()

    async def begin(self) -> asyncio.Task[Any]:
        await self.bench.queue(timeout="90d", pipeline=self.steps)
        going = asyncio.create_task(self.bench.go(self.tools))
        await self.entered.wait()
        # It listens from then on, when it has looked for what came before.
        recorded = "select count(*) from ordinaut.wait"
        while not await self.bench.row(recorded) or not self.bench.attention._listening:
            pass
        return going

    async def until_after(self) -> None:
        while ("tool.after", {}) not in self.tools.calls:
            await self.bench.attention.run_once()


@pytest.fixture
async def begin(bench: Bench) -> AsyncIterator[Callable[..., Any]]:
    """Begins a busy run, and ends it after the test."""
    begun: list[tuple[Busy, asyncio.Task[Any]]] = []

    async def _begin(*waits: dict[str, Any]) -> Busy:
        busy = Busy(bench, *waits)
        begun.append((busy, await busy.begin()))
        return busy

    yield _begin
    for busy, going in begun:
        busy.gate.set()
        await going


def approve(database: str) -> bool:
    with psycopg.connect(database, autocommit=True) as connection:
        (one,) = list_asked(connection)
        return answer_wait(connection, one, approved=True, by=Actor("ana"), reason="")


async def test_an_approval_lets_its_branch_go_on_while_another_is_busy(
    bench: Bench, begin: Any, database: str
) -> None:
    busy = await begin(ASK)
    assert await asyncio.to_thread(approve, database)

    await busy.until_after()

    assert not busy.gate.is_set()
    busy.gate.set()
    while await bench.row("select state from ordinaut.run") == "running":
        pass
    assert await bench.row("select state from ordinaut.run") == "succeeded"


async def test_an_event_lets_its_branch_go_on_while_another_is_busy(
    bench: Bench, begin: Any, database: str
) -> None:
    busy = await begin(WAIT)
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as outside:
        # Whether this ends the wait, or the run's own look after it began to wait, is a matter of who comes first.
        assert (await arrive(outside, Event("orders.paid", 1, "shop", "1"))).is_new

    await busy.until_after()

    assert not busy.gate.is_set()


async def test_who_has_lost_a_run_leaves_it_to_the_holder_to_hear_of_an_answer(
    bench: Bench, database: str
) -> None:
    busy = Busy(bench, ASK)
    going = await busy.begin()
    await bench.clock.advance(LEASE.total_seconds() + 1)
    await bench.claim()
    assert await asyncio.to_thread(approve, database)
    heard: list[str] = []
    (lease,) = bench.attention._listening
    bench.attention._listening[lease] = lambda: heard.append("the answer")

    await bench.attention.run_once()

    assert heard == []
    assert await bench.row("select woken from ordinaut.due_work")
    busy.gate.set()
    with pytest.raises(LeaseLost):
        await going


@pytest.mark.parametrize("waits", [ASK, WAIT])
async def test_a_run_that_goes_to_sleep_before_it_has_heard_of_an_answer_is_ready_at_once(
    bench: Bench, database: str, waits: dict[str, Any]
) -> None:
    busy = Busy(bench, waits)
    going = await busy.begin()
    if waits is ASK:
        assert await asyncio.to_thread(approve, database)
    else:
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as outside:
            await arrive(outside, Event("orders.paid", 1, "shop", "1"))
    # It is told, but its other branch ends as it is, and it looks at nothing any more.
    (lease,) = bench.attention._listening
    bench.attention._listening[lease] = lambda: None
    await bench.attention.run_once()
    busy.gate.set()
    await going

    if await bench.row("select state from ordinaut.run") == "waiting":
        assert await bench.seconds_until_ready() <= 0
        await bench.go(busy.tools)
    assert await bench.row("select state from ordinaut.run") == "succeeded"


class Looks:
    """Reads waits as ever; something may happen before or after a step reads them for itself."""

    def __init__(
        self,
        bench: Bench,
        *,
        before: Callable[[], Awaitable[Any]] | None = None,
        after: Callable[[], Awaitable[Any]] | None = None,
    ) -> None:
        self.plain = 0
        self.has_heeded = asyncio.Event()
        self._bench, self._before, self._after = bench, before, after

    async def look(self, claim: Claim, *, is_heeded: bool) -> Mapping[Place, Waiting]:
        self.plain += not is_heeded
        if not is_heeded and self._before is not None:
            await self._before()
        read = await self._bench.arrivals.look(claim, is_heeded=is_heeded)
        if not is_heeded and self._after is not None:
            await self._after()
        if is_heeded:
            self.has_heeded.set()
        return read


async def test_an_answer_that_another_step_has_read_is_not_taken_for_heeded(
    bench: Bench, database: str
) -> None:
    """The step that waits for an event reads the approval too, and nobody has told the step that is approved."""
    bench.looking = Looks(bench, before=lambda: asyncio.to_thread(approve, database))  # type: ignore[assignment]  # it never starts a run
    other = step("other", "ordinaut.wait_for", needs=[], **{"with": {"event": "orders.made"}})
    await bench.queue(timeout="90d", pipeline=[ASK, other])

    await bench.go(ScriptedTools())

    assert await bench.row("select state from ordinaut.run") == "waiting"
    assert await bench.seconds_until_ready() <= 0


async def test_an_answer_that_was_heeded_is_marked_no_more(
    bench: Bench, begin: Any, database: str
) -> None:
    busy = await begin(ASK)
    assert await asyncio.to_thread(approve, database)

    await busy.until_after()

    assert not await bench.row("select woken from ordinaut.due_work")


async def test_an_answer_lets_those_look_that_it_is_for(
    bench: Bench, begin: Any, database: str
) -> None:
    """Ten wait for events that nobody tells of: each would look by itself."""
    looks = bench.looking = Looks(bench)
    others = step(
        "others",
        "ordinaut.wait_for",
        needs=[],
        foreach="${`[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]`}",
        **{"with": {"event": "orders.made"}},
    )
    busy = await begin(ASK, others)
    await eventually(lambda: looks.plain == 10, "each has looked by itself")
    assert await asyncio.to_thread(approve, database)

    await busy.until_after()

    assert looks.plain == 10


async def test_what_was_read_earlier_and_comes_later_takes_no_answer_back(
    bench: Bench, database: str
) -> None:
    gate = asyncio.Event()

    async def slow(_: Mapping[str, Any]) -> Any:
        await gate.wait()
        return ok()

    async def overtaken() -> None:
        assert await asyncio.to_thread(approve, database)
        await eventually(lambda: bench.attention._listening, "the run listens")
        await bench.attention.run_once()
        await looks.has_heeded.wait()

    looks = bench.looking = Looks(bench, after=overtaken)
    other = step("other", "ordinaut.wait_for", needs=[], **{"with": {"event": "orders.made"}})
    tools = ScriptedTools(tool__slow=slow, tool__after=ok())
    after = step("after", "tool.after", needs=["ask"])
    await bench.queue(timeout="90d", pipeline=[step("slow", "tool.slow"), ASK, other, after])
    going = asyncio.create_task(bench.go(tools))

    await looks.has_heeded.wait()
    await eventually(lambda: ("tool.after", {}) in tools.calls, "what was approved goes on")
    gate.set()
    await going


@pytest.mark.parametrize(
    "is_used",
    [
        "insert into ordinaut.step_result (run_id, step, iteration, lease_epoch, attempt, outcome, uses, started_at, finished_at)"
        " select run_id, 'do', 0, 1, 1, 'ok', 'tool.do', now(), now() from ordinaut.run",
        "insert into ordinaut.step_attempt (run_id, step, iteration, attempt, lease_epoch, outcome, started_at, finished_at, retry_at)"
        " select run_id, 'do', 0, 1, 1, 'unknown', now(), now(), now() from ordinaut.run",
    ],
    ids=["by the result", "by another try"],
)
async def test_what_people_said_of_a_call_stays_marked_until_it_is_used(
    bench: Bench, is_used: str
) -> None:
    await bench.queue(pipeline=[step("do")])
    claim = await bench.claim()
    await bench.connection.execute(
        "insert into ordinaut.step_intent"
        " (run_id, step, iteration, attempt, lease_epoch, idempotency_key, asked, asked_at, answer, answered_at)"
        " select run_id, 'do', 0, 1, 1, 'key', '{}', now(), '{}', now() from ordinaut.run"
    )
    await bench.connection.execute("update ordinaut.due_work set woken = true")

    await bench.arrivals.look(claim, is_heeded=False)
    await bench.arrivals.look(claim, is_heeded=True)

    assert await bench.row("select woken from ordinaut.due_work")
    await bench.connection.execute(is_used.encode())
    await bench.arrivals.look(claim, is_heeded=False)
    assert await bench.row("select woken from ordinaut.due_work")
    await bench.arrivals.look(claim, is_heeded=True)
    assert not await bench.row("select woken from ordinaut.due_work")


async def test_nothing_is_asked_of_the_database_while_nobody_listens(bench: Bench) -> None:
    await bench.queue(pipeline=[step("do")])
    await bench.go(ScriptedTools(tool__do=ok()))
    await bench.pool.close()

    await bench.attention.run_once()
