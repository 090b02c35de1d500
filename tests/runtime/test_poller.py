"""Conditions are asked when it is time, once, and an answer starts a run when it should."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runtime.config import Config
from runtime.core.outcomes import CallError, CallOutcome
from runtime.poller import Poller
from runtime.registry import Registry
from runtime.store.pool import Pool, open_pool
from runtime.tools.definition import ServerDefinition
from runtime.turns import Turns
from runtime.wake import Bell
from schemas.event import EVENTS
from tests.support.clock import START, FakeClock
from tests.support.installed import HEAD, Installed, arm, install, queue_run, task
from tests.support.probes import eventually, within
from tests.support.scripted_tools import Answer, ScriptedTools, failed, ok

MINUTE = 60
LEASE = 15


class Meter(ScriptedTools):
    """The tool of most tests: `meter.read`."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(meter__read=list(answers))

    def replace(self, definitions: tuple[ServerDefinition, ...]) -> None:
        """There are no servers."""


def level(value: int) -> CallOutcome:
    return ok({"level": value})


class Bench:
    """A database, a clock, and as many runtimes as a test wants."""

    def __init__(
        self,
        pool: Pool,
        connection: psycopg.AsyncConnection,
        clock: FakeClock,
        database: str,
        folder: Path,
    ) -> None:
        self.pool = pool
        self.connection = connection
        self.clock = clock
        self.turns = Turns(pool, clock, Bell(clock))
        self._database = database
        self._folder = folder

    def poller(self, tools: Meter, runtime_id: int = 1, pool: Pool | None = None) -> Poller:
        return Poller(
            runtime_id=runtime_id,
            pool=pool or self.pool,
            registry=Registry(self.pool, tools, self.clock, self._folder),
            tools=tools,
            clock=self.clock,
            bell=Bell(self.clock),
            work=Bell(self.clock),
            turns=self.turns,
            config=Config(),
        )

    async def watch(
        self, *conditions: dict[str, Any], name: str = "watch", **fields: Any
    ) -> Installed:
        """A task with these conditions, as an apply leaves it; by default one asked every minute."""
        asked = [
            {
                "condition": {"uses": "meter.read", "every": "1m", "when": "result.level > `3`"}
                | one
            }
            for one in conditions or ({},)
        ]
        installed = await install(self.connection, task(name, schedule=asked, **fields))
        arm(self._database, installed)
        return installed

    async def minutes(self, poller: Poller, count: int = 1) -> None:
        """Let minutes pass, with a look and all its polls at the end of each."""
        for _ in range(count):
            await self.clock.advance(MINUTE)
            await self.look(poller)

    async def look(self, poller: Poller) -> int:
        begun = await poller.run_once()
        await within(asyncio.gather(*begun), "the polls end")
        return len(begun)

    async def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        cursor = await self.connection.execute(query.encode(), parameters)
        return await cursor.fetchall()

    async def runs(self) -> list[tuple[str, str, str | None]]:
        """When each run stands for, its state, and why it was skipped."""
        return await self.rows(
            "select to_char(occurrence_for at time zone 'UTC', 'HH24:MI'), state, reason"
            " from ordinaut.run where trigger = 'condition' order by run_id"
        )

    async def fired(self) -> list[str]:
        return [at for at, _, _ in await self.runs()]

    async def state(self, *columns: str) -> Any:
        """These columns of the only condition there is."""
        (row,) = await self.rows(f"select {', '.join(columns)} from ordinaut.condition")
        return row

    async def events(self) -> list[tuple[str, str, dict[str, Any]]]:
        return await self.rows(
            "select type, subject, data from ordinaut.outbox order by outbox_id"
        )


@pytest.fixture
async def bench(
    pool: Pool,
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    database: str,
    tmp_path: Path,
) -> Bench:
    await clock.attach(database)
    return Bench(pool, connection, clock, database, tmp_path)


@asynccontextmanager
async def serving(poller: Poller) -> AsyncIterator[None]:
    """The poller as a service for the block."""
    service = asyncio.create_task(poller.run())
    yield
    service.cancel()
    await asyncio.gather(service, return_exceptions=True)


