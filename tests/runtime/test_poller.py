"""Conditions are asked when it is time, and an answer starts a run when it should."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.usage import Usage
from schemas.event import EVENTS
from tests.support.clock import START
from tests.support.installed import HEAD, Installed, install, queue_run
from tests.support.polling import MINUTE, Meter, Polling, level
from tests.support.scripted_tools import failed, ok


async def test_a_run_starts_when_the_answer_comes_to_meet_the_condition(polling: Polling) -> None:
    installed = await polling.watch({}, overlap="allow", priority=7)
    meter = Meter(level(1), level(4), level(5), level(2), level(9))

    await polling.minutes(polling.poller(meter, 3), 5)

    assert await polling.runs() == [("08:02", "queued", None), ("08:05", "queued", None)]
    assert await polling.rows(
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


async def test_a_level_starts_a_run_at_each_poll_that_meets_the_condition(
    polling: Polling,
) -> None:
    await polling.watch({"edge": "level"}, overlap="allow")

    await polling.minutes(polling.poller(Meter(level(4), level(4), level(1), level(4))), 4)

    assert await polling.fired() == ["08:01", "08:02", "08:04"]


async def test_a_condition_fires_again_only_after_its_rearming(polling: Polling) -> None:
    await polling.watch({"rearm": "result.level < `2`"}, overlap="allow")
    meter = Meter(level(4), level(3), level(4), level(1), level(3), level(4))

    await polling.minutes(polling.poller(meter), 6)

    assert await polling.fired() == ["08:01", "08:06"]


async def test_a_condition_that_must_hold_fires_when_it_has(polling: Polling) -> None:
    await polling.watch({"for": "2m"}, overlap="allow")
    meter = Meter(level(4), level(4), level(1), level(4))

    await polling.minutes(polling.poller(meter), 7)

    assert await polling.fired() == ["08:06"]


async def test_what_a_condition_remembers_is_in_the_database(polling: Polling) -> None:
    await polling.watch({}, overlap="allow")
    await polling.minutes(polling.poller(Meter(level(4))), 2)

    # The runtime that knew is gone: another one, much later, finds the condition still met.
    await polling.minutes(polling.poller(Meter(level(5)), 2), 2)

    assert await polling.fired() == ["08:01"]
    assert await polling.state(
        "phase", "met_since", "changed_at", "polled_at", "answer", "error"
    ) == (
        "spent",
        START + timedelta(minutes=1),
        START + timedelta(minutes=1),
        START + timedelta(minutes=4),
        {"level": 5},
        None,
    )


async def test_polls_come_at_round_times_and_missed_ones_are_not_made_up_for(
    polling: Polling,
) -> None:
    await polling.clock.advance(20)
    await polling.watch({"every": "5m", "edge": "level"}, overlap="allow")
    meter = Meter(level(4))
    poller = polling.poller(meter)

    await polling.clock.advance(4 * MINUTE)
    assert await polling.look(poller) == 0
    await polling.clock.advance(MINUTE)
    assert await polling.look(poller) == 1
    await polling.clock.advance(17 * MINUTE)
    assert await polling.look(poller) == 1
    assert await polling.look(poller) == 0

    assert await polling.fired() == ["08:05", "08:20"]
    assert await polling.state("next_poll_at") == (START + timedelta(minutes=25),)


@pytest.mark.parametrize(
    "source", [{"file": "token"}, {"command": ["python", "-c", "print('s3cr3t-token')"]}]
)
async def test_the_tool_gets_what_the_templates_say_and_no_more_time_than_until_the_next_poll(
    polling: Polling, tmp_path: Path, source: dict[str, Any]
) -> None:
    (tmp_path / "token").write_text("s3cr3t-token\n")
    model = {"url": "https://llm.example.com", "model": "small", "api_key": "${secrets.token}"}
    secrets = {"token": source}
    project = {"name": "demo", "secrets": secrets, "models": {"default": model}}
    await install(polling.connection, {**HEAD, "kind": "Project", **project})
    arguments = {"room": "${params.room}", "at": "${now}", "key": "${secrets.token}"}
    await polling.watch({"with": arguments}, params={"room": "cellar"})
    meter = Meter(ok({"level": 4, "seen": "s3cr3t-token"}))

    await polling.minutes(polling.poller(meter))

    given = {"room": "cellar", "at": "2026-01-05T08:01:00Z", "key": "s3cr3t-token"}
    assert meter.calls == [("meter.read", given)]
    assert meter.timeouts == [(None, timedelta(minutes=1))]
    assert len(meter.ended) == 1
    assert meter.find_model is not None
    assert (await meter.find_model("default")).secrets == ("s3cr3t-token",)
    assert await polling.state("answer") == ({"level": 4, "seen": "[redacted]"},)
    assert await polling.rows("select event -> 'result' ->> 'seen' from ordinaut.run") == [
        ("[redacted]",)
    ]


async def test_a_tool_that_fails_is_no_edge_and_is_told_once(polling: Polling) -> None:
    await polling.watch({}, overlap="allow")
    meter = Meter(level(4), failed(), failed(), level(4), level(1), level(4))

    await polling.minutes(polling.poller(meter), 2)
    assert await polling.state("phase", "answer", "failing_since", "polled_at", "error") == (
        "spent",
        {"level": 4},
        START + timedelta(minutes=2),
        START + timedelta(minutes=2),
        {"code": "ORD404", "message": "it was tool_error"},
    )
    await polling.minutes(polling.poller(meter), 4)

    assert await polling.fired() == ["08:01", "08:06"]
    assert await polling.state("failing_since", "error") == (None, None)
    facts = {"task": "watch", "condition": 0, "uses": "meter.read"}
    error = {"code": "ORD404", "message": "it was tool_error"}
    told = await polling.events()
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
    polling: Polling, asked: dict[str, Any], answer: CallOutcome, code: str
) -> None:
    await polling.watch(asked)

    await polling.minutes(polling.poller(Meter(answer)), 2)

    assert await polling.fired() == []
    ((error,),) = [await polling.state("error")]
    assert error["code"] == code
    assert error.get("detail", "") == (
        "last words" if code == "ORD406" else error.get("detail", "")
    )


async def test_an_agent_s_scopes_hold_for_polls(polling: Polling) -> None:
    await install(
        polling.connection, {**HEAD, "kind": "Agent", "name": "warden", "scopes": ["llm.*"]}
    )
    await polling.watch({}, agent="warden")
    meter = Meter(level(4))

    await polling.minutes(polling.poller(meter))

    assert meter.calls == []
    assert await polling.state("error ->> 'code'") == ("ORD409",)


async def test_of_a_very_large_answer_only_the_run_gets_all(polling: Polling) -> None:
    await polling.watch({})
    value = {"level": 4, "text": "x" * 70_000}

    await polling.minutes(polling.poller(Meter(ok(value))))

    assert await polling.state("answer", "phase") == (None, "spent")
    assert await polling.rows("select event -> 'result' from ordinaut.run") == [(value,)]


async def test_a_task_that_may_not_overlap_skips_an_edge_while_a_run_of_it_is_active(
    polling: Polling,
) -> None:
    await queue_run(polling.connection, await polling.watch({}))

    await polling.minutes(polling.poller(Meter(level(4))), 2)

    assert await polling.runs() == [("08:01", "skipped", "overlap")]
    ((kind, subject, data),) = await polling.events()
    assert (kind, subject, data["trigger"], data["reason"]) == (
        "run.skipped",
        "watch",
        "condition",
        "overlap",
    )
    EVENTS[kind].model_validate(data)


async def test_a_run_waits_for_its_turn_where_the_task_lets_it(polling: Polling) -> None:
    active = await queue_run(
        polling.connection, await polling.watch({"edge": "level"}, overlap="queue_one")
    )

    await polling.minutes(polling.poller(Meter(level(4))), 2)
    assert await polling.runs() == [
        ("08:01", "queued", None),
        ("08:02", "skipped", "overlap_queue_full"),
    ]
    waits = "select count(*) from ordinaut.backlog join ordinaut.run using (run_id) where trigger = 'condition'"
    assert await polling.rows(waits) == [(1,)]
    await polling.connection.execute(
        "with over as (delete from ordinaut.due_work where run_id = %s)"
        " update ordinaut.run set state = 'succeeded', finished_at = ordinaut.now() where run_id = %s",
        [active, active],
    )
    assert not await polling.turns.look()

    assert await polling.rows(waits) == [(0,)]
    assert await polling.rows(
        "select count(*) from ordinaut.due_work join ordinaut.run using (run_id) where trigger = 'condition'"
    ) == [(1,)]


async def test_a_run_takes_the_place_of_an_active_one_where_the_task_says_so(
    polling: Polling,
) -> None:
    active = await queue_run(
        polling.connection, await polling.watch({}, overlap="cancel_running", start_deadline="10m")
    )

    await polling.minutes(polling.poller(Meter(level(4))))

    assert await polling.runs() == [("08:01", "queued", None)]
    assert await polling.rows("select state from ordinaut.run where run_id = %s", active) == [
        ("cancelled",)
    ]
    assert await polling.rows("select start_until from ordinaut.due_work") == [
        (START + timedelta(minutes=11),)
    ]


async def test_a_poll_that_nobody_made_in_time_leaves_its_run_the_whole_start_deadline(
    polling: Polling,
) -> None:
    await polling.watch({"every": "1h"}, start_deadline="10m")

    await polling.clock.advance(90 * MINUTE)
    await polling.look(polling.poller(Meter(level(4))))

    assert await polling.rows(
        "select r.occurrence_for, r.due_at, w.start_until from ordinaut.run r join ordinaut.due_work w using (run_id)"
    ) == [
        (
            START + timedelta(hours=1),
            START + timedelta(minutes=90),
            START + timedelta(minutes=100),
        )
    ]


async def test_several_conditions_of_a_task_are_asked_each_by_itself(polling: Polling) -> None:
    await polling.watch(
        {"every": "1m", "when": "result.level > `3`"},
        {"every": "2m", "when": "result.level > `5`"},
        overlap="allow",
    )

    await polling.minutes(polling.poller(Meter(level(4), level(6))), 2)

    assert await polling.rows(
        "select event ->> 'condition', occurrence_for from ordinaut.run order by run_id"
    ) == [("0", START + timedelta(minutes=1)), ("1", START + timedelta(minutes=2))]


async def test_a_paused_task_is_not_asked_about(polling: Polling) -> None:
    installed = await polling.watch({})
    await polling.pause(installed)
    meter = Meter(level(4))
    poller = polling.poller(meter)

    await polling.minutes(poller, 2)
    assert meter.calls == []
    await polling.connection.execute("update ordinaut.task_override set ended_at = ordinaut.now()")
    await polling.look(poller)

    assert await polling.fired() == ["08:02"]


@pytest.mark.parametrize("destructive", ["approval", "granted"])
async def test_a_poll_may_destroy_something_only_where_that_is_granted(
    polling: Polling, destructive: str
) -> None:
    agent = {"name": "warden", "scopes": ["*"], "destructive": destructive}
    await install(polling.connection, {**HEAD, "kind": "Agent", **agent})
    await polling.watch({}, agent="warden")
    meter = Meter(level(1))

    await polling.minutes(polling.poller(meter))

    assert meter.may_destroy == [destructive == "granted"]


async def test_what_a_poll_uses_up_is_on_record_and_bounded_by_its_agent_s_budget(
    polling: Polling,
) -> None:
    budgets = [{"per": "day", "tokens": 20}]
    agent = {"name": "warden", "scopes": ["*"], "budgets": budgets}
    await install(polling.connection, {**HEAD, "kind": "Agent", **agent})
    installed = await polling.watch({}, agent="warden")
    meter = Meter(replace(level(1), usage=Usage("small", 10, 5)))

    await polling.minutes(polling.poller(meter), 3)

    assert len(meter.calls) == 2
    assert await polling.state("error ->> 'code'") == ("ORD420",)
    used = "select step, task_uid, agent, tool, model, input_tokens + output_tokens, cost from ordinaut.call_usage"
    assert (
        await polling.rows(used)
        == [("(poll)", installed.uid, "warden", "meter.read", "small", 15, None)] * 2
    )


async def keep_out(polling: Polling, installed: Installed) -> None:
    """Let a calendar keep the task's condition from being asked from 08:03 to 08:06, as compiling writes it."""
    night = {"timezone": "UTC", "windows": [{"from": "08:03", "to": "08:06", "days": []}]}
    await polling.rows(
        "update ordinaut.spec set body = jsonb_set(body, '{schedule,0,exclude}', '[\"night\"]')"
        " || jsonb_build_object('calendars', %s::jsonb) where uid = %s returning uid",
        json.dumps({"night": night}),
        installed.uid,
    )


