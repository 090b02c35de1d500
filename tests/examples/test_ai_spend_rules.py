"""What the example ai-spend takes for waste and for an anomaly: the rules alone, on calls and sums by hand."""

from __future__ import annotations

import csv
import importlib.util
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.examples.ai_spend import EXAMPLE, instant, server_module

calls = server_module("calls")
savings = server_module("savings")
robust = server_module("robust")
specs_folder = server_module("specs_folder")

SORT = {"id": "sort", "uses": "llm.extract", "with": {"text": "${item}", "model": "small"}}


def call(at: datetime, given: Mapping[str, Any], *, output: str = "x", **fields: Any) -> Any:
    """A call that cost a cent."""
    told = {
        "source": "s",
        "run_id": f"run of {at}",
        "step": "sort",
        "item": 0,
        "task": "t",
        "client": "c",
        "agent": "a",
        "tool": "llm.extract",
        "model": "m",
        "occurrence_for": at,
        "finished_at": at,
        "revision": 1,
        "outcome": "ok",
        "attempts": 1,
        "is_reused": False,
        "arguments": {name: calls.argument(value) for name, value in given.items()},
        "output": output,
        "input_tokens": 100,
        "output_tokens": 20,
        "cost": Decimal("0.01"),
        "again_cost": Decimal(0),
        "currency": "USD",
    }
    return calls.Call(**told | fields)


def found(made: list[Any], *, schedule: Any = None, step: Any = None, cheaper: Any = None) -> Any:
    """What is found in calls of a task with one step."""
    document = {"schedule": schedule or {"cron": "0 * * * *"}, "pipeline": [step or SORT]}
    subject = savings.Subject("t", document, made, cheaper or {})
    return next(savings.findings(subject), None)


def hourly(number: int = 20, **fields: Any) -> list[Any]:
    """Calls of runs an hour apart, each with other words."""
    return [
        call(instant(2, 0) + timedelta(hours=n), {"text": f"words {n}"}, output=f"{n}", **fields)
        for n in range(number)
    ]


def test_different_calls_with_different_answers_waste_nothing() -> None:
    assert found(hourly()) is None


def test_equal_calls_are_found_and_the_first_of_each_day_is_not_saved() -> None:
    made = hourly(10) + [
        replace(call(instant(2, n), {"text": "same"}, output="same"), item=1) for n in range(10)
    ]

    finding = found(sorted(made, key=lambda one: one.occurrence_for))

    assert (finding.kind, finding.step, finding.saved) == ("cache", "sort", Decimal("0.09"))
    assert finding.edit == {"cache": {"ttl": "1d"}}


@pytest.mark.parametrize(
    ("spoiled", "step"),
    [
        ({"output": "once something else"}, SORT),
        ({}, {**SORT, "effect": "once"}),
        ({}, {**SORT, "cache": {"ttl": "1h"}}),
    ],
    ids=["other answers", "an effect", "a cache"],
)
def test_equal_calls_are_left_alone_where_a_cache_would_be_wrong(
    spoiled: dict[str, Any], step: Any
) -> None:
    same = [
        replace(call(instant(2, n), {"text": "same"}, output="same"), item=1) for n in range(10)
    ]
    same[5] = replace(same[5], **spoiled)

    assert found(hourly(10) + same, step=step) is None


@pytest.mark.parametrize(
    ("effect", "kind"),
    [({}, None), ({"effect": "idempotent"}, None), ({"effect": "pure"}, "cache")],
)
def test_a_tool_that_may_do_something_is_called_each_time(
    effect: dict[str, str], kind: str | None
) -> None:
    """A message that is sent twice is wanted twice, for all that its calls tell; a model only answers."""
    same = [
        replace(call(instant(2, n), {"text": "same"}, output="same"), item=1) for n in range(10)
    ]
    made = [
        replace(one, tool="sms.send")
        for one in sorted(hourly(10) + same, key=lambda one: one.occurrence_for)
    ]

    finding = found(made, step={**SORT, "uses": "sms.send", **effect})

    assert (finding and finding.kind) == kind


def test_an_argument_that_says_more_than_the_time_stays() -> None:
    made = [
        replace(
            call(instant(2, n), {"text": f"Of 2026-11-{n + 1:02}", "asked_at": f"{n:02}:00"}),
            output="same",
        )
        for n in range(20)
    ]

    # Without the time alone no two of them were the same, and nothing would be reused.
    assert found(made, schedule={"manual": True}) is None


