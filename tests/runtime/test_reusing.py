"""Steps may reuse what was answered to the same call before."""

from __future__ import annotations

from itertools import count
from typing import Any

import psycopg
import pytest

from runtime.cli.story import step_lines
from runtime.core.calls import Call
from runtime.core.expressions import Context
from runtime.core.outcomes import CallOutcome
from runtime.core.program import compile_program
from runtime.live import Live, Scope
from runtime.reusing import Reuse
from runtime.store.answers import Answers, forget_answers
from runtime.store.runs import load_run
from schemas.task import Task
from tests.support.executing import KEY, RETRY, Bench, step
from tests.support.installed import install, queue_run, task
from tests.support.scripted_tools import ScriptedTools, failed, ok

_RUNS = count()


def asking(name: str = "look", **fields: Any) -> dict[str, Any]:
    return step(name, **{"with": {"city": "Chisinau"}, "cache": {"ttl": "10m"}, **fields})


def counting() -> ScriptedTools:
    """A tool that answers 1, 2, 3 and so on."""
    numbers = count(1)
    return ScriptedTools(tool__do=lambda _: ok(next(numbers)), tool__other=lambda _: ok("other"))


async def told(bench: Bench, tools: ScriptedTools, *steps: dict[str, Any], **fields: Any) -> Any:
    """What one more run of these steps gives in its last."""
    installed = await install(bench.connection, task(pipeline=list(steps), **fields))
    await queue_run(bench.connection, installed, str(next(_RUNS)))
    claim = await bench.go(tools)
    cursor = await bench.connection.execute(
        "select output from ordinaut.step_result where run_id = %s and step = %s and iteration <= 0",
        [claim.run_id, steps[-1]["id"]],
    )
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def test_a_result_is_reused_by_later_runs_until_its_time_is_over(bench: Bench) -> None:
    tools = counting()
    assert await told(bench, tools, asking()) == 1

    await bench.clock.advance(599)
    assert await told(bench, tools, asking()) == 1
    await bench.clock.advance(1)
    assert await told(bench, tools, asking()) == 2

    assert len(tools.calls) == 2


async def test_a_step_takes_nothing_older_than_it_says_itself(bench: Bench) -> None:
    tools = counting()
    await told(bench, tools, asking(cache={"ttl": "1d"}))
    await bench.clock.advance(120)

    assert await told(bench, tools, asking(cache={"ttl": "1m"})) == 2
    # What was answered last is what all go on with.
    assert await told(bench, tools, asking(cache={"ttl": "1d"})) == 2


async def test_what_its_caller_kept_for_less_is_over_for_everybody(bench: Bench) -> None:
    tools = counting()
    await told(bench, tools, asking(cache={"ttl": "1m"}))
    await bench.clock.advance(60)

    assert await told(bench, tools, asking(cache={"ttl": "1d"})) == 2


async def test_projects_share_no_answer(bench: Bench) -> None:
    step_of = compile_program(_normalised(pipeline=[asking()]), "ours").steps[0]
    call = Call(0.0, 0, 1, step_of, None)
    ours, theirs = (Reuse(Answers(bench.pool), KEY, project) for project in ("ours", "theirs"))

    async def asked(reuse: Reuse, value: str) -> Any:
        async def make() -> CallOutcome:
            return ok(value)

        context = Context(now=bench.clock.now())
        return (await reuse.call(call, {}, context, make, lambda outcome: outcome)).value

    assert await asked(ours, "a") == "a"
    assert await asked(theirs, "b") == "b"
    assert await asked(ours, "c") == "a"


def _normalised(**fields: Any) -> dict[str, Any]:
    return Task.model_validate(task(**fields)).model_dump(
        mode="json", by_alias=True, exclude_none=True
    )


@pytest.mark.parametrize(
    "other",
    [
        {"with": {"city": "Orhei"}},
        {"uses": "tool.other"},
        {"parse": "lines"},
        {"cache": {"ttl": "10m", "key": "today"}},
    ],
)
async def test_what_is_another_call_is_made(bench: Bench, other: dict[str, Any]) -> None:
    tools = counting()
    await told(bench, tools, asking())

    await told(bench, tools, asking(**other))

    assert len(tools.calls) == 2


async def test_a_key_of_its_own_takes_the_place_of_the_arguments(bench: Bench) -> None:
    tools = counting()
    keyed = {"ttl": "10m", "key": "${params.day}"}
    seen = [
        await told(bench, tools, asking(cache=keyed, **{"with": {"n": n}}), params={"day": day})
        for n, day in enumerate(["monday", "monday", "tuesday"])
    ]

    assert seen == [1, 1, 2]


