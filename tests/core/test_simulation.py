"""A spec set played through a period: what runs, meets, crowds, and what agents are expected to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from reconciler.core.desired import AtHand, Specs
from reconciler.core.look import Look
from reconciler.core.simulation import Assumptions, default_zone, simulate
from reconciler.core.simulation_runs import Period, period_of
from reconciler.core.simulation_text import render_simulation
from runtime.core.recurrence.zone import load_zone
from schemas.simulation import SimulatedOverlap, Simulation
from tests.support.specs import compiled

ROME = "Europe/Rome"
SERVER = "kind: ToolServer\nname: fs\nstdio: {command: mcp-fs}\n---\n"
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)


def task(name: str, schedule: str, more: str = "") -> str:
    return (
        f"kind: Task\nname: {name}\nschedule: {{{schedule}}}\n"
        f"pipeline: [{{id: look, uses: fs.list}}, {{id: read, uses: fs.read}}]\n{more}"
    )


def specs(*documents: str, project: str = "kind: Project\nname: home") -> Specs:
    return compiled(SERVER + "\n---\n".join(documents), project)


def played(
    *documents: str, days: int = 1, begin: datetime = BEGIN, zone: str = "UTC", **assumed: Any
) -> Simulation:
    found = specs(*documents)
    tasks = [one for key, one in found.documents.items() if key.kind == "Task"]
    return simulate(found, tasks, period_of(begin, days, load_zone(zone)), Assumptions(**assumed))


def meetings(simulation: Simulation) -> list[tuple[str, str, str | None, int, str]]:
    return [(one.task, one.other, one.key, one.times, one.effect) for one in simulation.overlaps]


def text(simulation: Simulation) -> str:
    return render_simulation(simulation, Look())


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_the_runs_of_a_task_are_counted_with_the_first_and_the_last() -> None:
    (found,) = played(task("noon", "cron: '0 12 * * 1-5', timezone: Europe/Rome"), days=7).tasks

    assert (found.task, found.runs, found.runs_per_day) == ("noon", 5, 0.71)
    assert (found.first_at, found.last_at) == (at("2026-01-05T11:00Z"), at("2026-01-09T11:00Z"))
    assert found.schedule == "weekdays at 12:00, Europe/Rome"


def test_the_period_holds_its_first_instant_and_not_its_last() -> None:
    (found,) = played(task("night", "cron: '@daily', timezone: UTC"), days=2).tasks

    assert (found.runs, found.first_at, found.last_at) == (2, BEGIN, at("2026-01-06T00:00Z"))


def test_days_are_days_of_the_zone_whatever_the_clocks_do() -> None:
    spring = period_of(at("2026-03-29T00:00+01:00"), 1, load_zone(ROME))
    autumn = period_of(at("2026-10-25T00:00+02:00"), 1, load_zone(ROME))

    assert spring.end - spring.begin == timedelta(hours=23)
    assert autumn.end - autumn.begin == timedelta(hours=25)
    assert autumn.days == (date(2026, 10, 25),)


def test_a_period_that_begins_within_a_day_touches_one_day_more() -> None:
    period = period_of(at("2026-01-05T18:00Z"), 2, load_zone("UTC"))

    assert period.days == (date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7))


def test_tasks_without_a_run_in_the_period_are_named_aside() -> None:
    found = played(
        task("asked", "manual: true"),
        task("over", "at: '2020-01-01T00:00Z'"),
        task("later", "at: '2026-01-06T00:00Z'"),
        task("noon", "cron: '0 12 * * *', timezone: UTC"),
    )

    assert [one.task for one in found.tasks] == ["noon"]
    assert found.silent == ("asked", "later", "over")


def test_a_task_beyond_its_bound_is_estimated_and_says_where_counting_ended() -> None:
    found = played(
        task("often", "every: 1m"), task("noon", "cron: '0 12 * * *', timezone: UTC"), of_task=100
    )

    noon, often = found.tasks
    assert (often.runs, often.counted_until) == (1440, at("2026-01-05T01:40Z"))
    assert (often.last_at, often.first_at) == (None, BEGIN)
    assert (noon.runs, noon.counted_until) == (1, found.ends_at)
    assert found.counted_until == found.ends_at


def test_exactly_as_many_as_the_bound_are_no_estimate() -> None:
    (found,) = played(task("often", "every: 1m"), of_task=1440).tasks

    assert (found.runs, found.last_at) == (1440, at("2026-01-05T23:59Z"))


def test_beyond_the_bound_of_all_every_task_ends_at_the_same_instant() -> None:
    found = played(task("one", "every: 1m"), task("two", "every: 10m"), of_all=130)

    assert found.counted_until == at("2026-01-05T01:58Z")
    assert [(one.task, one.runs, one.counted_until) for one in found.tasks] == [
        ("one", 1440, found.counted_until),
        ("two", 146, found.counted_until),
    ]
    assert sum(found.heat[0].hours) == 130
    assert "so many that they were counted up to Mon 5 Jan 01:58 only" in text(found)


@pytest.mark.parametrize(
    ("policy", "times", "effect"),
    [
        # 00:00 runs until 00:02:30; 00:01 and 00:02 are skipped, 00:03 runs.
        ("skip", 960, "is skipped"),
        ("queue_one", 1439, "waits, unless one waits already"),
        ("queue_all", 1439, "waits"),
        ("cancel_running", 1439, "ends the active one"),
        ("allow", 1439, "runs beside it"),
    ],
)
def test_a_task_that_meets_itself_is_told_with_what_its_policy_does(
    policy: str, times: int, effect: str
) -> None:
    found = played(
        task("often", "every: 1m", f"overlap: {policy}"), duration=timedelta(seconds=150)
    )

    assert meetings(found) == [("often", "often", None, times, effect)]
    assert found.overlaps[0].first_at == at("2026-01-05T00:01Z")


def test_a_run_that_ends_when_the_next_begins_meets_nobody() -> None:
    assert played(task("often", "every: 1m"), duration=timedelta(minutes=1)).overlaps == ()


def test_a_timeout_bounds_how_long_a_run_is_taken_to_last() -> None:
    found = played(task("often", "every: 1m", "timeout: 30s"), duration=timedelta(minutes=10))

    assert found.overlaps == ()
    assert found.tasks[0].assumed_duration == timedelta(seconds=30)


def shared(name: str, minute: int, key: str = "crm", limit: int = 1, more: str = "") -> str:
    slots = f"concurrency: {{key: '{key}', limit: {limit}}}\n{more}"
    return task(name, f"cron: '{minute} 8 * * *', timezone: UTC", slots)


def test_tasks_that_share_a_key_beyond_its_limit_are_told_as_a_pair() -> None:
    found = played(
        shared("one", 0),
        shared("two", 4),
        shared("three", 9),
        days=3,
        duration=timedelta(minutes=5),
    )

    assert meetings(found) == [("two", "one", "crm", 3, "waits for a slot")]
    assert found.overlaps[0] == SimulatedOverlap(
        task="two", other="one", key="crm", limit=1,
        first_at=at("2026-01-05T08:04Z"), times=3, effect="waits for a slot",
    )  # fmt: skip


def test_a_key_with_slots_left_lets_tasks_meet() -> None:
    tasks = [shared(name, minute, limit=2) for minute, name in enumerate(("one", "two", "three"))]

    assert meetings(played(*tasks[:2], duration=timedelta(minutes=5))) == []
    assert meetings(played(*tasks, duration=timedelta(minutes=5))) == [
        ("three", "one", "crm", 1, "waits for a slot")
    ]


def test_other_keys_do_not_meet_and_parameters_make_keys() -> None:
    def of(city: str, name: str) -> str:
        return shared(name, 0, "${params.city}", more=f"params: {{city: {city}}}")

    assert meetings(played(of("rome", "one"), of("oslo", "two"))) == []
    assert meetings(played(of("rome", "one"), of("rome", "two"))) == [
        ("two", "one", "rome", 1, "waits for a slot")
    ]


def test_a_key_that_only_an_event_gives_meets_nobody() -> None:
    tasks = [shared(name, 0, "${event.customer}") for name in ("one", "two")]

    assert meetings(played(*tasks)) == []


def test_a_run_that_its_own_policy_skips_takes_no_slot() -> None:
    """At 08:02 the first task would be in its third run, had it not skipped two."""
    often = task(
        "first", "cron: '0-2 8 * * *', timezone: UTC", "concurrency: {key: crm, limit: 1}"
    )

    found = played(often, shared("other", 3), duration=timedelta(seconds=150))

    assert meetings(found) == [
        ("first", "first", None, 2, "is skipped"),
    ]


def test_a_task_that_may_run_beside_itself_still_needs_a_slot() -> None:
    often = task(
        "first",
        "cron: '0-1 8 * * *', timezone: UTC",
        "overlap: allow\nconcurrency: {key: crm, limit: 1}",
    )

    assert meetings(played(often, duration=timedelta(seconds=90))) == [
        ("first", "first", None, 1, "runs beside it"),
        ("first", "first", "crm", 1, "waits for a slot"),
    ]


def test_a_task_that_waits_for_itself_is_not_told_again_for_its_key() -> None:
    often = task(
        "first",
        "cron: '0-1 8 * * *', timezone: UTC",
        "overlap: queue_all\nconcurrency: {key: crm, limit: 1}",
    )

    assert meetings(played(often, duration=timedelta(seconds=90))) == [
        ("first", "first", None, 1, "waits")
    ]


def test_a_herd_is_told_once_for_each_time_of_the_day() -> None:
    daily = "cron: '0 8 * * *', timezone: Europe/Rome"
    found = played(
        task("one", daily),
        task("two", daily),
        task("three", "cron: '0 8 * * 1', timezone: Europe/Rome, jitter: 10s"),
        task("else", "cron: '1 8 * * *', timezone: Europe/Rome"),
        days=30,
        begin=at("2026-03-15T00:00+01:00"),
        zone=ROME,
        herd=2,
    )

    # The clocks go forward on 29 March, and 08:00 stays 08:00.
    (herd,) = found.herds
    assert found.herd_minutes == 30
    assert (herd.minute.isoformat(), herd.runs, herd.times) == ("2026-03-16T08:00:00+01:00", 3, 30)
    assert herd.tasks == ("one", "three", "two")
    assert herd.without_jitter == ("one", "two")


def test_jitter_takes_runs_out_of_a_herd() -> None:
    def herd(jitter: str) -> int:
        schedule = f"cron: '0 8 * * *', timezone: UTC, jitter: {jitter}"
        tasks = [task(f"t{number}", schedule) for number in range(20)]
        return max((one.runs for one in played(*tasks, herd=2).herds), default=0)

    assert herd("0s") == 20
    assert 0 < herd("1h") < 8


def test_ten_herds_are_told_and_all_are_counted() -> None:
    tasks = [task(name, "cron: '*/5 * * * *', timezone: UTC") for name in ("one", "two")]

    found = played(*tasks, herd=2)

    assert (len(found.herds), found.herd_minutes) == (10, 288)
    assert played(*tasks, herd=3).herds == ()


def test_heat_is_counted_in_the_zone_of_the_simulation() -> None:
    found = played(
        task("noon", "cron: '30 12 * * *', timezone: UTC"),
        begin=at("2026-01-05T00:00+01:00"),
        days=2,
        zone=ROME,
    )

    assert [row.day for row in found.heat] == [date(2026, 1, 5), date(2026, 1, 6)]
    assert [row.hours.index(1) for row in found.heat] == [13, 13]
    assert text(found).endswith("\n█ is 1 run in an hour\n")


def test_a_late_run_of_the_last_day_is_on_the_map_of_the_next() -> None:
    schedule = "cron: '59 23 * * *', timezone: UTC, jitter: 12h"
    found = played(task("late", schedule))

    assert [(row.day, sum(row.hours)) for row in found.heat] == [
        (date(2026, 1, 5), 0),
        (date(2026, 1, 6), 1),
    ]


AGENT = """\
kind: Agent
name: bot
scopes: ["*"]
budgets: [{per: day, runs: 30, tokens: 5000}, {per: day, runs: 25}, {per: run, runs: 1, cost: 2}]
rate_limits: [{tools: "fs.*", calls: 7, per: 30m}, {tools: fs.list, calls: 7, per: 30m}]
"""


def test_an_agent_is_told_with_what_its_budget_allows() -> None:
    found = played(
        AGENT,
        task("often", "every: 1h, until: '2026-01-06'", "agent: bot"),
        task("more", "cron: '5,10 6 6 * *', timezone: UTC", "agent: bot"),
        task("other", "every: 1m"),
        days=3,
    )

    (agent,) = found.agents
    assert (agent.agent, agent.runs) == ("bot", 50)
    assert (agent.most_runs, agent.most_runs_on) == (26, date(2026, 1, 6))
    assert (agent.mean_runs, agent.allowed_runs, agent.days_exceeded) == (16.67, 25, 1)
    assert agent.unknown == ("tokens", "cost")


def test_calls_are_counted_in_any_span_of_a_rate_limit() -> None:
    found = played(AGENT, task("often", "every: 10m", "agent: bot"))

    every, listing = found.agents[0].rates
    # Three runs in half an hour, two calls each; the fourth begins when the first is half an hour old.
    assert (every.expected, every.first_at) == (6, None)
    assert (listing.expected, listing.first_at) == (3, None)


def test_a_rate_limit_that_is_exceeded_says_when() -> None:
    found = played(AGENT, task("often", "every: 5m", "agent: bot"))

    every, listing = found.agents[0].rates
    assert (every.expected, every.first_at) == (12, at("2026-01-05T00:15Z"))
    assert (listing.expected, listing.first_at) == (6, None)


def test_an_agent_whose_tasks_do_not_run_is_told_without_a_day() -> None:
    found = played(AGENT, task("asked", "manual: true", "agent: bot"))

    assert (found.agents[0].runs, found.agents[0].most_runs_on) == (0, None)


def test_the_steps_of_a_used_pipeline_are_calls_too() -> None:
    found = played(
        AGENT,
        "kind: Pipeline\nname: sweep\nsteps: [{id: a, uses: fs.list}, {id: b, uses: fs.list}]",
        "kind: Task\nname: often\nagent: bot\nschedule: {every: 10m}\npipeline: {use: sweep}",
    )

    assert [rate.expected for rate in found.agents[0].rates] == [6, 6]


def test_the_zone_of_the_project_is_the_default() -> None:
    with_zone = "kind: Project\nname: home\ndefaults: {timezone: Asia/Kolkata}"

    assert default_zone(specs(project=with_zone)) == "Asia/Kolkata"
    assert default_zone(specs()) is None
    assert default_zone(Specs("", "default", {})) is None


def test_the_same_specs_and_period_give_the_same_simulation() -> None:
    documents = [task(name, "every: 7m, jitter: 90s") for name in ("b", "a")]

    assert played(*documents) == played(*documents)


def test_a_period_is_a_value() -> None:
    assert period_of(BEGIN, 1, load_zone("UTC")) == Period(
        BEGIN, BEGIN + timedelta(days=1), load_zone("UTC")
    )


def test_long_lists_are_cut_and_say_how_much_is_left_out() -> None:
    tasks = [task(f"t{number:02}", "every: 1m") for number in range(12)]

    shown = text(played(*tasks, duration=timedelta(minutes=2)))

    assert shown.count("meets itself") == 10
    assert "  and 2 more; --json shows all\n" in shown
    assert "1 time  fullest Mon 5 Jan  t00, t01, t02 and 9 more\n" in shown
    assert "    t00, t01, t02, t03, t04, t05, t06, t07, t08, t09 and 2 more\n" in shown


def test_a_herd_that_jitters_already_gets_no_hint() -> None:
    tasks = [task(f"t{number}", "cron: '0 8 * * *', timezone: UTC, jitter: 9s") for number in "ab"]

    shown = text(played(*tasks, herd=2))

    assert "1 herd: 2 runs or more in a minute" in shown
    assert "it is missing in" not in shown


NIGHT = {
    "timezone": "UTC",
    "windows": [{"from": "22:00", "to": "07:00", "days": []}],
    "defer": "2h",
}
HOLIDAY = {"timezone": "UTC", "days": ["2026-01-06"]}


def excluding(schedule: str, label: str, content: dict[str, Any], on_excluded: str) -> Simulation:
    """Two days of a task whose schedule excludes a calendar."""
    found = specs(task("quiet", schedule))
    (quiet,) = (one for key, one in found.documents.items() if key.kind == "Task")
    schedules = [
        {**one, "exclude": [label], "on_excluded": on_excluded} for one in quiet.body["schedule"]
    ]
    body = {**quiet.body, "schedule": schedules, "calendars": {label: content}}
    period = period_of(BEGIN, 2, load_zone("UTC"))
    return simulate(
        found, [replace(quiet, content=AtHand(quiet.document, body))], period, Assumptions()
    )


def test_what_a_calendar_skips_is_counted_and_does_not_run() -> None:
    found = excluding("cron: '0 8,12 * * *', timezone: UTC", "holidays", HOLIDAY, "skip")

    (quiet,) = found.tasks
    assert (quiet.runs, quiet.skipped, quiet.moved) == (2, {"holidays": 2}, {})
    assert quiet.last_at == at("2026-01-05T12:00Z")
    assert "  2 skipped by holidays\n" in text(found)


def test_what_quiet_hours_defer_is_counted_where_it_runs() -> None:
    found = excluding("cron: '0 3,6,12 * * *', timezone: UTC", "quiet-hours", NIGHT, "skip")

    (quiet,) = found.tasks
    # Until seven are two hours at most: what is due at three does not wait so long.
    assert (quiet.runs, quiet.skipped, quiet.moved) == (4, {"quiet-hours": 2}, {"quiet-hours": 2})
    assert [found.heat[0].hours[hour] for hour in (3, 6, 7, 12)] == [0, 0, 1, 1]
    assert "2 skipped by quiet-hours, 2 moved by quiet-hours\n" in text(found)


def test_a_task_of_which_all_is_skipped_is_told() -> None:
    always = {"timezone": "UTC", "days": ["2026-01-01/2026-12-31"]}
    found = excluding("cron: '0 8 * * *', timezone: UTC", "sabbatical", always, "skip")

    (quiet,) = found.tasks
    assert (quiet.runs, quiet.skipped, quiet.first_at) == (0, {"sabbatical": 2}, None)
    assert found.silent == ()
    assert "quiet  0     0      never\n" in text(found)