def test_an_argument_that_only_tells_the_time_is_taken_out() -> None:
    made = hourly(10) + [
        replace(
            call(instant(2, n), {"text": "same", "asked_at": f"2026-11-02T{n:02}:00:00Z"}), item=1
        )
        for n in range(10)
    ]
    made = [replace(one, arguments={**one.arguments, "asked_at": calls.argument(f"{one.occurrence_for:%FT%TZ}")}) for one in made]  # fmt: skip

    finding = found(made)

    assert finding.kind == "near"
    assert finding.edit == {"with": {"asked_at": None}, "cache": {"ttl": "1d"}}
    assert finding.saved == Decimal("0.09")


def test_runs_that_find_nothing_new_are_to_come_at_half_of_the_shortest_time_between_news() -> (
    None
):
    made = [
        call(instant(2, 0) + timedelta(minutes=30 * n), {"text": f"issue {n // 16}"}, output=f"{n // 16}")
        for n in range(48)
    ]  # fmt: skip

    finding = found(made, schedule={"every": "30m", "start": "2026-01-01T00:00"})

    assert finding.kind == "slow"
    assert finding.edit == {"schedule": {"every": "4h", "start": None}}
    assert finding.saved == Decimal("0.48") * (1 - Decimal(1) / 8)


def looked(times: list[datetime], **fields: Any) -> list[Any]:
    """Calls that found the same each time."""
    return [call(at, {"text": "same"}, **fields) for at in times]


HALF_HOURS = [instant(2, 0) + timedelta(minutes=30 * n) for n in range(96)]


@pytest.mark.parametrize(
    ("made", "schedule"),
    [
        (looked(HALF_HOURS, outcome="tool_error"), {"every": "30m"}),
        (looked([at for at in HALF_HOURS if 8 <= at.hour < 18]), {"cron": "*/30 8-17 * * *"}),
        (looked(HALF_HOURS), {"cron": "*/30 * * * *", "exclude": ["holidays"]}),
        (looked(HALF_HOURS), {"every": "30m", "until": "2026-12-24"}),
    ],
    ids=["it fails alike each time", "office hours", "but on holidays", "until Christmas"],
)
def test_schedules_that_another_period_says_otherwise_are_left_alone(
    made: list[Any], schedule: dict[str, Any]
) -> None:
    assert found(made, schedule=schedule, step={**SORT, "effect": "once"}) is None


def test_a_jitter_stays_when_the_period_changes() -> None:
    finding = found(looked(HALF_HOURS), schedule={"every": "30m", "jitter": "1m"})

    assert finding.edit == {"schedule": {"every": "12h"}}


def test_runs_that_answer_alike_to_other_questions_are_no_waste() -> None:
    made = [call(instant(2, n), {"text": f"words {n}"}, output="fine") for n in range(20)]

    assert found(made, schedule={"every": "1h"}) is None


def test_the_schedule_whose_runs_never_find_anything_new_goes() -> None:
    schedules = [{"cron": "0 * * * *"}, {"cron": "5 * * * *"}]
    made = [
        call(instant(2, hour, minute), {"text": f"words {hour}"}, output=f"{hour}")
        for hour in range(12)
        for minute in (0, 5)
    ]

    finding = found(made, schedule=schedules)

    assert (finding.kind, finding.saved) == ("merge", Decimal("0.12"))
    assert finding.edit == {"schedule": {"cron": "0 * * * *"}}
    assert found([replace(one, output=one.run_id) for one in made], schedule=schedules) is None


def test_whose_runs_they_are_is_told_in_the_zone_of_each_schedule() -> None:
    # Half an hour beside UTC: runs at 0 there are those at 30 here.
    schedules = [
        {"cron": "0 * * * *", "timezone": "Asia/Kolkata"},
        {"cron": "30 * * * *", "timezone": "Asia/Kolkata"},
    ]
    made = [
        call(instant(2, hour, minute), {"text": f"words {hour}"}, output=f"{hour}")
        for hour in range(12)
        for minute in (0, 30)
    ]

    assert found(made, schedule=schedules).edit == {"schedule": schedules[1]}


@pytest.mark.parametrize(
    "other", ["0 12 * * *", "5 * * * *\t"], ids=["the same minute", "another form"]
)
def test_runs_that_may_be_of_either_schedule_are_of_neither(other: str) -> None:
    made = looked([instant(2, n) for n in range(20)], cost=Decimal(0))

    assert found(made, schedule=[{"cron": "0 * * * *"}, {"cron": other}]) is None


def test_tries_that_never_succeed_are_to_end_and_those_that_once_do_are_not() -> None:
    in_vain = hourly(12, attempts=3, outcome="tool_error", again_cost=Decimal("0.006"))

    finding = found(in_vain)

    assert (finding.kind, finding.saved) == ("retries", Decimal("0.072"))
    assert finding.edit == {"retry": {"attempts": 1}}
    assert found([*in_vain[:-1], replace(in_vain[-1], outcome="ok")]) is None


