"""Runs that wait for events and callbacks: whatever comes before, during or after the wait, and whoever dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from runtime.actor import Actor
from runtime.core.callback import callback_token
from runtime.errors import LeaseLost
from runtime.store.connect import connect
from runtime.store.due_work import Claim
from runtime.store.events import (
    Arrival,
    CallbackRefused,
    Event,
    arrive,
    arrive_by_token,
    deliver,
    forget_events,
    look,
)
from runtime.store.recorded import Place, Waiting
from runtime.store.runs import load_run
from runtime.store.waits import answer_wait, list_asked
from tests.support.executing import KEY, Bench, step
from tests.support.scripted_tools import ScriptedTools, ok

PAID = {"with": {"event": "orders.paid", "filter": "data.order == `17`", "timeout": "60d"}}
END = step("end", "tool.end", **{"with": {"got": "${steps.wait.data}"}})
WAIT = step("wait", "ordinaut.wait_for", **PAID)


def order(number: int, topic: str = "orders.paid", name: str = "") -> Event:
    return Event(topic, {"order": number}, "shop", name or f"{topic}-{number}")


@pytest.fixture
async def outside(database: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection of whoever tells of events."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        yield connection


class Dying:
    """What a run asks whose process dies in that moment."""

    async def look(self, claim: Claim, *, is_heeded: bool) -> Mapping[Place, Waiting]:
        raise LeaseLost("the process is gone")


async def queue(bench: Bench, *steps: dict[str, Any], name: str = "briefing") -> None:
    await bench.queue(name=name, timeout="90d", pipeline=list(steps or (WAIT, END)))


async def state(bench: Bench) -> str:
    return str(await bench.row("select state from ordinaut.run"))


async def test_an_event_that_comes_during_the_wait_ends_it(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    tools = ScriptedTools(tool__end=ok())
    await queue(bench)
    await bench.go(tools)
    assert (await state(bench), await bench.seconds_until_ready()) == ("waiting", 60 * 86_400)

    assert await arrive(outside, order(17)) == Arrival(is_new=True, ended=1)
    assert await bench.seconds_until_ready() == 0
    await bench.go(tools)

    assert tools.calls == [("tool.end", {"got": {"order": 17}})]
    assert await state(bench) == "succeeded"
    assert await bench.row(
        "select output ->> 'topic', output ->> 'source', output ->> 'id' from ordinaut.step_result where step = 'wait'"
    ) == ("orders.paid", "shop", "orders.paid-17")


@pytest.mark.parametrize("many", [{}, {"foreach": "${`[17, 18]`}", "max_parallel": 1}])
async def test_a_step_that_waited_took_as_long_as_its_wait(
    bench: Bench, outside: psycopg.AsyncConnection, database: str, many: dict[str, Any]
) -> None:
    """Two items wait one after the other: the step is as long as both."""
    ask = step("ask", "tool.end", approval={"by": ["ana"]})
    event = {"event": "orders.paid", "timeout": "60d"}
    await queue(bench, step("wait", "ordinaut.wait_for", **{"with": event}, **many), ask)
    await bench.go(ScriptedTools())
    for number in (17, 18)[: 2 if many else 1]:
        await bench.clock.advance(30 if many else 60)
        await arrive(outside, order(number))
        await bench.go(ScriptedTools())
    await bench.clock.advance(3600)
    with connect(database) as connection:
        (one,) = list_asked(connection)
        assert answer_wait(connection, one, approved=True, by=Actor("ana"), reason="")
    claim = await bench.go(ScriptedTools(tool__end=ok()))

    with connect(database) as connection:
        waited, called = load_run(connection, claim.run_id).steps

    assert waited.started_at is not None
    assert waited.finished_at is not None
    assert waited.finished_at - waited.started_at == timedelta(seconds=60)
    # A person who takes an hour is no hour of the tool's.
    assert called.finished_at == called.started_at


async def test_an_event_that_came_since_the_run_began_ends_a_wait_that_begins_later(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    async def busy(_: Mapping[str, Any]) -> Any:
        assert await arrive(outside, order(17)) == Arrival(is_new=True, ended=0)
        return ok()

    await queue(bench, step("slow", "tool.slow"), WAIT, END)
    tools = ScriptedTools(tool__slow=busy, tool__end=ok())

    await bench.go(tools)

    assert await state(bench) == "succeeded"
    assert "run.waiting" not in await bench.events()


async def test_an_event_from_before_the_run_ends_no_wait(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    await queue(bench)
    await arrive(outside, order(17))
    await bench.clock.advance(1)

    await bench.go(ScriptedTools())

    assert await state(bench) == "waiting"


@pytest.mark.parametrize(
    "event",
    [
        order(18),
        order(17, "orders.made"),
        Event("orders.paid", None, "shop", "1"),
        Event("orders.paid", {"order": [17]}, "shop", "2"),
    ],
)
async def test_an_event_of_another_topic_or_that_the_filter_does_not_hold_for_ends_no_wait(
    bench: Bench, outside: psycopg.AsyncConnection, event: Event
) -> None:
    await queue(bench)
    await bench.go(ScriptedTools())

    assert await arrive(outside, event) == Arrival(is_new=True, ended=0)
    assert await bench.seconds_until_ready() == 60 * 86_400


async def test_a_filter_that_cannot_be_evaluated_for_one_event_does_not_hold_for_it(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    odd = {"event": "orders.paid", "filter": "length(data.items) > `1`"}
    await queue(bench, step("wait", "ordinaut.wait_for", **{"with": odd}))
    await bench.go(ScriptedTools())

    assert (await arrive(outside, order(17))).ended == 0
    fits = Event("orders.paid", {"items": [1, 2]}, "shop", "x")
    assert (await arrive(outside, fits)).ended == 1


async def test_an_event_said_twice_counts_once(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    await queue(bench, WAIT, step("again", "ordinaut.wait_for", **PAID))
    tools = ScriptedTools()
    await bench.go(tools)

    first = await arrive(outside, order(17))
    second = await arrive(outside, order(17))
    await bench.go(tools)

    assert (first.is_new, second.is_new) == (True, False)
    assert await state(bench) == "waiting"
    assert await bench.row("select count(*) from ordinaut.event") == 1
    assert (await bench.events()).count("event.arrived") == 1
    await arrive(outside, order(17, name="another"))
    await bench.go(tools)
    assert await state(bench) == "succeeded"


async def test_one_event_ends_the_waits_of_many_runs_but_one_of_each(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    twice = [WAIT, step("beside", "ordinaut.wait_for", needs=[], **PAID)]
    for name in ("one", "other"):
        await queue(bench, *twice, name=name)
        await bench.go(ScriptedTools())

    assert (await arrive(outside, order(17))).ended == 2
    assert await bench.row(
        "select array_agg(distinct step) from ordinaut.wait where answer is not null"
    ) == ["beside"]


async def test_an_event_that_commits_while_the_wait_begins_is_found_by_one_of_the_two(
    bench: Bench, database: str
) -> None:
    """The wait is not visible to whom the event looks for, and the event is not to whom the wait looks for."""
    await queue(bench)
    tools = ScriptedTools(tool__end=ok())
    claim = await bench.claim()
    async with await psycopg.AsyncConnection.connect(database) as teller:
        await teller.execute(
            "insert into ordinaut.event (source, event_id, topic, data)"
            """ values ('shop', '1', 'orders.paid', '{"order": 17}')"""
        )
        assert await bench.row("select count(*) from ordinaut.event") == 0
        await bench.execute(claim, tools)
        assert await state(bench) == "waiting"
        await teller.commit()
        await teller.set_autocommit(True)
        assert (await deliver(teller)).ended == 1
    await bench.go(tools)

    assert await state(bench) == "succeeded"


async def test_an_event_whose_teller_died_is_delivered_by_the_runtimes(bench: Bench) -> None:
    await queue(bench)
    tools = ScriptedTools(tool__end=ok())
    await bench.go(tools)
    await bench.connection.execute(
        "insert into ordinaut.event (source, event_id, topic, data)"
        """ values ('shop', '1', 'orders.paid', '{"order": 17}')"""
    )

    assert await bench.arrivals.run_once() == 1
    assert await bench.arrivals.run_once() == 0
    await bench.go(tools)

    assert await state(bench) == "succeeded"


async def test_a_runtime_that_dies_between_the_begin_of_a_wait_and_its_look_loses_nothing(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    await queue(bench, step("first", "tool.first"), WAIT, END)
    tools = ScriptedTools(tool__first=ok(), tool__end=ok())
    claim = await bench.claim()
    bench.looking = Dying()
    with pytest.raises(LeaseLost):
        await bench.execute(claim, tools)
    bench.looking = bench.arrivals
    # Its teller had looked before the wait was there.
    await bench.connection.execute(
        "insert into ordinaut.event (source, event_id, topic, data, delivered_at)"
        """ values ('shop', '1', 'orders.paid', '{"order": 17}', ordinaut.now())"""
    )
    assert await bench.row("select count(*) from ordinaut.wait") == 1
    await bench.clock.advance(16)

    await bench.go(tools)

    assert await state(bench) == "succeeded"


async def test_when_the_time_is_over_the_step_fails_and_no_event_counts_any_more(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    await queue(bench)
    tools = ScriptedTools()
    await bench.go(tools)
    await bench.clock.advance(60 * 86_400 + 1)

    assert (await arrive(outside, order(17))).ended == 0
    await bench.go(tools)

    assert await bench.row("select state, error ->> 'code' from ordinaut.run") == (
        "failed",
        "ORD417",
    )
    assert await bench.row("select answer from ordinaut.wait") is None


async def test_an_event_that_came_in_time_counts_though_nobody_looked_until_later(
    bench: Bench,
) -> None:
    await queue(bench)
    tools = ScriptedTools(tool__end=ok())
    await bench.go(tools)
    await bench.clock.advance(60 * 86_400)
    await bench.connection.execute(
        "insert into ordinaut.event (source, event_id, topic, data)"
        """ values ('shop', '1', 'orders.paid', '{"order": 17}')"""
    )
    await bench.clock.advance(1)

    await bench.go(tools)
    assert await bench.arrivals.run_once() == 0

    assert await state(bench) == "succeeded"


async def test_a_wait_that_timed_out_stays_so_though_an_event_from_before_is_delivered_late(
    bench: Bench,
) -> None:
    await queue(
        bench,
        WAIT | {"on_error": "continue"},
        step("rest", "ordinaut.sleep", **{"with": {"for": "1d"}}),
    )
    tools = ScriptedTools()
    await bench.go(tools)
    await bench.clock.advance(60 * 86_400 + 1)
    await bench.go(tools)
    assert await state(bench) == "waiting"
    await bench.connection.execute(
        "insert into ordinaut.event (source, event_id, topic, data, arrived_at)"
        """ values ('shop', '1', 'orders.paid', '{"order": 17}', ordinaut.now() - interval '1 hour')"""
    )

    assert await bench.arrivals.run_once() == 0
    assert await bench.row("select answer from ordinaut.wait where step = 'wait'") is None


@pytest.mark.parametrize("late_seconds", [-1, 1])
async def test_of_an_event_and_the_end_of_the_time_exactly_one_wins(
    bench: Bench, late_seconds: int
) -> None:
    """The run looks and the event is delivered at the same moment, several times over: they come to the same."""
    for number in range(8):
        await queue(bench, name=f"race-{number}")
        tools = ScriptedTools(tool__end=ok())
        await bench.go(tools)
        await bench.clock.advance(60 * 86_400 + late_seconds)
        await bench.connection.execute(
            "insert into ordinaut.event (source, event_id, topic, data)"
            """ select 'shop', gen_random_uuid()::text, 'orders.paid', '{"order": 17}'"""
        )
        await bench.clock.advance(2)
        claim = await bench.claim()

        await asyncio.gather(bench.execute(claim, tools), bench.arrivals.run_once())

        won = late_seconds < 0
        found = (
            "select r.state, w.answer is not null from ordinaut.wait w"
            " join ordinaut.run r using (run_id) order by r.created_at desc limit 1"
        )
        assert await bench.row(found) == ("succeeded" if won else "failed", won)


async def test_a_lease_that_was_lost_finds_no_event(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    await queue(bench)
    claim = await bench.claim()

    with pytest.raises(LeaseLost):
        await look(outside, claim.run_id, claim.lease_epoch + 1, is_heeded=True)


async def test_a_look_goes_through_all_that_came_since_the_run_began(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    await queue(bench, step("first", "tool.first"), WAIT, END)
    claim = await bench.claim()
    await bench.connection.execute(
        "insert into ordinaut.event (source, event_id, topic, data, delivered_at)"
        " select 'shop', n::text, 'orders.paid', jsonb_build_object('order', n - 433), ordinaut.now()"
        " from generate_series(1, 450) n"
    )

    await bench.execute(claim, ScriptedTools(tool__first=ok(), tool__end=ok()))

    assert await state(bench) == "succeeded"
    assert await bench.row("select answer ->> 'id' from ordinaut.wait") == "450"


async def test_each_item_waits_for_its_own_event(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    each = step(
        "wait",
        "ordinaut.wait_for",
        foreach="${params.orders}",
        max_parallel=3,
        **{"with": {"event": "orders.paid", "filter": "data.order == `${item}`"}},
    )
    await bench.queue(timeout="90d", params={"orders": [1, 2, 3]}, pipeline=[each])
    tools = ScriptedTools()
    await bench.go(tools)

    for number in (2, 3, 1):
        assert (await arrive(outside, order(number))).ended == 1
        await bench.go(tools)

    assert await state(bench) == "succeeded"


async def test_a_step_tells_of_an_event_with_its_result_and_another_run_goes_on(
    bench: Bench,
) -> None:
    await queue(bench)
    tools = ScriptedTools(tool__end=ok())
    await bench.go(tools)
    emits = step(
        "tell", "ordinaut.emit", **{"with": {"event": "orders.paid", "data": {"order": 17}}}
    )
    await bench.queue(name="teller", pipeline=[emits, step("later", "tool.later")])
    await bench.go(ScriptedTools(ordinaut__emit=ok(), tool__later=ok()))

    assert await bench.row("select source, topic, data from ordinaut.event") == (
        "teller",
        "orders.paid",
        {"order": 17},
    )
    assert await bench.arrivals.run_once() == 1
    await bench.go(tools)

    assert tools.calls[-1] == ("tool.end", {"got": {"order": 17}})


async def test_a_callback_ends_the_wait_of_its_step(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    ask = step("ask", "tool.ask", **{"with": {"token": "${run.callbacks.wait}"}})
    wait = step("wait", "ordinaut.wait_for", **{"with": {"callback": True, "timeout": "1d"}})
    await queue(bench, ask, wait, END)
    tools = ScriptedTools(tool__ask=lambda a: ok(f"got {a['token']}"), tool__end=ok())
    await use_key(bench)
    await bench.go(tools)
    token = tools.calls[0][1]["token"]

    recorded = "select input::text || output::text from ordinaut.step_result where step = 'ask'"
    assert token not in await bench.row(recorded)
    assert (await arrive_by_token(outside, token, {"order": 1})).ended == 1
    await refuses(outside, token, "was used before")
    await bench.go(tools)

    assert tools.calls[-1] == ("tool.end", {"got": {"order": 1}})
    await refuses(outside, token, "is over")


async def test_a_callback_may_come_before_its_wait_begins(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    async def calls_back(arguments: Mapping[str, Any]) -> Any:
        assert (await arrive_by_token(outside, arguments["token"], {"n": 1})).ended == 0
        await refuses(outside, arguments["token"], "was used before")
        return ok()

    ask = step("ask", "tool.ask", **{"with": {"token": "${run.callbacks.wait}"}})
    await queue(bench, ask, step("wait", "ordinaut.wait_for", **{"with": {"callback": True}}), END)
    await use_key(bench)
    tools = ScriptedTools(tool__ask=calls_back, tool__end=ok())

    await bench.go(tools)

    assert tools.calls[-1] == ("tool.end", {"got": {"n": 1}})


async def test_a_callback_token_that_is_unknown_or_expired_is_refused(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    wait = step("wait", "ordinaut.wait_for", **{"with": {"callback": True, "timeout": "1h"}})
    await queue(
        bench,
        wait | {"on_error": "continue"},
        step("rest", "ordinaut.sleep", **{"with": {"for": "1d"}}),
    )
    await use_key(bench)
    claim = await bench.go(ScriptedTools())
    token = callback_token(KEY, claim.run_id, "wait")

    for wrong in ("", "wait", token[:-2], token.replace("wait", "rest"), token + "A", "wait.äö"):
        await refuses(outside, wrong, "was not made here")
    await bench.clock.advance(3601)
    await refuses(outside, token, "has expired")
    await bench.go(ScriptedTools())
    await refuses(outside, token, "has expired")
    assert await bench.row("select count(*) from ordinaut.event") == 0


async def use_key(bench: Bench) -> None:
    await bench.connection.execute("update ordinaut.installation set callback_key = %s", [KEY])


async def refuses(outside: psycopg.AsyncConnection, token: str, why: str) -> None:
    with pytest.raises(CallbackRefused, match=why):
        await arrive_by_token(outside, token, {})


async def test_old_events_are_forgotten_unless_an_active_run_began_before_them(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    await arrive(outside, order(1))
    await queue(bench)
    await bench.clock.advance(1)
    await bench.go(ScriptedTools())
    await arrive(outside, order(2))
    await bench.clock.advance(31 * 86_400)
    await arrive(outside, order(3))

    assert await forget_events(outside, timedelta(days=30)) == 1

    kept = "select array_agg((data -> 'order')::integer order by event_no) from ordinaut.event"
    assert await bench.row(kept) == [2, 3]
