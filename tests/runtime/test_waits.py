"""Steps that wait without a slot: for a time, or for a person."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from runtime.actor import Actor
from runtime.store.waits import answer_wait, list_asked
from schemas.asked import Asked
from tests.support.executing import Bench, step
from tests.support.scripted_tools import Busy, ScriptedTools, ok

ASK = step(
    "ask", "ordinaut.approve", **{"with": {"message": "Pay 100?", "by": ["ana"], "timeout": "2d"}}
)
PAY = step("pay", approval={"by": ["ana"]}, **{"with": {"sum": 100}})


async def answer(
    bench: Bench, database: str, *, approved: bool = True, reason: str = "", which: int = 0
) -> bool:
    """What a person says, from a process of their own."""

    def say() -> bool:
        with psycopg.connect(database, autocommit=True) as connection:
            asked = list_asked(connection)[which]
            return answer_wait(
                connection, asked, approved=approved, by=Actor("ana"), reason=reason
            )

    return await asyncio.to_thread(say)


def asked_now(database: str) -> list[Asked]:
    with psycopg.connect(database, autocommit=True) as connection:
        return list_asked(connection)


async def test_a_sleep_frees_its_slot_and_goes_on_when_it_is_over(bench: Bench) -> None:
    await bench.queue(
        timeout="400d",
        pipeline=[step("nap", "ordinaut.sleep", **{"with": {"for": "30d"}}), step("end")],
    )
    tools = ScriptedTools(tool__do=ok())

    await bench.go(tools)
    assert await bench.row(
        "select state, lease_until::text from ordinaut.run join ordinaut.due_work using (run_id)"
    ) == ("waiting", "-infinity")
    assert await bench.seconds_until_ready() == 30 * 86_400
    await bench.clock.advance(30 * 86_400)
    await bench.go(tools)

    assert [name for name, _ in tools.calls] == ["tool.do"]
    assert await bench.row("select state from ordinaut.run") == "succeeded"
    assert (await bench.events()).count("step.waiting") == 1


async def test_a_sleep_until_an_instant_ends_then(bench: Bench) -> None:
    await bench.queue(
        timeout="2d",
        pipeline=[
            step("nap", "ordinaut.sleep", **{"with": {"until": "2026-01-05T12:00:00+02:00"}})
        ],
    )

    await bench.go(ScriptedTools())

    # The clock of the tests stands at 08:00 UTC.
    assert await bench.seconds_until_ready() == 2 * 3600


@pytest.mark.parametrize(
    "arguments",
    [
        {"for": "soon"},
        {"until": "noon"},
        {"until": "2026-01-05T12:00:00"},
        {},
        {"for": "1h", "until": "x"},
    ],
)
async def test_a_sleep_that_makes_no_sense_fails(bench: Bench, arguments: dict[str, str]) -> None:
    await bench.queue(pipeline=[step("nap", "ordinaut.sleep", **{"with": arguments})])

    await bench.go(ScriptedTools())

    assert await bench.row("select state from ordinaut.run") == "failed"
    assert await bench.row("select outcome from ordinaut.step_result") == "contract_error"


async def test_a_short_sleep_beside_a_busy_branch_ends_in_place(bench: Bench) -> None:
    busy = Busy()
    await bench.queue(
        pipeline=[
            step("slow", "tool.slow"),
            step("nap", "ordinaut.sleep", needs=[], **{"with": {"for": "5s"}}),
            step("end", needs=["nap"]),
        ]
    )
    tools = ScriptedTools(tool__slow=busy, tool__do=ok())
    going = asyncio.create_task(bench.go(tools))
    await busy.entered.wait()
    while await bench.row("select count(*) from ordinaut.wait") == 0:
        pass
    await bench.clock.advance(5)
    while await bench.row("select count(*) from ordinaut.step_result where step = 'end'") == 0:
        pass
    busy.gate.set()
    await going

    assert "run.waiting" not in await bench.events()
    assert await bench.row("select state from ordinaut.run") == "succeeded"


async def test_an_approval_shows_what_is_asked_and_goes_on_with_the_answer(
    bench: Bench, database: str
) -> None:
    await bench.queue(
        timeout="90d",
        pipeline=[ASK, step("end", **{"with": {"by": "${steps.ask.by}"}})],
    )
    tools = ScriptedTools(tool__do=ok())
    await bench.go(tools)

    (one,) = asked_now(database)
    assert (one.step, one.asked) == ("ask", {"message": "Pay 100?", "by": ["ana"]})
    assert await answer(bench, database, reason="fine")
    assert await bench.seconds_until_ready() == 0
    await bench.go(tools)

    assert tools.calls == [("tool.do", {"by": "ana"})]
    assert asked_now(database) == []
    assert "step.answered" in await bench.events()


async def test_a_refusal_ends_the_run_with_who_and_why(bench: Bench, database: str) -> None:
    await bench.queue(pipeline=[ASK, step("end")])
    tools = ScriptedTools(tool__do=ok())
    await bench.go(tools)

    assert await answer(bench, database, approved=False, reason="wrong month")
    await bench.go(tools)

    assert tools.calls == []
    assert await bench.row(
        "select state, error ->> 'code', error ->> 'message' from ordinaut.run"
    ) == (
        "failed",
        "ORD413",
        "ana did not approve: wrong month",
    )


async def test_only_the_first_answer_counts(bench: Bench, database: str) -> None:
    await bench.queue(pipeline=[ASK])
    await bench.go(ScriptedTools())
    (one,) = asked_now(database)

    def say(approved: bool) -> bool:
        with psycopg.connect(database, autocommit=True) as connection:
            return answer_wait(connection, one, approved=approved, by=Actor("ana"), reason="")

    answers = await asyncio.gather(*(asyncio.to_thread(say, n == 0) for n in range(4)))

    assert sum(answers) == 1


async def test_when_the_time_is_over_no_answer_is_taken_and_the_run_fails(
    bench: Bench, database: str
) -> None:
    await bench.queue(timeout="90d", pipeline=[ASK])
    await bench.go(ScriptedTools())
    (one,) = asked_now(database)
    await bench.clock.advance(2 * 86_400)

    with psycopg.connect(database, autocommit=True) as connection:
        assert not answer_wait(connection, one, approved=True, by=Actor("ana"), reason="")
    await bench.go(ScriptedTools())

    assert await bench.row("select state, error ->> 'code' from ordinaut.run") == (
        "failed",
        "ORD414",
    )


async def test_an_answer_that_comes_while_the_run_is_held_is_not_slept_over(
    bench: Bench, database: str
) -> None:
    busy = Busy()
    await bench.queue(timeout="90d", pipeline=[step("slow", "tool.slow"), ASK | {"needs": []}])
    tools = ScriptedTools(tool__slow=busy)
    going = asyncio.create_task(bench.go(tools))
    await busy.entered.wait()
    while not await asyncio.to_thread(asked_now, database):
        pass
    assert await answer(bench, database)
    busy.gate.set()
    await going

    assert await bench.row("select state from ordinaut.run") == "waiting"
    assert await bench.seconds_until_ready() == 0
    await bench.go(tools)
    assert await bench.row("select state from ordinaut.run") == "succeeded"


async def test_a_call_that_needs_approval_is_made_only_after_it(
    bench: Bench, database: str
) -> None:
    await bench.queue(pipeline=[PAY])
    tools = ScriptedTools(tool__do=ok())
    await bench.go(tools)
    assert tools.calls == []
    (one,) = asked_now(database)
    assert one.asked == {"uses": "tool.do", "arguments": {"sum": 100}, "by": ["ana"]}

    assert await answer(bench, database)
    await bench.go(tools)

    assert tools.calls == [("tool.do", {"sum": 100})]
    assert await bench.row("select state from ordinaut.run") == "succeeded"


@pytest.mark.parametrize(("on_timeout", "state"), [("skip", "succeeded"), ("fail", "failed")])
async def test_a_call_nobody_approved_in_time_is_left_out_or_fails(
    bench: Bench, on_timeout: str, state: str
) -> None:
    approval = {"by": ["ana"], "timeout": "1h", "on_timeout": on_timeout}
    await bench.queue(timeout="2h", pipeline=[step("pay", approval=approval)])
    tools = ScriptedTools()
    await bench.go(tools)
    await bench.clock.advance(3600)

    await bench.go(tools)

    assert tools.calls == []
    assert await bench.row("select state from ordinaut.run") == state


async def test_each_item_is_asked_for_by_itself(bench: Bench, database: str) -> None:
    await bench.queue(
        params={"list": ["a", "b"]},
        pipeline=[
            step(
                "pay",
                foreach="${params.list}",
                approval={"by": ["ana"]},
                **{"with": {"n": "${item}"}},
            )
        ],
    )
    tools = ScriptedTools(tool__do=ok())
    await bench.go(tools)
    assert [one.asked["item"] for one in asked_now(database)] == [0, 1]

    assert await answer(bench, database, which=1)
    await bench.go(tools)
    assert [arguments for _, arguments in tools.calls] == [{"n": "b"}]
    assert await answer(bench, database)
    await bench.go(tools)

    assert await bench.row("select state from ordinaut.run") == "succeeded"
    assert [arguments for _, arguments in tools.calls] == [{"n": "b"}, {"n": "a"}]


async def test_a_run_does_not_wait_longer_than_its_own_timeout(bench: Bench) -> None:
    await bench.queue(timeout="1h", pipeline=[PAY])
    await bench.go(ScriptedTools())
    assert await bench.seconds_until_ready() == 3600
    await bench.clock.advance(3600)

    await bench.go(ScriptedTools())

    assert await bench.row("select state, error ->> 'code' from ordinaut.run") == (
        "failed",
        "ORD504",
    )


async def test_what_a_person_is_shown_holds_no_secret(bench: Bench, database: str) -> None:
    await bench.queue(
        pipeline=[
            step("ask", "ordinaut.approve", **{"with": {"message": "Use ${secrets.token}?"}}),
        ]
    )

    await bench.go(ScriptedTools())

    (one,) = asked_now(database)
    assert one.asked["message"] == "Use [secret token]?"
