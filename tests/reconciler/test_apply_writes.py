"""What an apply leaves in the database, kind of change by kind of change."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from runtime.errors import Blocked, Conflicted, PlanError, SpecError
from schemas.event import EVENTS
from tests.support.applying import Bench, specs, task

HOURLY = "every: 1h"
BOTH = specs(task("one", HOURLY), task("two"))


def facts(bench: Bench, name: str) -> tuple[object, ...]:
    """A task's schedule row, whole."""
    return bench.row(
        "select s::text from ordinaut.schedule s where task_uid = %s", bench.uid(name)
    )


def test_a_first_apply_writes_one_revision_and_every_document(bench: Bench) -> None:
    plan = bench.plan(BOTH, commit="c0ffee", tree="7ree", branch="main", author="Ada <a@b>")

    report = bench.carry_out(plan)

    assert report.revision == 1
    assert bench.rows(
        "select project, environment, kind, git_commit, git_tree, git_branch, git_dirty, author, actor,"
        " plan_digest, parent_id from ordinaut.revision"
    ) == [
        ("platform", "default", "apply", "c0ffee", "7ree", "main", False, "Ada <a@b>", "ada@desk",
         plan.digest, None)
    ]  # fmt: skip
    assert bench.rows(
        "select s.kind, s.name, s.revision_id, r.action, s.body = r.body, s.digest = r.digest, r.file, r.line"
        " from ordinaut.spec s join ordinaut.spec_revision r using (uid, revision_id) order by 1, 2"
    ) == [
        ("Project", "platform", 1, "create", True, True, "specs/00.yaml", 1),
        ("Task", "one", 1, "create", True, True, "specs/02.yaml", 1),
        ("Task", "two", 1, "create", True, True, "specs/03.yaml", 1),
        ("ToolServer", "fs", 1, "create", True, True, "specs/01.yaml", 1),
    ]


def test_only_tasks_that_a_clock_drives_have_a_schedule(bench: Bench) -> None:
    bench.apply(BOTH)

    assert bench.rows(
        "select s.name, c.generation, c.next_for > c.cursor_for, c.next_for = c.next_due_at"
        " from ordinaut.schedule c join ordinaut.spec s on s.uid = c.task_uid"
    ) == [("one", 1, True, True)]


def test_what_a_new_task_missed_while_the_apply_went_on_is_none_of_its_own(bench: Bench) -> None:
    plan = bench.plan(specs(task("one", "every: 1m")))
    bench.run("create sequence public.ticks")
    bench.run(
        "create or replace function ordinaut.now() returns timestamptz language sql volatile as"
        " $$ select timestamptz '2026-10-22 12:00:30Z' + nextval('public.ticks') * interval '20 s' $$"
    )

    bench.carry_out(plan)

    assert bench.row(
        "select c.next_for > (select max(occurred_at) from ordinaut.event_log), c.next_for - c.cursor_for <= interval '1 min'"
        " from ordinaut.schedule c"
    ) == (True, True)


def test_the_next_occurrence_comes_strictly_after_the_apply(bench: Bench) -> None:
    (now,) = bench.row("select date_trunc('hour', now()) + interval '1 day'")
    bench.stop_the_clock(now)

    bench.apply(BOTH)

    assert bench.rows("select cursor_for, next_for from ordinaut.schedule") == [
        (now, now + timedelta(hours=1))
    ]


def test_jitter_moves_the_due_time_as_the_plan_s_schedule_says(bench: Bench) -> None:
    bench.apply(specs(task("one", "every: 1h, jitter: 30m")))

    next_for, due_at = bench.row("select next_for, next_due_at from ordinaut.schedule")
    assert timedelta(0) < due_at - next_for < timedelta(minutes=30)


def test_a_schedule_that_is_over_fires_nothing(bench: Bench) -> None:
    bench.apply(specs(task("one", 'at: "2020-01-01T00:00Z"')))

    assert bench.rows("select next_for, next_due_at from ordinaut.schedule") == [(None, None)]


