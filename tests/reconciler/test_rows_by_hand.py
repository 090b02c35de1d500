"""What is done to rows by hand beside their content: the plan, `--drift-only`, the runtimes and apply agree on it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.core.fail_on import refusal_of
from reconciler.core.look import Look
from reconciler.core.render import render_plan
from reconciler.core.render_markdown import render_markdown
from reconciler.drifting import plan_drift
from reconciler.healing import heal_once
from reconciler.past import read_revision
from runtime.errors import Blocked, OrdinautError, PlanError, SpecError
from runtime.store.drift import list_drift
from schemas.plan import Plan, PlannedChange
from tests.support.applying import Bench, specs, task
from tests.support.drifting import by_psql, look

HEALED = "kind: Project\nname: platform\nowner: team-ops\nheal: heal"
HOURLY = task("one", "every: 1h")
GUARDED = task("kept", more="protect: true")
SPECS = specs(HOURLY, task("two"), GUARDED)

BY_HAND = {
    "retired": ("one", "update ordinaut.spec set retired_at = ordinaut.now() where name = 'one'"),
    "name": ("one", "update ordinaut.spec set name = 'uno' where name = 'one'"),
    "namespace": ("one", "update ordinaut.spec set namespace = 'ops' where name = 'one'"),
    "unprotected": ("kept", "update ordinaut.spec set protected = false where name = 'kept'"),
    "protected": ("one", "update ordinaut.spec set protected = true where name = 'one'"),
    "owner": ("one", "update ordinaut.spec set project = 'another' where name = 'one'"),
    "no schedule": ("one", "delete from ordinaut.schedule"),
    "moved": (
        "one",
        "update ordinaut.schedule set next_for = '2099-01-01', next_due_at = '2099-01-01'",
    ),
    "never": ("one", "update ordinaut.schedule set next_for = null, next_due_at = null"),
    "decided": ("one", "update ordinaut.schedule set cursor_for = '2099-01-01'"),
}


@pytest.fixture
def applied(bench: Bench) -> Bench:
    bench.apply(SPECS, HEALED)
    return bench


def documents(bench: Bench) -> list[tuple[object, ...]]:
    return bench.rows(
        "select uid, project, kind, namespace, name, body, protected, retired_at from ordinaut.spec order by 1"
    )


def only(plan: Plan) -> PlannedChange:
    (change,) = plan.changes
    return change


def told(plan: Plan) -> str:
    return render_plan(plan, Look(width=80))


@pytest.mark.parametrize(("name", "statement"), BY_HAND.values(), ids=BY_HAND)
def test_both_plans_tell_it_as_drift_with_who_did_it(
    applied: Bench, name: str, statement: str
) -> None:
    by_psql(applied, statement)

    for plan in (
        applied.plan(SPECS, HEALED),
        plan_drift(applied.connection, "platform", "default"),
    ):
        change = only(plan)
        assert (change.key, change.action, change.reason) == (name, "update", "drift")
        assert change.former_key is None
        assert change.stray_write is not None
        assert change.stray_write.application == "psql"
        assert (plan.summary.drift, plan.summary.create, plan.summary.retire) == (1, 0, 0)
        assert isinstance(refusal_of(plan, ["drift"]), Blocked)
        assert max(map(len, told(plan).splitlines())) <= 80


@pytest.mark.parametrize(("name", "statement"), BY_HAND.values(), ids=BY_HAND)
def test_apply_restores_the_row_with_its_uid_and_says_so(
    applied: Bench, name: str, statement: str
) -> None:
    before = documents(applied)
    by_psql(applied, statement)

    report = applied.apply(SPECS, HEALED)

    assert (report.revision, report.summary.drift) == (2, 1)
    assert documents(applied) == before
    assert applied.rows("select action from ordinaut.spec_revision where revision_id = 2") == [
        ("update",)
    ]
    assert applied.plan(SPECS, HEALED).changes == ()
    assert plan_drift(applied.connection, "platform", "default").changes == ()


@pytest.mark.parametrize(("name", "statement"), BY_HAND.values(), ids=BY_HAND)
async def test_runtimes_tell_it_and_heal_it_though_nothing_else_differs(
    applied: Bench, name: str, statement: str
) -> None:
    before = documents(applied)
    by_psql(applied, statement)

    assert await look(applied) == [("drift.detected", f"Task/{name}")]
    (found,) = list_drift(applied.connection)
    assert (found.document, found.application) == (f"Task/{name}", "psql")
    (healed,) = heal_once(applied.url)

    assert not isinstance(healed.outcome, OrdinautError)
    assert documents(applied) == before
    assert await look(applied) == [("drift.resolved", f"Task/{name}")]
    assert list_drift(applied.connection) == ()


@pytest.mark.parametrize("case", ["no schedule", "moved", "never", "decided", "retired"])
def test_a_task_that_was_stopped_by_hand_fires_again(applied: Bench, case: str) -> None:
    by_psql(applied, BY_HAND[case][1])

    assert only(applied.plan(SPECS, HEALED)).preview is not None
    applied.apply(SPECS, HEALED)

    (due_in,) = applied.row("select next_due_at - ordinaut.now() from ordinaut.schedule")
    assert timedelta() < due_in <= timedelta(hours=1)


def test_what_was_missed_while_the_schedule_was_moved_is_decided(applied: Bench) -> None:
    by_psql(applied, BY_HAND["moved"][1])
    (now,) = applied.row("select ordinaut.now()")
    applied.stop_the_clock(now + timedelta(hours=5))

    applied.apply(SPECS, HEALED)

    (decided,) = applied.row("select count(*) from ordinaut.run")
    assert decided == 5


def test_a_schedule_that_fires_or_is_paused_is_no_drift(applied: Bench) -> None:
    applied.run("update ordinaut.schedule set paused_at = ordinaut.now()")

    assert applied.plan(SPECS, HEALED).changes == ()


def test_protection_that_was_taken_off_by_hand_protects(applied: Bench) -> None:
    by_psql(applied, BY_HAND["unprotected"][1])

    with pytest.raises(Blocked, match="retires protected Task kept"):
        applied.apply(specs(HOURLY, task("two")), HEALED)


def test_protection_that_was_put_on_by_hand_is_no_dead_end(applied: Bench) -> None:
    by_psql(applied, BY_HAND["protected"][1])

    applied.apply(specs(task("two"), GUARDED), HEALED)

    assert applied.row("select retired_at is not null from ordinaut.spec where name = 'one'")[0]


@pytest.mark.parametrize("case", ["retired", "protected", "unprotected", "no schedule"])
def test_to_restore_what_was_applied_is_no_gain(applied: Bench, case: str) -> None:
    by_psql(applied, BY_HAND[case][1])

    plan = applied.plan(SPECS, HEALED)

    assert refusal_of(plan, ["gain"]) is None
    assert only(plan).impact == "medium"


def test_git_and_somebody_who_changed_the_same_document_are_in_conflict(applied: Bench) -> None:
    by_psql(applied, BY_HAND["name"][1])

    change = only(applied.plan(SPECS.replace("every: 1h", "every: 2h"), HEALED))

    assert (change.key, change.reason) == ("one", "conflict")


def test_a_schedule_row_that_is_gone_is_no_conflict_with_git(applied: Bench) -> None:
    by_psql(applied, BY_HAND["no schedule"][1])

    change = only(applied.plan(SPECS.replace("pipeline", "priority: 7\npipeline", 1), HEALED))

    assert (change.reason, change.facets) == ("git", ("schedule", "policy"))


class TestTombstones:
    """Retired documents that somebody brought back by hand."""

    @pytest.fixture
    def retired(self, applied: Bench) -> Bench:
        applied.apply(specs(task("two"), GUARDED), HEALED)
        by_psql(applied, "update ordinaut.spec set retired_at = null where name = 'one'")
        return applied

    def test_both_plans_retire_them_again_as_drift(self, retired: Bench) -> None:
        for plan in (
            retired.plan(specs(task("two"), GUARDED), HEALED),
            plan_drift(retired.connection, "platform", "default"),
        ):
            change = only(plan)
            assert (change.key, change.action, change.reason) == ("one", "retire", "drift")
            assert (plan.summary.drift, plan.summary.retire) == (1, 0)
            assert change.impact == "medium"

    async def test_they_are_told_and_healed(self, retired: Bench) -> None:
        assert await look(retired) == [("drift.detected", "Task/one")]

        (healed,) = heal_once(retired.url)

        assert not isinstance(healed.outcome, OrdinautError)
        assert retired.row("select retired_at is null from ordinaut.spec where name = 'one'") == (
            False,
        )
        assert await look(retired) == [("drift.resolved", "Task/one")]

    def test_no_guard_counts_them(self, retired: Bench) -> None:
        plan = retired.plan(specs(task("two"), GUARDED), HEALED)

        assert [guard.value for guard in plan.guards if guard.name == "retire"] == [0]

    def test_git_may_have_them_again(self, retired: Bench) -> None:
        retired.apply(SPECS, HEALED)

        assert retired.plan(SPECS, HEALED).changes == ()
        assert retired.row("select next_due_at is not null from ordinaut.schedule") == (True,)


def test_two_names_that_were_swapped_by_hand_are_swapped_back(applied: Bench) -> None:
    before = documents(applied)
    by_psql(
        applied,
        "update ordinaut.spec set name = 'x' where name = 'one';"
        "update ordinaut.spec set name = 'one' where name = 'two';"
        "update ordinaut.spec set name = 'two' where name = 'x'",
    )

    assert [change.reason for change in applied.plan(SPECS, HEALED).changes] == ["drift", "drift"]
    applied.apply(SPECS, HEALED)

    assert documents(applied) == before


def test_a_name_that_was_given_to_a_row_of_nobody_is_told(applied: Bench) -> None:
    by_psql(
        applied,
        "update ordinaut.spec set name = 'uno' where name = 'one';"
        "insert into ordinaut.spec (project, environment, kind, namespace, name, revision_id, body, digest)"
        " select project, environment, kind, namespace, 'one', revision_id, body, digest"
        " from ordinaut.spec where name = 'two'",
    )

    with pytest.raises(SpecError) as caught:
        applied.plan(SPECS, HEALED)
    assert [problem.code for problem in caught.value.problems] == ["ORD218"]
    with pytest.raises(PlanError):
        plan_drift(applied.connection, "platform", "default")


RENUMBERED = "update ordinaut.spec set revision_id = 2 where name = 'one'"


class TestAnotherRevision:
    """A row that names a revision which did not write it is as the last one that did wrote it, and what else was changed shows."""

    @pytest.fixture
    def renumbered(self, applied: Bench) -> Bench:
        applied.apply(SPECS.replace("name: two", "name: two\nowner: team-two"), HEALED)
        by_psql(applied, RENUMBERED)
        return applied

    def plan(self, bench: Bench, text: str = SPECS) -> Plan:
        return bench.plan(text.replace("name: two", "name: two\nowner: team-two"), HEALED)

    def test_it_is_drift_and_not_taken_for_a_row_that_no_apply_made(
        self, renumbered: Bench
    ) -> None:
        change = only(self.plan(renumbered))

        assert (change.action, change.reason, change.strayed) == ("update", "drift", ("revision",))
        text = told(self.plan(renumbered))
        assert "its row names a revision that did not write it; apply writes it anew\n" in text
        assert [words for words in ("no apply", "changed outside git") if words in text] == []
        assert only(plan_drift(renumbered.connection, "platform", "default")).key == "one"

    def test_an_apply_mends_it_and_its_history_goes_on(self, renumbered: Bench) -> None:
        renumbered.carry_out(self.plan(renumbered))

        assert self.plan(renumbered).changes == ()
        assert renumbered.row("select revision_id from ordinaut.spec where name = 'one'") == (3,)

    def test_what_git_and_others_changed_besides_is_a_conflict(self, renumbered: Bench) -> None:
        by_psql(
            renumbered,
            "update ordinaut.spec set body = jsonb_set(body, '{priority}', '9') where name = 'one'",
        )

        drifted = only(self.plan(renumbered))
        assert (drifted.reason, drifted.strayed) == ("drift", ("content", "revision"))
        assert "priority is 9, restored to 5" in told(self.plan(renumbered))
        both = only(self.plan(renumbered, SPECS.replace("every: 1h", "every: 2h", 1)))
        assert both.reason == "conflict"

    def test_what_git_holds_no_more_is_retired(self, renumbered: Bench) -> None:
        plan = self.plan(renumbered, specs(task("two"), GUARDED))

        assert (only(plan).action, plan.unmanaged) == ("retire", ())

    def test_the_guards_that_were_applied_still_hold(self, applied: Bench) -> None:
        strict = f"{HEALED}\nguards: {{max_retire: 0, max_retire_percent: 0}}"
        applied.apply(SPECS, strict)
        applied.apply(SPECS.replace("every: 1h", "every: 2h"), strict)
        by_psql(applied, "update ordinaut.spec set revision_id = 3 where kind = 'Project'")

        plan = applied.plan(specs(HOURLY, GUARDED), strict)

        assert [guard.name for guard in plan.guards if not guard.ok] == ["retire"]


class TestTold:
    """What a reader sees of it."""

    @pytest.mark.parametrize(
        ("case", "lines"),
        [
            ("retired", ["retired outside git; apply brings it back"]),
            ("name", ["name is uno, restored to one"]),
            ("protected", ["protect is true, restored to false"]),
            ("owner", ["given to another project outside git; apply takes it back"]),
            ("no schedule", ["its schedule was changed in the database; it counts anew from the apply"]),
        ],
    )  # fmt: skip
    def test_a_line_says_what_differs(self, applied: Bench, case: str, lines: list[str]) -> None:
        by_psql(applied, BY_HAND[case][1])

        text = told(applied.plan(SPECS, HEALED))

        assert "≠ one" in text
        assert [word for word in ("was  ", "from the next plan on", "tools") if word in text] == []
        assert [line for line in lines if line not in " ".join(text.split())] == []


BROKEN = (
    "[]", "{}", "null", '"text"', "7", '{"kind": "Task"}', '{"kind": "Task", "pipeline": 5}', '{"kind": [], "schedule": [1]}',
    '{"kind": "Task", "schedule": 5, "pipeline": [[]], "owner": 3}', '{"kind": "Task", "schedule": [{"condition": 1}]}',
    '{"kind": "Task", "pipeline": {"steps": [{"id": []}]}, "schedule": [{}]}',
    '{"kind": "Task", "pipeline": {"steps": [{"id": "a", "uses": []}]}, "schedule": [{"every": "x"}]}',
)  # fmt: skip


@pytest.mark.parametrize("body", BROKEN)
def test_a_row_that_somebody_broke_is_drift_that_apply_restores(applied: Bench, body: str) -> None:
    before = documents(applied)
    by_psql(applied, f"update ordinaut.spec set body = '{body}' where name = 'one'")

    for plan in (
        applied.plan(SPECS, HEALED),
        plan_drift(applied.connection, "platform", "default"),
    ):
        assert (only(plan).reason, only(plan).strayed) == ("drift", ("content",))
        assert render_plan(plan, Look(width=80, verbose=2))
        assert render_markdown(plan)
    applied.apply(SPECS, HEALED)

    assert documents(applied) == before


@pytest.mark.parametrize("kind", ["Project", "ToolServer", "Task"])
@pytest.mark.parametrize("body", ["[]", "{}", '{"policies": 5, "guards": [], "stdio": 3}'])
def test_any_row_that_somebody_broke_does_not_end_a_retirement(
    applied: Bench, kind: str, body: str
) -> None:
    by_psql(applied, f"update ordinaut.spec set body = '{body}' where kind = '{kind}'")

    fewer = specs(GUARDED, task("three"))

    applied.apply(fewer, HEALED)

    assert applied.plan(fewer, HEALED).changes == ()
    assert read_revision(applied.connection, "r2").changes
