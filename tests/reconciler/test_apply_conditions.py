"""What an apply makes of conditions: which are asked, which begin anew, and which keep what they remember."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.applying import Bench, specs, task

NOON = datetime(2030, 1, 5, 12, 0, 20, tzinfo=UTC)
ASKED = 'condition: {uses: fs.list, every: 5m, when: "result.count > `3`"'


def watch(more: str = "", name: str = "watch", fields: str = "") -> str:
    """A task with one condition."""
    return task(name, f"{ASKED}{more}}}", fields)


@pytest.fixture
def bench(bench: Bench) -> Bench:
    bench.stop_the_clock(NOON)
    return bench


def remember(bench: Bench) -> None:
    """Let every condition have fired."""
    bench.run("update ordinaut.condition set phase = 'spent', met_since = ordinaut.now()")


def phases(bench: Bench) -> list[tuple[object, ...]]:
    return bench.rows("select position, phase from ordinaut.condition order by 1")


def test_a_condition_is_asked_for_the_first_time_at_the_next_round_time(bench: Bench) -> None:
    bench.apply(specs(watch()))

    assert bench.rows(
        "select task_uid, position, every, next_poll_at, phase, met_since, lease_epoch from ordinaut.condition"
    ) == [
        (
            bench.uid("watch"),
            0,
            timedelta(minutes=5),
            NOON.replace(minute=5, second=0),
            "armed",
            None,
            0,
        )
    ]
    assert bench.rows("select task_uid from ordinaut.schedule") == []


@pytest.mark.parametrize(
    "other",
    [
        watch(fields="priority: 9\n"),
        watch(", for: 10m"),
        task("watch", f"{ASKED.replace('5m', '1m')}}}"),
        watch(fields="params: {city: x}\n"),
    ],
    ids=["policy", "for", "every", "params"],
)
def test_a_condition_that_asks_and_judges_as_before_keeps_what_it_remembers(
    bench: Bench, other: str
) -> None:
    bench.apply(specs(watch()))
    remember(bench)

    bench.apply(specs(other))

    assert phases(bench) == [(0, "spent")]


@pytest.mark.parametrize(
    "other",
    [
        watch(", edge: level"),
        watch(', rearm: "result.count < `2`"'),
        watch(", with: {path: /tmp}"),
        task("watch", f"{ASKED.replace('`3`', '`4`')}}}"),
    ],
    ids=["edge", "rearm", "with", "when"],
)
def test_another_condition_begins_anew(bench: Bench, other: str) -> None:
    bench.apply(specs(watch()))
    remember(bench)

    bench.apply(specs(other))

    assert phases(bench) == [(0, "armed")]


@pytest.mark.parametrize(
    "asked",
    [
        ', with: {path: "${params.path}"}',
        ", rearm: result.path != params.path",
        ', with: {all: "${params}"}',
    ],
)
def test_a_condition_that_asks_by_a_parameter_begins_anew_with_another_value_of_it(
    bench: Bench, asked: str
) -> None:
    bench.apply(specs(watch(asked, fields="params: {path: /a}\n")))
    remember(bench)
    bench.apply(specs(watch(asked, fields="params: {path: /a}\npriority: 9\n")))
    assert phases(bench) == [(0, "spent")]

    bench.apply(specs(watch(asked, fields="params: {path: /b}\n")))

    assert phases(bench) == [(0, "armed")]


def test_the_next_poll_stays_where_it_is_unless_the_distance_changes(bench: Bench) -> None:
    bench.apply(specs(watch()))
    bench.stop_the_clock(NOON + timedelta(minutes=7))

    # Nobody asked at 12:05: a change of something else must not put that off.
    bench.apply(specs(watch(fields="priority: 9\n")))
    assert bench.row("select next_poll_at from ordinaut.condition")[0].minute == 5
    bench.apply(specs(task("watch", f"{ASKED.replace('5m', '10m')}}}")))

    assert bench.row("select next_poll_at from ordinaut.condition")[0].minute == 10


def test_a_condition_that_moves_within_its_task_keeps_what_it_remembers(bench: Bench) -> None:
    one, other = f"{{{ASKED}}}}}", '{condition: {uses: fs.list, every: 5m, when: "result.b"}}'
    several = (
        "kind: Task\nname: watch\nschedule: [{}, {}]\npipeline: [{{id: look, uses: fs.list}}]"
    )
    bench.apply(specs(several.format(one, other)))
    bench.run("update ordinaut.condition set phase = 'spent' where position = 0")

    bench.apply(specs(several.format(other, one)))

    assert phases(bench) == [(0, "armed"), (1, "spent")]


def test_a_condition_that_is_written_twice_is_one(bench: Bench) -> None:
    one = f"{{{ASKED}}}}}"

    bench.apply(
        specs(
            f"kind: Task\nname: watch\nschedule: [{one}, {one}]\npipeline: [{{id: look, uses: fs.list}}]"
        )
    )

    assert phases(bench) == [(0, "armed")]


def test_a_retired_task_is_asked_about_no_more_and_begins_anew_when_it_comes_back(
    bench: Bench,
) -> None:
    bench.apply(specs(watch(), watch(name="other")))
    remember(bench)

    bench.apply(specs(watch(name="other")))
    assert bench.rows("select task_uid from ordinaut.condition") == [(bench.uid("other"),)]
    bench.apply(specs(watch(), watch(name="other")))

    assert bench.rows(
        "select s.name, c.phase from ordinaut.condition c join ordinaut.spec s on s.uid = c.task_uid order by 1"
    ) == [("other", "spent"), ("watch", "armed")]


def test_a_task_may_have_a_clock_and_a_condition(bench: Bench) -> None:
    bench.apply(
        specs(
            f"kind: Task\nname: watch\nschedule: [{{every: 1h}}, {{{ASKED}}}}}]\n"
            "pipeline: [{id: look, uses: fs.list}]"
        )
    )

    assert bench.row("select count(*) from ordinaut.schedule") == (1,)
    assert phases(bench) == [(1, "armed")]


def test_a_plan_tells_a_new_condition_in_words_and_the_tool_that_it_gains(bench: Bench) -> None:
    bench.apply(specs(task("watch")))

    plan = bench.plan(
        specs(
            watch(", for: 10m").replace("fs.list, every", "web.get, every"),
            "kind: ToolServer\nname: web\nhttp: {url: 'https://web.example/mcp'}",
        )
    )

    (change,) = [change for change in plan.changes if change.kind == "Task"]
    assert change.facets == ("schedule",)
    assert change.tools.added == ("web.get",)
    assert change.impact == "medium"
    assert change.preview is not None
    assert (change.preview.schedule_before, change.preview.schedule_after) == (
        "when somebody asks",
        "when web.get comes to answer result.count > `3` for 10m, asked every 5m",
    )