def test_an_apply_without_changes_writes_nothing(bench: Bench) -> None:
    bench.apply(BOTH)
    before = bench.everything()

    report = bench.apply(BOTH)

    assert report.revision is None
    assert bench.everything() == before


def test_a_change_of_steps_or_policy_leaves_the_schedule_as_it_is(bench: Bench) -> None:
    bench.apply(BOTH)
    before = facts(bench, "one")

    bench.apply(
        BOTH.replace("id: look", "id: gaze").replace("name: one", "name: one\npriority: 7")
    )

    assert facts(bench, "one") == before
    assert bench.row("select body ->> 'priority' from ordinaut.spec where name = 'one'") == ("7",)


def test_a_new_schedule_raises_the_generation_and_counts_from_now(bench: Bench) -> None:
    bench.apply(BOTH)
    (now,) = bench.row("select now() + interval '10 seconds'")
    bench.stop_the_clock(now)

    bench.apply(BOTH.replace("every: 1h", "every: 7m"))

    generation, cursor, upcoming = bench.row(
        "select generation, cursor_for, next_for from ordinaut.schedule"
    )
    assert (generation, cursor) == (2, now)
    assert now < upcoming <= now + timedelta(minutes=7)


def test_a_task_that_no_clock_drives_any_more_fires_nothing(bench: Bench) -> None:
    bench.apply(BOTH)

    bench.apply(BOTH.replace("every: 1h", "manual: true"))

    assert bench.rows("select generation, next_for from ordinaut.schedule") == [(2, None)]


def test_a_rename_keeps_the_uid_the_schedule_and_the_history(bench: Bench) -> None:
    bench.apply(BOTH)
    uid, before = bench.uid("one"), facts(bench, "one")

    bench.apply(specs(task("uno", HOURLY, "renamed_from: one\n"), task("two")))

    assert bench.uid("uno") == uid
    assert facts(bench, "uno") == before
    assert bench.rows(
        "select action, body ->> 'name' from ordinaut.spec_revision where uid = %s order by revision_id",
        uid,
    ) == [("create", "one"), ("rename", "uno")]
    assert bench.plan(specs(task("uno", HOURLY), task("two"))).changes == ()


def test_a_rename_takes_the_name_that_a_tombstone_bears(bench: Bench) -> None:
    bench.apply(BOTH)
    bench.apply(specs(task("two")))
    old, kept = bench.uid("one"), bench.uid("two")

    bench.apply(specs(task("one", more="renamed_from: two\n")))

    assert bench.uid("one") == kept
    assert bench.rows("select name from ordinaut.spec where uid = %s", old) == [(f"one~{old}",)]


def test_a_retired_task_comes_back_with_its_uid_and_its_history(bench: Bench) -> None:
    bench.apply(BOTH)
    uid = bench.uid("one")
    bench.apply(specs(task("two")))

    report = bench.apply(BOTH)

    assert report.summary.create == 1
    assert bench.uid("one") == uid
    assert bench.rows(
        "select revision_id, action from ordinaut.spec_revision where uid = %s order by 1", uid
    ) == [(1, "create"), (2, "retire"), (3, "create")]
    generation, upcoming, retired = bench.row(
        "select c.generation, c.next_for, s.retired_at from ordinaut.schedule c"
        " join ordinaut.spec s on s.uid = c.task_uid where c.task_uid = %s",
        uid,
    )
    assert (generation, retired) == (3, None)
    assert upcoming is not None