async def test_a_run_starts_when_the_answer_comes_to_meet_the_condition(bench: Bench) -> None:
    installed = await bench.watch({}, overlap="allow", priority=7)
    meter = Meter(level(1), level(4), level(5), level(2), level(9))

    await bench.minutes(bench.poller(meter, 3), 5)

    assert await bench.runs() == [("08:02", "queued", None), ("08:05", "queued", None)]
    assert await bench.rows(
        "select r.revision_id, r.due_at = r.occurrence_for, r.decided_by, r.event, w.lane, w.revision_id,"
        " w.ready_at = r.due_at"
        " from ordinaut.run r join ordinaut.due_work w using (run_id) order by run_id limit 1"
    ) == [
        (
            installed.revision_id,
            True,
            3,
            {"result": {"level": 4}, "condition": 0},
            7,
            installed.revision_id,
            True,
        )
    ]


async def test_a_level_starts_a_run_at_each_poll_that_meets_the_condition(bench: Bench) -> None:
    await bench.watch({"edge": "level"}, overlap="allow")

    await bench.minutes(bench.poller(Meter(level(4), level(4), level(1), level(4))), 4)

    assert await bench.fired() == ["08:01", "08:02", "08:04"]


async def test_a_condition_fires_again_only_after_its_rearming(bench: Bench) -> None:
    await bench.watch({"rearm": "result.level < `2`"}, overlap="allow")
    meter = Meter(level(4), level(3), level(4), level(1), level(3), level(4))

    await bench.minutes(bench.poller(meter), 6)

    assert await bench.fired() == ["08:01", "08:06"]


async def test_a_condition_that_must_hold_fires_when_it_has(bench: Bench) -> None:
    await bench.watch({"for": "2m"}, overlap="allow")
    meter = Meter(level(4), level(4), level(1), level(4))

    await bench.minutes(bench.poller(meter), 7)

    assert await bench.fired() == ["08:06"]


async def test_what_a_condition_remembers_is_in_the_database(bench: Bench) -> None:
    await bench.watch({}, overlap="allow")
    await bench.minutes(bench.poller(Meter(level(4))), 2)

    # The runtime that knew is gone: another one, much later, finds the condition still met.
    await bench.minutes(bench.poller(Meter(level(5)), 2), 2)

    assert await bench.fired() == ["08:01"]
    assert await bench.state(
        "phase", "met_since", "changed_at", "polled_at", "answer", "error"
    ) == (
        "spent",
        START + timedelta(minutes=1),
        START + timedelta(minutes=1),
        START + timedelta(minutes=4),
        {"level": 5},
        None,
    )


async def test_polls_come_at_round_times_and_missed_ones_are_not_made_up_for(bench: Bench) -> None:
    await bench.clock.advance(20)
    await bench.watch({"every": "5m", "edge": "level"}, overlap="allow")
    meter = Meter(level(4))
    poller = bench.poller(meter)

    await bench.clock.advance(4 * MINUTE)
    assert await bench.look(poller) == 0
    await bench.clock.advance(MINUTE)
    assert await bench.look(poller) == 1
    await bench.clock.advance(17 * MINUTE)
    assert await bench.look(poller) == 1
    assert await bench.look(poller) == 0

    assert await bench.fired() == ["08:05", "08:20"]
    assert await bench.state("next_poll_at") == (START + timedelta(minutes=25),)