async def test_a_key_that_cannot_be_made_fails_the_step(bench: Bench) -> None:
    tools = counting()
    await told(bench, tools, asking(cache={"ttl": "10m", "key": "${params.day}"}))

    assert tools.calls == []
    assert await bench.row("select outcome, error ->> 'code' from ordinaut.step_result") == (
        "contract_error",
        "ORD502",
    )


async def test_what_fails_or_is_no_good_to_the_step_is_not_kept(bench: Bench) -> None:
    tools = ScriptedTools(tool__do=[failed(), ok("bad"), ok("good"), ok("later")])
    looking = asking(expect="result == 'good'", on_error="continue")

    assert [await told(bench, tools, looking) for _ in range(4)] == [None, "bad", "good", "good"]


async def test_what_is_good_to_another_step_alone_is_asked_for_anew(bench: Bench) -> None:
    tools = counting()
    assert await told(bench, tools, asking()) == 1

    await bench.clock.advance(1)
    assert await told(bench, tools, asking(expect="result > `1`")) == 2
    assert await told(bench, tools, asking()) == 2

    assert len(tools.calls) == 2


async def test_a_try_that_follows_a_failure_calls_again(bench: Bench) -> None:
    tools = ScriptedTools(tool__do=[failed(), ok("good")])
    await bench.queue(pipeline=[asking(retry=RETRY)])
    await bench.go(tools)
    await bench.clock.advance(11)
    await bench.go(tools)

    assert await bench.row("select output, reused_at from ordinaut.step_result") == ("good", None)


async def test_nothing_is_an_answer_too(bench: Bench) -> None:
    tools = ScriptedTools(tool__do=[ok(None), ok(1)])

    assert [await told(bench, tools, asking()) for _ in range(2)] == [None, None]
    assert len(tools.calls) == 1


async def test_each_item_has_its_own(bench: Bench) -> None:
    tools = counting()
    items = asking(foreach="${`[1, 2, 1]`}", **{"with": {"n": "${item}"}})

    assert await told(bench, tools, items, step("sum", **{"with": {"all": "${steps.look}"}})) == 3
    assert tools.calls[-1] == ("tool.do", {"all": [1, 2, 1]})


async def test_an_agent_gets_no_answer_that_it_may_not_ask_for(bench: Bench) -> None:
    tools = counting()
    await told(bench, tools, asking())
    bench.live = Live(agents={"assistant": Scope(("mail.*",), ())})

    await told(bench, tools, asking(), agent="assistant")

    outcomes = await bench.connection.execute(
        "select outcome from ordinaut.step_result order by 1"
    )
    assert await outcomes.fetchall() == [("denied",), ("ok",)]


async def test_no_secret_is_kept_with_an_answer_or_can_be_read_of_its_key(bench: Bench) -> None:
    tools = ScriptedTools(tool__do=lambda arguments: ok(dict(arguments)))
    secret = asking(**{"with": {"token": "${secrets.token}"}})

    assert [await told(bench, tools, secret) for _ in range(2)] == [{"token": "[redacted]"}] * 2
    assert await bench.row("select output, length(key) from ordinaut.answer") == (
        {"token": "[redacted]"},
        32,
    )


async def test_what_is_reused_is_recorded_and_shown_as_that(bench: Bench, database: str) -> None:
    tools = counting()
    await told(bench, tools, asking())
    made_at = bench.clock.now()
    await bench.clock.advance(180)
    await bench.queue(pipeline=[asking()])
    claim = await bench.go(tools)

    with psycopg.connect(database) as connection:
        (report,) = load_run(connection, claim.run_id).steps
    assert (report.reused_at, report.output) == (made_at, 1)
    assert next(step_lines(report, unfold=False)).endswith("reused, 3 min old")


async def test_answers_are_forgotten_when_their_time_is_over(bench: Bench) -> None:
    tools = counting()
    await told(bench, tools, asking())
    await told(bench, tools, asking(cache={"ttl": "1h", "key": "longer"}))

    await bench.clock.advance(601)

    assert not await forget_answers(bench.connection)
    assert await bench.row("select count(*), min(output::text) from ordinaut.answer") == (1, "2")


async def test_a_database_that_keeps_no_answers_keeps_nobody_from_calling(
    bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> Any:
        raise psycopg.OperationalError("it is away")

    monkeypatch.setattr("runtime.store.answers.fetch_all", away)
    tools = counting()

    assert await told(bench, tools, asking()) == 1
    assert "no answer looked up: it is away" in caplog.text