def test_a_retirement_keeps_the_row_and_what_it_last_said(bench: Bench) -> None:
    bench.apply(BOTH)

    bench.apply(specs(task("two")))

    assert bench.rows(
        "select s.retired_at is not null, s.revision_id, r.action, r.body = s.body, r.facets <> '{}', r.file"
        " from ordinaut.spec s join ordinaut.spec_revision r using (uid, revision_id) where s.name = 'one'"
    ) == [(True, 2, "retire", True, True, "specs/02.yaml")]
    assert bench.rows("select generation, next_for, next_due_at from ordinaut.schedule") == [
        (2, None, None)
    ]


def test_drift_is_restored_by_a_revision_of_its_own(bench: Bench) -> None:
    bench.apply(BOTH)
    bench.run(
        "update ordinaut.spec set body = jsonb_set(body, '{priority}', '9') where name = 'one'"
    )

    plan = bench.plan(BOTH)
    bench.carry_out(plan)

    assert [(c.key, c.reason, c.ops[0].before, c.ops[0].after) for c in plan.changes] == [
        ("one", "drift", 9, 5)
    ]
    assert bench.row("select body ->> 'priority' from ordinaut.spec where name = 'one'") == ("5",)
    assert bench.plan(BOTH).changes == ()


@pytest.mark.parametrize("body", ["{}", '{"kind": "Task", "schedule": [{"every": 7}]}'])
def test_a_row_that_somebody_broke_is_planned_and_mended(bench: Bench, body: str) -> None:
    bench.apply(BOTH)
    bench.run("update ordinaut.spec set body = %s::jsonb where name = 'one'", body)

    bench.apply(BOTH)

    assert bench.plan(BOTH).changes == ()
    assert bench.rows("select generation, next_for is null from ordinaut.schedule") == [(2, False)]


def test_a_row_that_already_holds_what_git_wants_is_recorded(bench: Bench) -> None:
    bench.apply(BOTH)
    bench.run(
        "update ordinaut.spec set body = jsonb_set(body, '{priority}', '7') where name = 'two'"
    )
    wanted = BOTH.replace("name: two", "name: two\npriority: 7")

    plan = bench.plan(wanted)
    bench.carry_out(plan)

    assert [change.reason for change in plan.changes] == ["converged"]
    assert bench.plan(wanted).changes == ()


def test_a_conflict_is_refused_unless_it_is_forced(bench: Bench) -> None:
    bench.apply(BOTH)
    bench.run(
        "update ordinaut.spec set body = jsonb_set(body, '{priority}', '9') where name = 'two'"
    )
    plan = bench.plan(BOTH.replace("name: two", "name: two\npriority: 7"))
    before = bench.everything()

    with pytest.raises(Conflicted, match="Task two") as refusal:
        bench.carry_out(plan)
    assert refusal.value.exit_code == 4
    assert bench.everything() == before

    bench.carry_out(plan, conflicts=1)
    assert bench.row("select body ->> 'priority' from ordinaut.spec where name = 'two'") == ("7",)


def test_a_row_that_no_apply_made_is_taken_over_only_when_asked(bench: Bench) -> None:
    bench.apply(specs(task("two")))
    bench.run(
        "insert into ordinaut.spec (project, environment, kind, namespace, name, revision_id, body, digest)"
        " values ('someone', 'default', 'Task', 'default', 'one', 1, '{}', 'none')"
    )
    uid = bench.uid("one")
    plan = bench.plan(BOTH)

    with pytest.raises(Blocked, match="takes over what no apply made: Task one"):
        bench.carry_out(plan)
    bench.carry_out(plan, adopt=1)

    assert bench.uid("one") == uid
    assert bench.rows("select project from ordinaut.spec where uid = %s", uid) == [("platform",)]
    assert bench.plan(BOTH).changes == ()


def test_protection_is_read_from_the_database_and_takes_two_applies_to_remove(
    bench: Bench,
) -> None:
    bench.apply(specs(task("one", more="protect: true\n"), task("two")))
    gone = specs(task("two"))

    with pytest.raises(Blocked, match="retires protected Task one") as refusal:
        bench.apply(gone, retire=1)
    assert refusal.value.exit_code == 3

    bench.apply(BOTH.replace(HOURLY, "manual: true"))
    bench.apply(gone)
    assert bench.plan(gone).changes == ()


