"""Events decide about steps that ask, where the step takes that, and what it shows is what it says."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from runtime.store.events import Event, arrive, deliver, insert_events, put_on_record
from runtime.store.waits import NotAsked, list_asked
from tests.support.executing import Bench, step
from tests.support.proxy import Proxy
from tests.support.scripted_tools import ScriptedTools, ok

APPROVAL = {"by": ["ana"], "event": "chat.decided"}
PAY = step("pay", approval=APPROVAL, **{"with": {"sum": 100}})


@pytest.fixture
async def outside(database: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection of whoever tells of events."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        yield connection


async def asking(bench: Bench, *steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A run that waits for a decision, and the data of an event that gives it."""
    await bench.queue(pipeline=list(steps or (PAY,)), **fields)
    claim = await bench.go(ScriptedTools(tool__do=ok(), ordinaut__emit=ok()))
    return {"run": claim.run, "step": "pay", "approved": True, "by": "ana", "reason": "fine"}


def event(data: Any, topic: str = "chat.decided") -> Event:
    return Event(topic, data, "chat", str(uuid4()))


async def test_an_event_lets_the_step_go_on_that_takes_decisions_by_its_topic(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    data = await asking(bench)

    assert (await arrive(outside, event(data))).ended == 1
    tools = ScriptedTools(tool__do=ok())
    await bench.go(tools)

    assert tools.calls == [("tool.do", {"sum": 100})]
    told = await bench.row("select data from ordinaut.event_log where type = 'step.answered'")
    assert (told["approved"], told["by"], told["reason"]) == (True, "ana", "fine")


async def test_an_event_ends_the_step_that_it_denies(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    data = await asking(bench)

    await arrive(outside, event(data | {"approved": False}))
    tools = ScriptedTools(tool__do=ok())
    await bench.go(tools)

    assert tools.calls == []
    assert await bench.row("select outcome, error ->> 'code' from ordinaut.step_result") == (
        "denied",
        "ORD413",
    )


async def test_who_is_not_asked_decides_nothing(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    data = await asking(bench)

    for by in ({"by": "eve"}, {"by": ""}):
        with pytest.raises(NotAsked, match="step pay asks ana, and not"):
            await arrive(outside, event(data | by))

    assert await bench.row("select answered_at from ordinaut.wait") is None


@pytest.mark.parametrize(
    "change",
    [
        {"run": str(uuid4())},
        {"run": "last"},
        {"step": "other"},
        {"item": 1},
        {"item": -1},
        {"item": 2**40},
        {"item": True},
        {"approved": "yes"},
        {"by": ["ana"]},
        {"reason": 7},
        {"step": "pay\0"},
    ],
)
async def test_what_decides_nothing_is_on_record_and_changes_nothing(
    bench: Bench, outside: psycopg.AsyncConnection, change: dict[str, Any]
) -> None:
    data = await asking(bench)

    arrival = await arrive(outside, event(data | change))

    assert (arrival.is_new, arrival.ended) == (True, 0)
    assert await bench.row("select answered_at from ordinaut.wait") is None


async def test_only_the_topic_that_the_step_names_decides(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    data = await asking(bench)
    assert (await arrive(outside, event(data, "chat.other"))).ended == 0

    await bench.clock.advance(1)
    assert (await arrive(outside, event(data))).ended == 1


async def test_without_a_topic_no_event_decides(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    data = await asking(bench, step("pay", approval={"by": ["ana"]}))

    assert (await arrive(outside, event(data))).ended == 0


async def test_one_decision_counts(bench: Bench, outside: psycopg.AsyncConnection) -> None:
    data = await asking(bench)

    assert (await arrive(outside, event(data))).ended == 1
    assert (await arrive(outside, event(data | {"approved": False}))).ended == 0


@pytest.mark.parametrize("tell", [arrive, put_on_record])
async def test_a_decision_cut_off_after_any_answer_counts_when_it_is_told_again(
    bench: Bench, database: str, outside: psycopg.AsyncConnection, tell: Callable[..., Any]
) -> None:
    """Asserts, for each answer of the database that its teller waits for: the connection is lost with that answer, and the
    same event told again, or what was on record before, decides.
    """
    cuts = 0
    async with Proxy(database) as network:
        while True:
            data = await asking(bench)
            told = event(data)
            connect = psycopg.AsyncConnection.connect(network.url, autocommit=True)
            async with await connect as dying:
                network.cut_after(cuts)
                with contextlib.suppress(psycopg.OperationalError):
                    await tell(dying, told)
            was_cut = network.has_cut
            await tell(outside, told)

            assert (
                await bench.row("select count(*) from ordinaut.wait where answered_at is null")
                == 0
            )
            await bench.go(ScriptedTools(tool__do=ok()))
            await bench.clock.advance(1)
            if not was_cut:
                break
            cuts += 1
    assert cuts > 3


async def test_who_is_not_asked_has_told_of_an_event_all_the_same(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    told = event(await asking(bench) | {"by": "eve"})

    with pytest.raises(NotAsked):
        await put_on_record(outside, told)

    assert await bench.row("select event_id from ordinaut.event") == told.event_id
    assert not await put_on_record(outside, told)


async def test_no_run_approves_by_what_it_emits(bench: Bench, database: str) -> None:
    """An agent that may emit could otherwise approve what it asked for."""
    told = {"run": "${run.id}", "step": "pay", "approved": True, "by": "ana"}
    emit = step(
        "say", "ordinaut.emit", needs=[], **{"with": {"event": "chat.decided", "data": told}}
    )
    await asking(bench, {**PAY, "needs": []}, emit)
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        await deliver(connection)

    assert await bench.row("select topic from ordinaut.event") == "chat.decided"
    assert await bench.row("select answered_at from ordinaut.wait") is None


async def test_what_is_read_from_a_stream_approves_nothing(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    data = await asking(bench)

    async with outside.transaction():
        assert await insert_events(outside, [event(data)]) == 1
    await deliver(outside)

    assert await bench.row("select answered_at from ordinaut.wait") is None


async def test_ordinaut_approve_takes_an_event_and_an_item_has_its_own(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    with_ = {"message": "Pay ${item}?", "by": ["ana"], "event": "chat.decided"}
    ask = step("pay", "ordinaut.approve", foreach="${`[1, 2]`}", max_parallel=2, **{"with": with_})
    data = await asking(bench, ask)

    assert (await arrive(outside, event(data | {"item": 1}))).ended == 1

    cursor = await bench.connection.execute(
        "select iteration, answered_at is not null from ordinaut.wait order by 1"
    )
    assert await cursor.fetchall() == [(0, False), (1, True)]


async def test_people_are_shown_what_the_step_says_without_secrets(
    bench: Bench, database: str
) -> None:
    show = "Pay ${params.sum} with ${secrets.token}?"
    pay = step("pay", approval={"by": ["ana"], "show": show}, **{"with": {"sum": "${params.sum}"}})
    await asking(bench, pay, params={"sum": 100})

    with psycopg.connect(database) as connection:
        (one,) = list_asked(connection)

    assert one.asked["message"] == "Pay 100 with [secret token]?"
    assert one.asked["arguments"] == {"sum": 100}


async def test_what_cannot_be_shown_fails_the_step_and_asks_nobody(
    bench: Bench, database: str
) -> None:
    await asking(bench, step("pay", approval={"by": ["ana"], "show": "${params.none}"}))

    assert await bench.row("select outcome, error ->> 'code' from ordinaut.step_result") == (
        "contract_error",
        "ORD502",
    )