async def test_the_tool_gets_what_the_templates_say_and_no_more_time_than_until_the_next_poll(
    bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("s3cr3t-token\n")
    project = {**HEAD, "kind": "Project", "name": "demo", "secrets": {"token": {"file": "token"}}}
    await install(bench.connection, project)
    arguments = {"room": "${params.room}", "at": "${now}", "key": "${secrets.token}"}
    await bench.watch({"with": arguments}, params={"room": "cellar"})
    meter = Meter(ok({"level": 4, "seen": "s3cr3t-token"}))

    await bench.minutes(bench.poller(meter))

    given = {"room": "cellar", "at": "2026-01-05T08:01:00Z", "key": "s3cr3t-token"}
    assert meter.calls == [("meter.read", given)]
    assert meter.timeouts == [(None, timedelta(minutes=1))]
    assert len(meter.ended) == 1
    assert await bench.state("answer") == ({"level": 4, "seen": "[redacted]"},)
    assert await bench.rows("select event -> 'result' ->> 'seen' from ordinaut.run") == [
        ("[redacted]",)
    ]


async def test_a_tool_that_fails_is_no_edge_and_is_told_once(bench: Bench) -> None:
    await bench.watch({}, overlap="allow")
    meter = Meter(level(4), failed(), failed(), level(4), level(1), level(4))

    await bench.minutes(bench.poller(meter), 2)
    assert await bench.state("phase", "answer", "failing_since", "polled_at", "error") == (
        "spent",
        {"level": 4},
        START + timedelta(minutes=2),
        START + timedelta(minutes=2),
        {"code": "ORD404", "message": "it was tool_error"},
    )
    await bench.minutes(bench.poller(meter), 4)

    assert await bench.fired() == ["08:01", "08:06"]
    assert await bench.state("failing_since", "error") == (None, None)
    facts = {"task": "watch", "condition": 0, "uses": "meter.read"}
    error = {"code": "ORD404", "message": "it was tool_error"}
    told = await bench.events()
    assert told == [
        ("condition.failed", "watch", {**facts, "error": error}),
        (
            "condition.recovered",
            "watch",
            {**facts, "failing_since": "2026-01-05T08:02:00+00:00"},
        ),
    ]
    for kind, _, data in told:
        EVENTS[kind].model_validate(data)


@pytest.mark.parametrize(
    ("asked", "answer", "code"),
    [
        ({}, ok({"lvl": 4}), "ORD502"),
        ({"with": {"a": "${params.room}"}}, level(4), "ORD502"),
        ({}, ok({"level": 4, "note": "\0"}), "ORD506"),
        ({}, CallOutcome("timeout"), "ORD404"),
        ({}, CallOutcome("lost", error=CallError("ORD406", "gone", "last words")), "ORD406"),
        ({"with": {"a": "${secrets.token}"}}, level(4), "ORD502"),
    ],
)
async def test_what_cannot_be_asked_or_judged_is_a_failure(
    bench: Bench, asked: dict[str, Any], answer: CallOutcome, code: str
) -> None:
    await bench.watch(asked)

    await bench.minutes(bench.poller(Meter(answer)), 2)

    assert await bench.fired() == []
    ((error,),) = [await bench.state("error")]
    assert error["code"] == code
    assert error.get("detail", "") == (
        "last words" if code == "ORD406" else error.get("detail", "")
    )


async def test_an_agent_s_scopes_hold_for_polls(bench: Bench) -> None:
    await install(
        bench.connection, {**HEAD, "kind": "Agent", "name": "warden", "scopes": ["llm.*"]}
    )
    await bench.watch({}, agent="warden")
    meter = Meter(level(4))

    await bench.minutes(bench.poller(meter))

    assert meter.calls == []
    assert await bench.state("error ->> 'code'") == ("ORD409",)


async def test_of_a_very_large_answer_only_the_run_gets_all(bench: Bench) -> None:
    await bench.watch({})
    value = {"level": 4, "text": "x" * 70_000}

    await bench.minutes(bench.poller(Meter(ok(value))))

    assert await bench.state("answer", "phase") == (None, "spent")
    assert await bench.rows("select event -> 'result' from ordinaut.run") == [(value,)]


async def test_a_task_that_may_not_overlap_skips_an_edge_while_a_run_of_it_is_active(
    bench: Bench,
) -> None:
    await queue_run(bench.connection, await bench.watch({}))

    await bench.minutes(bench.poller(Meter(level(4))), 2)

    assert await bench.runs() == [("08:01", "skipped", "overlap")]
    ((kind, subject, data),) = await bench.events()
    assert (kind, subject, data["trigger"], data["reason"]) == (
        "run.skipped",
        "watch",
        "condition",
        "overlap",
    )
    EVENTS[kind].model_validate(data)


async def test_a_run_waits_for_its_turn_where_the_task_lets_it(bench: Bench) -> None:
    active = await queue_run(
        bench.connection, await bench.watch({"edge": "level"}, overlap="queue_one")
    )

    await bench.minutes(bench.poller(Meter(level(4))), 2)
    assert await bench.runs() == [
        ("08:01", "queued", None),
        ("08:02", "skipped", "overlap_queue_full"),
    ]
    waits = "select count(*) from ordinaut.backlog join ordinaut.run using (run_id) where trigger = 'condition'"
    assert await bench.rows(waits) == [(1,)]
    await bench.connection.execute(
        "with over as (delete from ordinaut.due_work where run_id = %s)"
        " update ordinaut.run set state = 'succeeded' where run_id = %s",
        [active, active],
    )
    assert not await bench.turns.look()

    assert await bench.rows(waits) == [(0,)]
    assert await bench.rows(
        "select count(*) from ordinaut.due_work join ordinaut.run using (run_id) where trigger = 'condition'"
    ) == [(1,)]


async def test_a_run_takes_the_place_of_an_active_one_where_the_task_says_so(bench: Bench) -> None:
    active = await queue_run(
        bench.connection, await bench.watch({}, overlap="cancel_running", start_deadline="10m")
    )

    await bench.minutes(bench.poller(Meter(level(4))))

    assert await bench.runs() == [("08:01", "queued", None)]
    assert await bench.rows("select state from ordinaut.run where run_id = %s", active) == [
        ("cancelled",)
    ]
    assert await bench.rows("select start_until from ordinaut.due_work") == [
        (START + timedelta(minutes=11),)
    ]


async def test_an_answer_that_is_not_written_takes_nobody_s_place(bench: Bench) -> None:
    installed = await bench.watch({}, overlap="cancel_running")
    active = await queue_run(bench.connection, installed)

    async def paused_meanwhile(_: object) -> CallOutcome:
        await paused(bench, installed)
        return level(4)

    await bench.minutes(bench.poller(Meter(paused_meanwhile)))

    assert await bench.runs() == []
    assert await bench.rows("select state from ordinaut.run where run_id = %s", active) == [
        ("queued",)
    ]


async def test_several_conditions_of_a_task_are_asked_each_by_itself(bench: Bench) -> None:
    await bench.watch(
        {"every": "1m", "when": "result.level > `3`"},
        {"every": "2m", "when": "result.level > `5`"},
        overlap="allow",
    )

    await bench.minutes(bench.poller(Meter(level(4), level(6))), 2)

    assert await bench.rows(
        "select event ->> 'condition', occurrence_for from ordinaut.run order by run_id"
    ) == [("0", START + timedelta(minutes=1)), ("1", START + timedelta(minutes=2))]


async def test_runtimes_that_race_ask_once(bench: Bench, database: str) -> None:
    for number in range(40):
        await bench.watch({"edge": "level"}, name=f"watch-{number}", overlap="allow")
    meter = Meter(level(4))
    pools = [await open_pool(database) for _ in range(4)]
    pollers = [bench.poller(meter, number, pool) for number, pool in enumerate(pools)]

    for _ in range(3):
        await bench.clock.advance(MINUTE)
        while sum(await asyncio.gather(*(bench.look(poller) for poller in pollers))):
            pass
    for pool in pools:
        await pool.close()

    assert len(meter.calls) == 120
    assert await bench.rows(
        "select count(*), count(distinct (task_uid, occurrence_for)) from ordinaut.run"
    ) == [(120, 120)]


async def test_a_paused_task_is_not_asked_about(bench: Bench) -> None:
    installed = await bench.watch({})
    await paused(bench, installed)
    meter = Meter(level(4))
    poller = bench.poller(meter)

    await bench.minutes(poller, 2)
    assert meter.calls == []
    await bench.connection.execute("update ordinaut.task_override set ended_at = ordinaut.now()")
    await bench.look(poller)

    assert await bench.fired() == ["08:02"]


Disturbance = Callable[[Bench, Installed], Any]


async def paused(bench: Bench, installed: Installed) -> None:
    await bench.connection.execute(
        "insert into ordinaut.task_override (task_uid, kind, reason, actor) values (%s, 'pause', '', 'ada')",
        [installed.uid],
    )


async def retired(bench: Bench, installed: Installed) -> None:
    await bench.connection.execute(
        "update ordinaut.spec set retired_at = ordinaut.now() where uid = %s", [installed.uid]
    )


async def forgotten(bench: Bench, _: Installed) -> None:
    await bench.connection.execute("delete from ordinaut.condition")


@pytest.mark.parametrize("disturb", [paused, retired, forgotten])
async def test_an_answer_that_comes_too_late_for_its_task_starts_nothing(
    bench: Bench, disturb: Disturbance
) -> None:
    installed = await bench.watch({})
    gate = asyncio.Event()

    async def slow(_: object) -> CallOutcome:
        await gate.wait()
        return level(4)

    meter = Meter(slow)
    await bench.clock.advance(MINUTE)
    begun = await bench.poller(meter).run_once()
    await within(meter.called.wait(), "the tool is asked")
    await disturb(bench, installed)
    gate.set()
    await within(asyncio.gather(*begun), "the poll ends")

    assert await bench.runs() == []


async def test_an_answer_to_a_task_that_changed_meanwhile_is_asked_for_again(bench: Bench) -> None:
    """An apply keeps the condition and changes what its run does: the run must not begin with the old steps."""
    await bench.watch({})
    asked: list[int] = []

    async def answer(_: object) -> CallOutcome:
        if not asked:
            asked.append(1)
            await bench.watch({}, priority=9)
        return level(4)

    poller = bench.poller(Meter(answer))
    await bench.minutes(poller)
    assert await bench.runs() == []
    await bench.look(poller)

    assert await bench.rows(
        "select w.lane, r.revision_id = s.revision_id from ordinaut.run r join ordinaut.due_work w using (run_id)"
        " join ordinaut.spec s on s.uid = r.task_uid"
    ) == [(9, True)]


async def test_a_runtime_that_lost_its_lease_writes_nothing(bench: Bench) -> None:
    await bench.watch({"edge": "level"}, overlap="allow")
    gate, answers = asyncio.Event(), [level(4), level(1)]

    async def slow(_: object) -> CallOutcome:
        await gate.wait()
        return answers.pop()

    frozen, other = Meter(slow), Meter(level(5))
    await bench.clock.advance(MINUTE)
    begun = await bench.poller(frozen).run_once()
    await within(frozen.called.wait(), "the tool is asked")
    # It sleeps through its lease, as far as the database can tell.
    await bench.connection.execute("update ordinaut.condition set next_poll_at = ordinaut.now()")
    await bench.look(bench.poller(other, 2))
    gate.set()
    await within(asyncio.gather(*begun), "the late answer is refused")

    assert await bench.state("answer", "lease_epoch") == ({"level": 5}, 2)
    assert await bench.fired() == ["08:01"]


async def test_a_long_call_keeps_its_lease(bench: Bench) -> None:
    await bench.watch({"every": "1h"})
    gate = asyncio.Event()

    async def slow(_: object) -> CallOutcome:
        await gate.wait()
        return level(4)

    meter = Meter(slow)
    await bench.clock.advance(60 * MINUTE)
    begun = await bench.poller(meter).run_once()
    await within(meter.called.wait(), "the tool is asked")
    for _ in range(12):
        before = await bench.state("next_poll_at")
        await bench.clock.advance(LEASE / 3)

        async def renewed(before: Any = before) -> bool:
            return bool(await bench.state("next_poll_at") > before)

        await eventually(renewed, "the lease is renewed")
    assert await bench.look(bench.poller(Meter(), 2)) == 0
    gate.set()
    await within(asyncio.gather(*begun), "the poll ends")

    assert await bench.fired() == ["09:00"]


async def test_a_poll_ends_when_its_lease_is_lost(bench: Bench) -> None:
    await bench.watch({})
    meter = Meter(never)
    await bench.clock.advance(MINUTE)
    (begun,) = await bench.poller(meter).run_once()
    await within(meter.called.wait(), "the tool is asked")

    await bench.connection.execute("update ordinaut.condition set lease_epoch = lease_epoch + 1")
    await bench.clock.advance(LEASE / 3)

    await within(asyncio.gather(begun, return_exceptions=True), "the poll ends")
    assert begun.cancelled()


async def never(_: object) -> CallOutcome:
    await asyncio.Event().wait()
    raise AssertionError("nobody opens the gate")


async def test_a_runtime_that_stops_hands_its_polls_back(bench: Bench) -> None:
    await bench.watch({})
    meter = Meter(never)
    await bench.clock.advance(MINUTE)
    async with serving(bench.poller(meter)):
        await within(meter.called.wait(), "the tool is asked")

    await bench.look(bench.poller(Meter(level(4)), 2))

    assert await bench.fired() == ["08:01"]


async def test_the_service_sleeps_until_the_next_poll(bench: Bench) -> None:
    await bench.watch({"every": "10s", "edge": "level"}, overlap="allow")
    meter = Meter(level(4))

    async with serving(bench.poller(meter)):
        for count in range(1, 4):
            await eventually(lambda: bench.clock.sleepers, "the service sleeps")
            await bench.clock.advance(10)
            await eventually(lambda count=count: asked(bench, count), "the tool is asked")

    assert len(meter.calls) == 3


async def asked(bench: Bench, count: int) -> bool:
    return len(await bench.fired()) == count


async def test_no_more_polls_are_under_way_than_a_runtime_takes_on(bench: Bench) -> None:
    for number in range(20):
        await bench.watch({}, name=f"watch-{number}")
    gate = asyncio.Event()

    async def slow(_: object) -> CallOutcome:
        await gate.wait()
        return level(4)

    meter = Meter(slow)
    await bench.clock.advance(MINUTE)
    async with serving(bench.poller(meter)):
        await eventually(lambda: len(meter.calls) == 16, "the house is full")
        gate.set()
        await eventually(lambda: asked(bench, 20), "the others have their turn")


async def test_a_condition_that_cannot_even_be_read_stops_no_other(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    broken = await bench.watch({}, name="broken")
    await bench.watch({}, name="sound")
    await bench.connection.execute(
        "update ordinaut.spec set body = body - 'schedule' where uid = %s", [broken.uid]
    )

    await bench.minutes(bench.poller(Meter(level(4))))

    assert len(await bench.fired()) == 1
    assert f"condition of task {broken.uid} failed in the runtime itself" in caplog.text


async def lose_connections(bench: Bench, *, on: str) -> None:
    """From now on the database goes away whenever this column of a condition is written."""
    await bench.connection.execute(
        b"create function public.go_away() returns trigger language plpgsql as"
        b" $$ begin raise exception using errcode = '57P01'; end $$"
    )
    await bench.connection.execute(
        f"create trigger gone before update of {on} on ordinaut.condition"
        " for each row execute function public.go_away()".encode()
    )


async def find_connections_again(bench: Bench) -> None:
    await bench.connection.execute("drop function public.go_away cascade")


async def test_an_answer_that_could_not_be_written_is_asked_for_again_after_the_lease(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.watch({})
    poller = bench.poller(Meter(level(4)))
    await lose_connections(bench, on="phase")

    await bench.minutes(poller)
    await find_connections_again(bench)
    assert await bench.fired() == []
    assert "answer not written" in caplog.text
    await bench.clock.advance(LEASE)
    await bench.look(poller)

    assert await bench.fired() == ["08:01"]


async def test_the_service_outlives_the_absence_of_its_database(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.watch({})
    await bench.clock.advance(MINUTE)
    await lose_connections(bench, on="lease_epoch")

    async with serving(bench.poller(Meter(level(4)))):
        await eventually(lambda: "conditions not looked at" in caplog.text, "it notices")
        await find_connections_again(bench)
        await eventually(lambda: bench.clock.sleepers, "it waits a little")
        await bench.clock.advance(1)
        await eventually(lambda: asked(bench, 1), "it asks")


async def test_a_lease_that_cannot_be_renewed_once_is_renewed_later(bench: Bench) -> None:
    await bench.watch({})
    gate = asyncio.Event()

    async def slow(_: object) -> CallOutcome:
        await gate.wait()
        return level(4)

    meter = Meter(slow)
    await bench.clock.advance(MINUTE)
    begun = await bench.poller(meter).run_once()
    await within(meter.called.wait(), "the tool is asked")
    await lose_connections(bench, on="next_poll_at")
    await bench.clock.advance(LEASE / 3)
    await find_connections_again(bench)
    before = await bench.state("next_poll_at")

    async def renewed() -> bool:
        await bench.clock.advance(LEASE / 3)
        return bool(await bench.state("next_poll_at") > before)

    await eventually(renewed, "the lease is renewed")
    gate.set()
    await within(asyncio.gather(*begun), "the poll ends")
    assert len(await bench.fired()) == 1