def test_guards_are_those_last_applied(bench: Bench) -> None:
    strict = "kind: Project\nname: platform\nguards: {max_retire: 0, max_retire_percent: 0}"
    bench.apply(BOTH, strict)

    with pytest.raises(Blocked, match="retires 1 of 4"):
        bench.apply(specs(task("two")))
    bench.apply(specs(task("two")), retire=1)


class TestOwnership:
    """Several projects share a database; none touches another's."""

    OTHER = "kind: Project\nname: other"

    def test_one_project_never_retires_another_s_documents(self, bench: Bench) -> None:
        bench.apply(BOTH)

        bench.apply("", self.OTHER)

        assert bench.row(
            "select count(*) from ordinaut.spec where project = 'platform' and retired_at is null"
        ) == (4,)

    def test_a_name_that_another_project_holds_is_refused_at_its_place(self, bench: Bench) -> None:
        bench.apply(BOTH)

        with pytest.raises(SpecError) as refusal:
            bench.plan(specs(task("one")), self.OTHER)

        codes = {(p.code, p.place) for p in refusal.value.problems}
        assert codes == {("ORD204", "specs/01.yaml:1:1"), ("ORD204", "specs/02.yaml:1:1")}

    def test_an_environment_of_the_same_project_owns_its_documents_too(self, bench: Bench) -> None:
        bench.apply(BOTH)
        bench.run("update ordinaut.revision set environment = 'staging'")
        bench.run("update ordinaut.spec set environment = 'staging'")

        with pytest.raises(PlanError, match="belong to environment staging of this same project"):
            bench.plan(BOTH)

    def test_a_document_moves_by_being_retired_first(self, bench: Bench) -> None:
        bench.apply(BOTH)
        uid = bench.uid("one")
        bench.apply(specs(task("two")))
        server = "kind: ToolServer\nname: gs\nstdio: {command: x}\n---\n"

        bench.apply(server + task("one").replace("fs.", "gs."), self.OTHER)

        assert bench.row("select uid, project from ordinaut.spec where name = 'one'") == (
            uid,
            "other",
        )


class TestEvents:
    """Events are written with the state that they tell of."""

    def test_every_task_and_the_revision_are_told(self, bench: Bench) -> None:
        bench.apply(BOTH)
        bench.run("delete from ordinaut.event_log")

        bench.apply(specs(task("two", "every: 2h"), task("three")))

        told = bench.rows("select type, subject, data from ordinaut.event_log order by sequence")
        assert [(kind, subject) for kind, subject, _ in told] == [
            ("task.retired", "one"),
            ("task.created", "three"),
            ("task.updated", "two"),
            ("revision.applied", "platform"),
        ]
        assert told[0][2] == {"task": "one", "project": "platform", "revision": 2}
        assert told[-1][2] == {
            "project": "platform",
            "environment": "default",
            "revision": 2,
            "commit": None,
            "created": 1,
            "updated": 1,
            "retired": 1,
        }

    def test_every_event_has_the_form_that_is_promised(self, bench: Bench) -> None:
        bench.apply(BOTH)
        bench.apply(specs(task("two")))

        told = bench.rows("select type, data from ordinaut.event_log")

        assert {kind for kind, _ in told} == {"task.created", "task.retired", "revision.applied"}
        for kind, data in told:
            assert EVENTS[kind].model_validate(data)

    def test_runtimes_are_woken_after_the_commit(self, bench: Bench) -> None:
        with psycopg.connect(bench.url, autocommit=True) as listener:
            listener.execute("listen ordinaut_wake")

            bench.apply(BOTH)

            woken = list(listener.notifies(timeout=5, stop_after=1))
            assert [note.channel for note in woken] == ["ordinaut_wake"]
