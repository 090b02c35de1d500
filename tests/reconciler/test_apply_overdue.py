"""What a schedule still owes when it is replaced or retired, and what becomes of runs that wait or go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.core.look import Look
from reconciler.core.render import render_plan
from schemas.event import EVENTS
from tests.support.applying import Bench, specs, task
from tests.support.factories import TaskRow, insert_due_work, insert_run

START = datetime(2026, 10, 22, 12, 0, 30, tzinfo=UTC)
RUNS = (
    "select r.occurrence_for, r.state, r.reason, r.revision_id from ordinaut.run r"
    " join ordinaut.spec s on s.uid = r.task_uid where s.name = %s order by 1"
)


def minutes(count: int) -> datetime:
    """So many whole minutes after noon."""
    return START.replace(second=0) + timedelta(minutes=count)


def left_alone(bench: Bench, after: timedelta, policy: str = "") -> None:
    """A task that fires every minute, and no runtime for a while."""
    bench.stop_the_clock(START)
    bench.apply(specs(task("one", "every: 1m", policy), task("two")))
    bench.stop_the_clock(START + after)


def row_of(bench: Bench, name: str) -> TaskRow:
    uid, revision_id, body = bench.row(
        "select uid, revision_id, body from ordinaut.spec where name = %s", name
    )
    return TaskRow(uid, revision_id, name, body)


def test_the_old_schedule_decides_what_it_owed_by_the_old_policy(bench: Bench) -> None:
    left_alone(bench, timedelta(minutes=3))

    bench.apply(specs(task("one", "every: 1h", "catch_up: {policy: all}\n"), task("two")))

    assert bench.rows(RUNS, "one") == [
        (minutes(1), "skipped", "catch_up_latest", 1),
        (minutes(2), "skipped", "catch_up_latest", 1),
        (minutes(3), "queued", None, 1),
    ]
    assert bench.rows("select generation, cursor_for, next_for from ordinaut.schedule") == [
        (2, START + timedelta(minutes=3), minutes(60))
    ]


def test_what_was_owed_runs_on_the_revision_that_owed_it(bench: Bench) -> None:
    left_alone(bench, timedelta(minutes=1))

    bench.apply(specs(task("one", "every: 1h"), task("two")))

    assert bench.rows("select task_uid, revision_id, lane from ordinaut.due_work") == [
        (bench.uid("one"), 1, 5)
    ]


def test_many_owed_occurrences_are_all_decided(bench: Bench) -> None:
    left_alone(bench, timedelta(minutes=2500))

    bench.apply(specs(task("one", "every: 1h"), task("two")))

    assert bench.row("select count(*), min(occurrence_for), max(occurrence_for) from ordinaut.run") == (
        2500, minutes(1), minutes(2500),
    )  # fmt: skip
    assert bench.row("select count(*) from ordinaut.run where state = 'queued'") == (1,)


def test_nothing_is_owed_before_the_due_time(bench: Bench) -> None:
    left_alone(bench, timedelta(seconds=20))

    bench.apply(specs(task("one", "every: 1h"), task("two")))

    assert bench.rows(RUNS, "one") == []


def test_what_a_retired_task_owed_is_recorded_as_skipped(bench: Bench) -> None:
    left_alone(bench, timedelta(minutes=2))

    bench.apply(specs(task("two")))

    assert bench.rows(RUNS, "one") == [
        (minutes(1), "skipped", "retired", 1),
        (minutes(2), "skipped", "retired", 1),
    ]
    told = bench.rows("select type, data from ordinaut.event_log where run_id is not null")
    assert [(kind, data["reason"]) for kind, data in told] == [("run.skipped", "retired")] * 2
    assert all(EVENTS[kind].model_validate(data) for kind, data in told)


def test_what_a_paused_task_owed_is_recorded_as_skipped_and_it_stays_paused(bench: Bench) -> None:
    left_alone(bench, timedelta(minutes=2))
    bench.run("update ordinaut.schedule set paused_at = ordinaut.now()")

    bench.apply(specs(task("one", "every: 1h"), task("two")))

    assert [reason for _, _, reason, _ in bench.rows(RUNS, "one")] == ["paused", "paused"]
    assert bench.row("select paused_at is not null, next_for from ordinaut.schedule") == (
        True,
        minutes(60),
    )


def test_missed_runs_that_it_owed_go_one_after_another(bench: Bench) -> None:
    left_alone(bench, timedelta(minutes=3), "catch_up: {policy: all}\n")

    bench.apply(specs(task("one", "every: 1h"), task("two")))

    assert bench.row(
        "select (select count(*) from ordinaut.due_work), (select count(*) from ordinaut.backlog)"
    ) == (1, 2)
    assert bench.row(
        "select count(*) from ordinaut.run where decided_by is null and tzdata <> ''"
    ) == (3,)


def test_what_a_calendar_excludes_is_no_victim_of_retirement(bench: Bench) -> None:
    holidays = "kind: Calendar\nname: holidays\ntimezone: UTC\ndates: [2026-10-22]"
    bench.stop_the_clock(START)
    bench.apply(specs(task("one", "every: 1m, exclude: [holidays]"), task("two"), holidays))
    bench.stop_the_clock(START + timedelta(minutes=1))

    bench.apply(specs(task("two"), holidays))

    assert bench.rows("select state, reason, detail from ordinaut.run") == [
        ("skipped", "calendar", "holidays")
    ]


def test_a_schedule_that_somebody_broke_owes_nothing(bench: Bench) -> None:
    left_alone(bench, timedelta(minutes=2))
    bench.run("update ordinaut.spec set body = body - 'catch_up' where name = 'one'")

    bench.apply(specs(task("one", "every: 1h"), task("two")), conflicts=1)

    assert bench.rows(RUNS, "one") == []


def test_the_plan_tells_of_an_overdue_occurrence(bench: Bench) -> None:
    left_alone(bench, timedelta(minutes=2))

    plan = bench.plan(specs(task("one", "every: 1h"), task("two")))

    assert [change.queue.overdue for change in plan.changes] == [True]


class TestQueue:
    """Retiring cancels what nobody has begun, and nothing else."""

    def test_queued_runs_of_a_retired_task_are_cancelled_and_told(self, bench: Bench) -> None:
        bench.apply(specs(task("one"), task("two")))
        one, two = row_of(bench, "one"), row_of(bench, "two")
        for row in (one, two):
            insert_due_work(
                bench.connection, row, insert_run(bench.connection, row, state="queued")
            )
        bench.run("delete from ordinaut.event_log")

        plan = bench.plan(specs(task("two")))
        bench.carry_out(plan)

        assert [change.queue.cancelled for change in plan.changes] == [1]
        assert bench.rows("select task_uid, state, reason from ordinaut.run order by 1") == [
            (one.uid, "cancelled", "retired"),
            (two.uid, "queued", None),
        ]
        assert bench.rows("select task_uid from ordinaut.due_work") == [(two.uid,)]
        (told,) = bench.rows("select data from ordinaut.event_log where type = 'run.cancelled'")
        assert EVENTS["run.cancelled"].model_validate(told[0])

    def test_runs_that_wait_for_their_turn_are_cancelled_too(self, bench: Bench) -> None:
        bench.apply(specs(task("one", more="overlap: queue_all\n"), task("two")))
        one = row_of(bench, "one")
        begun = insert_run(bench.connection, one, state="running", occurrence_for=START)
        insert_due_work(bench.connection, one, begun, lease_epoch=1)
        waits = insert_run(bench.connection, one, state="queued")
        bench.run(
            "insert into ordinaut.backlog (run_id, task_uid, revision_id, ready_at, lane) values (%s, %s, 1, now(), 5)",
            waits,
            one.uid,
        )

        bench.apply(specs(task("two")))

        assert bench.rows("select run_id, state, reason from ordinaut.run order by state") == [
            (waits, "cancelled", "retired"),
            (begun, "running", None),
        ]
        assert bench.rows("select from ordinaut.backlog") == []
        (told,) = bench.rows("select data from ordinaut.event_log where type = 'run.cancelled'")
        assert EVENTS["run.cancelled"].model_validate(told[0])

    def test_runs_under_way_finish(self, bench: Bench) -> None:
        bench.apply(specs(task("one"), task("two")))
        one = row_of(bench, "one")
        for hour, state in enumerate(("running", "waiting")):
            at = START + timedelta(hours=hour)
            run_id = insert_run(bench.connection, one, state=state, occurrence_for=at)
            insert_due_work(bench.connection, one, run_id, lease_epoch=1)

        plan = bench.plan(specs(task("two")))
        bench.carry_out(plan)

        assert [change.queue.in_flight for change in plan.changes] == [2]
        assert bench.rows("select state from ordinaut.run order by 1") == [
            ("running",),
            ("waiting",),
        ]
        assert bench.row("select count(*) from ordinaut.due_work") == (2,)

    @pytest.mark.parametrize("by_hand", ["", "drain"])
    def test_runs_under_way_are_cancelled_where_the_applied_task_says_so(
        self, bench: Bench, by_hand: str
    ) -> None:
        bench.apply(specs(task("one", more="on_retire: cancel\n"), task("two")))
        one, two = row_of(bench, "one"), row_of(bench, "two")
        for hour, state in enumerate(("queued", "running", "waiting")):
            at = START + timedelta(hours=hour)
            run_id = insert_run(bench.connection, one, state=state, occurrence_for=at)
            insert_due_work(bench.connection, one, run_id, lease_epoch=min(hour, 1))
        other = insert_run(bench.connection, two, state="running")
        insert_due_work(bench.connection, two, other, lease_epoch=1)
        if by_hand:
            bench.run(
                "update ordinaut.spec set body = jsonb_set(body, '{on_retire}', to_jsonb(%s::text)) where name = 'one'",
                by_hand,
            )

        plan = bench.plan(specs(task("two")))
        bench.carry_out(plan)

        (queue,) = (change.queue for change in plan.changes)
        assert (queue.cancelled, queue.ended, queue.in_flight) == (1, 2, 0)
        assert "1 queued cancelled; 2 under way cancelled" in render_plan(plan, Look(width=80))
        assert bench.rows(
            "select state, reason, count(*) from ordinaut.run group by 1, 2 order by 1"
        ) == [
            ("cancelled", "retired", 3),
            ("running", None, 1),
        ]
        assert bench.rows("select run_id from ordinaut.due_work") == [(other,)]
        told = bench.rows("select data from ordinaut.event_log where type = 'run.cancelled'")
        assert len(told) == 3
        assert all(EVENTS["run.cancelled"].model_validate(data) for (data,) in told)

    def test_what_is_under_way_then_still_has_its_last_steps(self, bench: Bench) -> None:
        last = "on_retire: cancel\nfinally: [{id: tell, uses: llm.plan, with: {text: over}}]\n"
        bench.apply(specs(task("one", more=last), task("two")))
        one = row_of(bench, "one")
        run_id = insert_run(bench.connection, one, state="running")
        insert_due_work(bench.connection, one, run_id, lease_epoch=1)

        bench.carry_out(bench.plan(specs(task("two"))))

        assert bench.rows("select state, reason from ordinaut.run") == [("running", "retired")]
        assert bench.row("select lease_epoch, attempt from ordinaut.due_work") == (2, 0)
        assert bench.row("select step, outcome from ordinaut.step_result") == (
            "(over)",
            "cancelled",
        )

    def test_a_new_schedule_leaves_the_queue_alone(self, bench: Bench) -> None:
        bench.apply(specs(task("one", "every: 1m"), task("two")))
        one = row_of(bench, "one")
        insert_due_work(bench.connection, one, insert_run(bench.connection, one, state="queued"))

        plan = bench.plan(specs(task("one", "every: 2m"), task("two")))
        bench.carry_out(plan)

        assert [change.queue.kept for change in plan.changes] == [1]
        assert bench.rows("select state, revision_id from ordinaut.run") == [("queued", 1)]
        assert bench.row("select count(*) from ordinaut.due_work") == (1,)

    def test_a_run_that_is_being_claimed_is_left_to_its_runtime(self, bench: Bench) -> None:
        bench.apply(specs(task("one"), task("two")))
        one = row_of(bench, "one")
        insert_due_work(bench.connection, one, insert_run(bench.connection, one, state="queued"))
        plan = bench.plan(specs(task("two")))

        with bench.other() as claiming, claiming.transaction():
            claiming.execute("select 1 from ordinaut.due_work for update")
            bench.carry_out(plan)

        assert bench.rows("select state from ordinaut.run") == [("queued",)]
        assert bench.row("select count(*) from ordinaut.due_work") == (1,)


def test_what_jitter_still_holds_back_keeps_its_due_time_under_a_new_schedule(
    bench: Bench,
) -> None:
    bench.stop_the_clock(START)
    bench.apply(specs(task("one", "every: 1h, jitter: 50m"), task("two")))
    [(nominal, due)] = bench.rows("select next_for, next_due_at from ordinaut.schedule")
    assert nominal < due
    bench.stop_the_clock(nominal + (due - nominal) / 2)

    bench.apply(specs(task("one", "every: 3h"), task("two")))

    assert bench.rows(RUNS, "one") == [(nominal, "queued", None, 1)]
    assert bench.rows("select ready_at from ordinaut.due_work") == [(due,)]
