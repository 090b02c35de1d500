"""A run's way through its steps: what is called, what is recorded, what becomes of failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from runtime import caller
from runtime.errors import LeaseLost
from runtime.live import Live, Scope
from tests.support.executing import RETRY, Bench, step
from tests.support.scripted_tools import ScriptedTools, failed, ok


async def test_steps_run_in_order_and_later_ones_see_earlier_results(bench: Bench) -> None:
    await bench.queue(
        params={"city": "Chisinau", "days": 2},
        pipeline=[
            step(
                "look",
                "weather.get",
                **{"with": {"city": "${params.city}", "n": "${params.days}"}},
                save_as="sky",
            ),
            step(
                "tell",
                "chat.say",
                **{"with": {"text": "It is ${steps.sky.text}.", "all": "${steps.sky}"}},
            ),
        ],
    )
    tools = ScriptedTools(weather__get=ok({"text": "clear"}), chat__say=ok(None))

    await bench.go(tools)

    assert tools.calls == [
        ("weather.get", {"city": "Chisinau", "n": 2}),
        ("chat.say", {"text": "It is clear.", "all": {"text": "clear"}}),
    ]
    assert await bench.row("select state, error from ordinaut.run") == ("succeeded", None)
    assert await bench.events() == [
        "run.started",
        "step.succeeded",
        "step.succeeded",
        "run.succeeded",
    ]


async def test_each_result_is_recorded_with_input_output_and_what_it_was_made_by(
    bench: Bench,
) -> None:
    await bench.queue(pipeline=[step("look", **{"with": {"a": 1}})])

    await bench.go(ScriptedTools(tool__do=replace(ok([1, 2]), size=5)))

    assert await bench.row(
        "select step, attempt, outcome, uses, input, output, server_generation, schema_digest,"
        " length(idempotency_key), sent, size from ordinaut.step_result"
    ) == ("look", 1, "ok", "tool.do", {"a": 1}, [1, 2], 1, "d1", 32, True, 5)


async def test_a_step_says_how_the_text_of_its_answer_is_read(bench: Bench) -> None:
    await bench.queue(pipeline=[step("one", parse="lines"), step("two")])
    tools = ScriptedTools(tool__do=ok())

    await bench.go(tools)

    assert tools.parses == ["lines", "auto"]


async def test_results_that_are_too_many_for_one_run_are_refused_also_after_a_crash(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller, "RUN_BYTES", 100)
    await bench.queue(
        pipeline=[step("first"), step("second"), step("third", on_error="continue")], retry=RETRY
    )
    answer = replace(ok("x" * 58), size=60)
    tools = ScriptedTools(tool__do=[answer, failed(), replace(answer, size=20), answer])

    await bench.go(tools)
    await bench.clock.advance(11)
    await bench.go(tools)

    assert await bench.row(
        "select array_agg(step || ' ' || outcome order by step) from ordinaut.step_result"
    ) == ["first ok", "second ok", "third contract_error"]
    assert await bench.row(
        "select error ->> 'message' from ordinaut.step_result where step = 'third'"
    ) == ("the results of the run have together 142 bytes, and 100 are kept")


async def test_a_step_whose_condition_does_not_hold_is_recorded_as_skipped(bench: Bench) -> None:
    await bench.queue(
        params={"loud": False},
        pipeline=[
            step("shout", **{"if": "params.loud"}),
            step("off", **{"if": False}),
            step("end", "tool.end"),
        ],
    )
    tools = ScriptedTools(tool__end=ok())

    await bench.go(tools)

    assert [name for name, _ in tools.calls] == ["tool.end"]
    assert await bench.row(
        "select array_agg(step || ' ' || outcome order by step) from ordinaut.step_result"
    ) == [
        "end ok",
        "off skipped",
        "shout skipped",
    ]
    assert await bench.row("select state from ordinaut.run") == "succeeded"


async def test_now_stays_what_it_was_when_the_run_first_started(bench: Bench) -> None:
    await bench.queue(pipeline=[step("at", **{"with": {"now": "${now}"}})], retry=RETRY)
    tools = ScriptedTools(tool__do=[failed(), ok()])

    await bench.go(tools)
    await bench.clock.advance(11)
    await bench.go(tools)

    first, second = [arguments["now"] for _, arguments in tools.calls]
    assert first == second == "2026-01-05T08:00:00Z"


async def test_a_failed_step_sleeps_in_the_database_and_is_tried_again(bench: Bench) -> None:
    await bench.queue(
        pipeline=[step("first", "tool.one"), step("second", "tool.two")], retry=RETRY
    )
    tools = ScriptedTools(tool__one=ok("kept"), tool__two=[failed(), failed(), ok()])

    await bench.go(tools)
    assert await bench.row("select state from ordinaut.run") == "waiting"
    assert await bench.row(
        "select lease_until = '-infinity', ready_at - ordinaut.now() from ordinaut.due_work"
    ) == (
        True,
        timedelta(seconds=10),
    )
    await bench.clock.advance(10)
    await bench.go(tools)
    assert await bench.row("select ready_at - ordinaut.now() from ordinaut.due_work") == timedelta(
        seconds=20
    )
    await bench.clock.advance(20)
    await bench.go(tools)

    assert [name for name, _ in tools.calls] == ["tool.one", "tool.two", "tool.two", "tool.two"]
    assert await bench.row("select state from ordinaut.run") == "succeeded"
    assert await bench.row("select attempt from ordinaut.step_result where step = 'second'") == 3
    assert (await bench.events()).count("step.retrying") == 2


async def test_the_tools_own_wish_to_wait_is_honoured(bench: Bench) -> None:
    await bench.queue(retry=RETRY, pipeline=[step("busy")])

    await bench.go(ScriptedTools(tool__do=failed(retry_after=90.0)))

    assert await bench.row("select ready_at - ordinaut.now() from ordinaut.due_work") == timedelta(
        seconds=90
    )


async def test_when_tries_are_used_up_the_run_fails_with_the_steps_error(bench: Bench) -> None:
    await bench.queue(pipeline=[step("bad"), step("never", "tool.never")])
    tools = ScriptedTools(tool__do=failed("contract_error"))

    await bench.go(tools)

    assert await bench.row("select state, error from ordinaut.run") == (
        "failed",
        {"code": "ORD404", "message": "it was contract_error", "step": "bad"},
    )
    assert await bench.row("select outcome from ordinaut.step_result") == "contract_error"
    assert await bench.row("select count(*) from ordinaut.due_work") == 0
    assert (await bench.events())[-2:] == ["step.failed", "run.failed"]


async def test_a_call_that_may_have_happened_is_not_repeated_where_that_does_harm(
    bench: Bench,
) -> None:
    rule = RETRY | {"retry_on": ["lost", "timeout"]}
    await bench.queue(pipeline=[step("pay", effect="once", retry=rule)])
    tools = ScriptedTools(tool__do=failed("lost"))

    await bench.go(tools)

    assert len(tools.calls) == 1
    assert await bench.row("select state from ordinaut.run") == "failed"


async def test_every_try_of_a_step_carries_the_same_idempotency_key(bench: Bench) -> None:
    await bench.queue(retry=RETRY, pipeline=[step("send")])
    tools = ScriptedTools(tool__do=[failed(), ok()])

    await bench.go(tools)
    await bench.clock.advance(10)
    await bench.go(tools)

    keys = {(meta or {})["dev.ordinaut/idempotency-key"] for meta in tools.metas}
    assert len(tools.metas) == 2
    assert len(keys) == 1


async def test_a_run_that_was_cut_off_goes_on_after_its_last_recorded_step(bench: Bench) -> None:
    await bench.queue(
        pipeline=[
            step("one", "tool.one", save_as="first"),
            step("two", "tool.two", **{"with": {"got": "${steps.first}"}}),
        ]
    )
    claim = await bench.claim()
    stuck = ScriptedTools(tool__one=ok({"n": 1}), tool__two=lambda _: asyncio.Event().wait())
    work = asyncio.create_task(bench.execute(claim, stuck))
    while len(stuck.calls) < 2:
        stuck.called.clear()
        await stuck.called.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await bench.clock.advance(16)
    healthy = ScriptedTools(tool__two=ok())

    await bench.go(healthy)

    assert healthy.calls == [("tool.two", {"got": {"n": 1}})]
    assert await bench.row("select state from ordinaut.run") == "succeeded"
    assert await bench.row("select count(*) from ordinaut.step_result") == 2


async def test_a_lost_lease_stops_the_work_and_leaves_the_record_to_its_holder(
    bench: Bench,
) -> None:
    await bench.queue(pipeline=[step("one"), step("two", "tool.two")])
    stale = await bench.claim()
    await bench.clock.advance(16)
    holder = await bench.claim()
    tools = ScriptedTools(tool__do=ok("stale"), tool__two=ok())

    with pytest.raises(LeaseLost):
        await bench.execute(stale, tools)
    await bench.execute(holder, ScriptedTools(tool__do=ok("holder"), tool__two=ok()))

    assert [name for name, _ in tools.calls] == ["tool.do"]
    assert (
        await bench.row("select output from ordinaut.step_result where step = 'one'") == "holder"
    )


async def test_a_run_that_takes_too_long_fails_with_its_timeout(bench: Bench) -> None:
    await bench.queue(timeout="60s", retry=RETRY | {"initial": "59s"}, pipeline=[step("slow")])
    tools = ScriptedTools(tool__do=failed("tool_error", retry_after=61))

    await bench.go(tools)
    await bench.clock.advance(62)
    await bench.go(tools)

    assert len(tools.calls) == 1
    assert await bench.row("select state, error ->> 'code' from ordinaut.run") == (
        "failed",
        "ORD504",
    )


async def test_no_call_may_outlast_its_run(bench: Bench) -> None:
    await bench.queue(
        timeout="90s", pipeline=[step("a"), step("b", timeout="5s"), step("c", timeout="99s")]
    )
    tools = ScriptedTools(tool__do=ok())

    await bench.go(tools)

    whole = timedelta(seconds=90)
    assert tools.timeouts == [(None, whole), (timedelta(seconds=5), whole), (whole, whole)]


async def test_a_missing_value_fails_the_step_before_anything_is_called(bench: Bench) -> None:
    await bench.queue(
        retry=RETRY, pipeline=[step("say", **{"with": {"text": "${params.nothing}"}})]
    )
    tools = ScriptedTools(tool__do=ok())

    await bench.go(tools)

    assert tools.calls == []
    assert await bench.row(
        "select state, error ->> 'code', error ->> 'step' from ordinaut.run"
    ) == (
        "failed",
        "ORD502",
        "say",
    )


async def test_params_given_to_the_run_overlay_the_tasks_own(bench: Bench) -> None:
    await bench.queue(
        params={"a": 1, "b": 2},
        params_given={"b": 3},
        pipeline=[step("x", **{"with": {"p": "${params}"}})],
    )
    tools = ScriptedTools(tool__do=ok())

    await bench.go(tools)

    assert tools.calls == [("tool.do", {"p": {"a": 1, "b": 3}})]


async def test_the_event_that_started_a_run_reaches_its_templates(bench: Bench) -> None:
    await bench.queue(
        event={"data": {"order": 7}},
        pipeline=[step("x", **{"with": {"n": "${event.data.order}"}})],
    )
    tools = ScriptedTools(tool__do=ok())

    await bench.go(tools)

    assert tools.calls == [("tool.do", {"n": 7})]


@pytest.mark.parametrize(
    ("scopes", "deny", "called"),
    [
        (["tool.*"], [], True),
        (["other.*"], [], False),
        (["tool.*"], ["tool.do"], False),
        ([], [], False),
    ],
)
async def test_an_agent_may_call_only_what_its_scopes_name(
    bench: Bench, scopes: list[str], deny: list[str], called: bool
) -> None:
    bench.live = Live(agents={"assistant": Scope(tuple(scopes), tuple(deny))})
    await bench.queue(agent="assistant", pipeline=[step("x")])
    tools = ScriptedTools(tool__do=ok())

    await bench.go(tools)

    assert bool(tools.calls) is called
    assert await bench.row("select outcome from ordinaut.step_result") == (
        "ok" if called else "denied"
    )


async def test_what_only_computes_needs_no_scope(bench: Bench) -> None:
    bench.live = Live(agents={"assistant": Scope((), ())})
    await bench.queue(agent="assistant", pipeline=[step("x", "ordinaut.transform")])

    await bench.go(ScriptedTools(ordinaut__transform=ok(1)))

    assert await bench.row("select outcome from ordinaut.step_result") == "ok"


async def test_a_secret_reaches_the_tool_and_nothing_that_is_written(bench: Bench) -> None:
    await bench.queue(
        pipeline=[
            step("x", **{"with": {"token": "Bearer ${secrets.token}"}}),
            step("y", "tool.fail", **{"with": {"seen": "${steps.x}"}}),
        ]
    )
    echo: Callable[[Any], Any] = lambda arguments: ok({"said": [arguments["token"]]})  # noqa: E731 - one line reads better here
    tools = ScriptedTools(tool__do=echo, tool__fail=failed())

    await bench.go(tools)

    assert tools.calls[0] == ("tool.do", {"token": "Bearer s3cr3t-token"})
    written = await bench.row(
        "select (select string_agg(s::text, ' ') from ordinaut.step_result s)"
        " || (select string_agg(o::text, ' ') from ordinaut.event_log o) || (select string_agg(r::text, ' ') from ordinaut.run r)"
    )
    assert "s3cr3t-token" not in written
    assert "Bearer [secret token]" in written


async def test_what_lives_for_one_run_is_ended_with_it(bench: Bench) -> None:
    await bench.queue()
    tools = ScriptedTools(llm__plan=ok())

    claim = await bench.go(tools)

    assert tools.ended == [str(claim.run_id)]


async def test_a_used_pipeline_gets_its_own_parameters(bench: Bench) -> None:
    steps = [step("x", **{"with": {"who": "${params.name}"}})]
    await bench.queue(params={"person": "Ana"}, pipeline=steps)
    await bench.connection.execute(
        "update ordinaut.spec_revision set body = jsonb_set(body, '{pipeline}', jsonb_build_object("
        "'use', 'greet', 'with', jsonb_build_object('name', 'Dr ${params.person}'), 'steps', body -> 'pipeline'))"
    )
    tools = ScriptedTools(tool__do=ok())

    await bench.go(tools)

    assert tools.calls == [("tool.do", {"who": "Dr Ana"})]


async def test_a_run_out_of_time_waits_for_no_other_try(bench: Bench) -> None:
    retry = {"attempts": 2, "initial": "290s", "jitter": "none"}
    await bench.queue(timeout="60s", retry=retry, pipeline=[step("a")])
    tools = ScriptedTools(tool__do=failed())

    await bench.go(tools)
    await bench.clock.advance(await bench.seconds_until_ready())
    await bench.go(tools)

    assert len(tools.calls) == 1
    assert await bench.row("select state, error ->> 'code' from ordinaut.run") == (
        "failed",
        "ORD504",
    )
