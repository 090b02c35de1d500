"""From a task's body to what is asked when, and how the answer is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.core.condition import Standing
from runtime.core.expressions import Context
from runtime.core.poll import calendars_of, compile_poll, next_poll, poll_for
from runtime.core.schedules import EPOCH
from runtime.errors import ExpressionError
from schemas.durations import parse_duration
from schemas.task import Task

NOW = datetime(2026, 1, 5, 12, 2, tzinfo=UTC)


def body(**fields: Any) -> dict[str, Any]:
    """A normalised task with one condition, behind a schedule of another kind."""
    asked = {"uses": "meter.read", "every": "5m", "when": "result.level > `3`", **fields}
    document = {
        "apiVersion": "ordinaut/v1",
        "kind": "Task",
        "name": "watch",
        "namespace": "ops",
        "agent": "warden",
        "params": {"room": "cellar"},
        "schedule": [{"manual": True}, {"condition": asked}],
        "pipeline": [{"id": "tell", "uses": "llm.plan"}],
    }
    task = Task.model_validate(document)
    return task.model_dump(mode="json", by_alias=True, exclude_none=True)


def context(result: Any) -> Context:
    return Context(now=NOW, params={"room": "cellar"}, result=result)


def test_a_poll_is_compiled_from_its_place_in_the_task() -> None:
    poll = compile_poll(body(**{"with": {"room": "${params.room}"}, "for": "10m"}), 1)

    assert (poll.label, poll.uses, poll.agent) == ("ops/watch", "meter.read", "warden")
    assert poll.arguments.render(Context(now=NOW, params=poll.params)) == {"room": "cellar"}
    assert poll.rule.holds_for == timedelta(minutes=10)


def test_an_answer_is_judged_by_the_condition() -> None:
    poll = compile_poll(body(), 1)

    met = poll.judge(Standing(), context({"level": 4}))
    after = poll.judge(met.standing, context({"level": 3}))

    assert (met.fires, met.standing) == (True, Standing("spent", NOW))
    assert (after.fires, after.standing) == (False, Standing("armed", None))


def test_a_rearming_takes_the_place_of_the_condition_s_end() -> None:
    poll = compile_poll(body(rearm="result.level < `2`"), 1)
    spent = Standing("spent", NOW)

    assert poll.judge(spent, context({"level": 3})).standing == Standing("spent", None)
    assert poll.judge(spent, context({"level": 1})).standing == Standing("armed", None)


def test_an_answer_without_what_the_condition_names_cannot_be_judged() -> None:
    with pytest.raises(ExpressionError, match="level"):
        compile_poll(body(), 1).judge(Standing(), context({"lvl": 4}))


@given(
    st.timedeltas(timedelta(seconds=1), timedelta(days=400)).map(
        lambda span: span - span % timedelta(milliseconds=1)
    ),
    st.datetimes(datetime(2000, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)),
)
def test_polls_come_at_round_times_one_after_the_other(every: timedelta, now: datetime) -> None:
    asked, following = poll_for(every, now), next_poll(every, now)

    assert asked <= now < following
    assert following - asked == every
    assert (asked - EPOCH) % every == timedelta(0)


NIGHT = {"timezone": "UTC", "windows": [{"from": "22:00", "to": "07:00", "days": []}]}


def calendars(**names: list[str]) -> Any:
    """What the calendar `night` says of a condition that names it so."""
    return calendars_of(
        {"schedule": [{"condition": {}} | names], "calendars": {"night": NIGHT}}, 0
    )


@pytest.mark.parametrize(
    ("every", "names", "now", "following"),
    [
        ("5m", {"exclude": ["night"]}, "21:50", "05 21:55"),
        ("5m", {"exclude": ["night"]}, "21:55", "06 07:00"),
        ("7h", {"exclude": ["night"]}, "20:00", "06 07:00"),
        ("1d", {"exclude": ["night"]}, "12:00", "06 07:00"),
        ("5m", {"include": ["night"]}, "12:00", "05 22:00"),
        ("5m", {}, "23:00", "05 23:05"),
    ],
)
def test_what_would_be_asked_in_an_excluded_time_is_asked_at_the_first_moment_after(
    every: str, names: dict[str, list[str]], now: str, following: str
) -> None:
    at = datetime.fromisoformat(f"2026-01-05T{now}:00+00:00")

    found = next_poll(parse_duration(every), at, calendars(**names))

    assert f"{found:%d %H:%M}" == following


def test_where_calendars_leave_no_time_for_a_year_they_are_asked_again_after_it() -> None:
    days = {"schedule": [{"include": ["one"]}], "calendars": {"one": {"timezone": "UTC", "days": ["2001-01-01"]}}}  # fmt: skip

    found = next_poll(timedelta(hours=1), NOW, calendars_of(days, 0))

    assert found == datetime(2026, 1, 5, 13, tzinfo=UTC) + timedelta(days=366)