def test_a_long_argument_that_never_changes_is_to_be_tried_without() -> None:
    made = [
        replace(one, arguments={**one.arguments, "handbook": calls.argument("words " * 500)}, input_tokens=900)
        for one in hourly()
    ]  # fmt: skip

    assert (found(made).kind, found(made).edit) == ("trim", {"with": {"handbook": None}})
    assert found([replace(one, output_tokens=50) for one in made]) is None


def test_a_cheaper_model_is_to_be_tried() -> None:
    cheaper = {"default": ["small"], "small": []}

    assert found(hourly(), cheaper=cheaper) is None
    dear = {**SORT, "with": {"text": "${item}"}}
    assert found(hourly(), cheaper=cheaper, step=dear).edit == {"with": {"model": "small"}}


def test_what_a_change_saves_is_told_from_the_whole_days_after_it() -> None:
    made = [call(instant(day, hour), {"text": "x"}, revision=1 if (day, hour) < (3, 20) else 2) for day in (2, 3, 4, 5) for hour in (1, 21)]  # fmt: skip
    later = call(instant(6, 1), {"text": "x"}, revision=3)

    after = savings.after([*made, later], 1)

    # Of the day of the change there are only a few calls of the new revision; another change saves its own.
    assert {one.day.day for one in after} == {4, 5}


def test_steps_of_a_pipeline_document_are_left_alone() -> None:
    same = [call(instant(2, n), {"text": "same"}, output="same") for n in range(10)]
    document = {"schedule": {"manual": True}, "pipeline": {"use": "shared"}}

    assert list(savings.findings(savings.Subject("t", document, same, {}))) == []


def test_fewer_than_ten_calls_say_nothing() -> None:
    dear = {**SORT, "with": {"text": "${item}"}}

    assert found(hourly(9), cheaper={"default": ["small"]}, step=dear) is None


DAYS = [date(2026, 11, 1) - timedelta(days=n) for n in range(40, 0, -1)]


def test_a_day_that_costs_far_more_stands_out_and_weekends_do_not() -> None:
    costs = {day: (30.0 if day.weekday() >= 5 else 10.0) + day.day % 3 / 10 for day in DAYS}
    costs[DAYS[-3]] = 40.0

    [one] = robust.anomalies(costs)

    assert (one.day, one.cost) == (DAYS[-3], 40.0)
    assert one.usual == pytest.approx(10.1, abs=0.1)


def test_a_day_that_stood_out_is_no_measure_for_those_after_it() -> None:
    costs = {day: 10.0 + day.day % 3 / 10 for day in DAYS if day.weekday() < 5}
    dear = [day for day in costs if day > DAYS[-21]]

    found = robust.anomalies(costs | dict.fromkeys(dear, 40.0))

    assert [one.day for one in found] == dear


def test_a_few_cents_more_than_always_the_same_are_no_anomaly() -> None:
    costs = dict.fromkeys(DAYS, 10.0) | {DAYS[-3]: 11.0}

    assert robust.anomalies(costs) == []
    assert len(robust.anomalies(costs | {DAYS[-3]: 12.1})) == 1


def test_the_score_is_that_of_iglewicz_and_hoaglin() -> None:
    # Worked out by hand: the median of these is 3 and that of the deviations 1.
    assert robust.modified_z(13.0, [1, 2, 3, 4, 5]) == pytest.approx(0.6745 * 10)
    assert robust.modified_z(5.0, [3, 3, 3, 3, 8]) == pytest.approx(2 / 1.2533)
    assert robust.modified_z(4.0, [3, 3, 3]) == float("inf")


def test_a_merge_patch_is_that_of_rfc_7396() -> None:
    before = {"a": {"b": 1, "c": 2}, "d": [1, 2]}

    assert specs_folder.merged(before, {"a": {"b": None}, "d": [3]}) == {"a": {"c": 2}, "d": [3]}


def history() -> tuple[Any, list[dict[str, str]]]:
    """What makes the seeded weeks, and what it made."""
    spec = importlib.util.spec_from_file_location("make", EXAMPLE / "data" / "make.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    with (EXAMPLE / "data" / "history.csv").open(newline="") as file:
        return make, list(csv.DictReader(file))


def test_the_history_is_what_its_generator_makes() -> None:
    make, kept = history()

    assert [{name: str(value) for name, value in row.items()} for row in make.rows()] == kept


def test_of_the_seeded_weeks_exactly_the_days_that_were_planted_stand_out() -> None:
    make, kept = history()
    series: dict[str, dict[date, float]] = defaultdict(dict)
    for row in kept:
        series[row["task"]][make.TODAY - timedelta(days=int(row["days_ago"]))] = float(row["cost"])

    out = {
        (task, (make.TODAY - one.day).days)
        for task, costs in series.items()
        for one in robust.anomalies(costs)
    }

    assert out == set(make.PLANTED)