async def test_nobody_asks_in_a_time_that_calendars_exclude(polling: Polling) -> None:
    await keep_out(polling, await polling.watch({"edge": "level"}, overlap="allow"))
    meter = Meter(level(4))

    await polling.minutes(polling.poller(meter), 7)

    assert await polling.fired() == ["08:01", "08:02", "08:06", "08:07"]
    assert len(meter.calls) == 4


async def test_an_edge_of_an_excluded_time_is_found_when_that_is_over(polling: Polling) -> None:
    await keep_out(polling, await polling.watch({}, overlap="allow"))
    meter = Meter(level(1), level(1), level(4))

    await polling.minutes(polling.poller(meter), 2)
    assert await polling.state("next_poll_at") == (START + timedelta(minutes=6),)
    await polling.minutes(polling.poller(meter), 4)

    assert await polling.fired() == ["08:06"]


async def test_a_poll_that_is_due_in_an_excluded_time_is_put_off_unasked(polling: Polling) -> None:
    installed = await polling.watch({}, overlap="allow")
    await polling.clock.advance(3 * MINUTE)
    await keep_out(polling, installed)
    meter = Meter(level(4))

    await polling.look(polling.poller(meter))

    assert not meter.calls
    assert await polling.state("next_poll_at", "polled_at") == (START + timedelta(minutes=6), None)


async def test_a_condition_that_calendars_had_put_off_is_asked_when_they_are_gone(
    polling: Polling,
) -> None:
    await keep_out(polling, await polling.watch({}, overlap="allow"))
    await polling.minutes(polling.poller(Meter(level(1))), 3)

    await polling.watch({}, overlap="allow")

    assert await polling.state("next_poll_at") == (START + timedelta(minutes=4),)
