"""What somebody wrote past git is found without any specs, with who and when, and restored where that is wanted."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.apply import Request, apply_plan
from reconciler.drifting import only_project, plan_drift
from reconciler.healing import heal_once
from reconciler.past import resolve_revision
from reconciler.rollback import plan_rollback
from runtime.actor import Actor
from runtime.drifting import DriftWatch
from runtime.errors import NotFound, OrdinautError
from runtime.store.drift import RESTORED
from runtime.store.pool import open_pool
from runtime.store.rows import Connection
from runtime.wake import Bell, Listener
from schemas.plan import Plan, PlannedChange
from schemas.revision import Revision
from tests.support.applying import Bench, specs, task
from tests.support.clock import FakeClock
from tests.support.drifting import by_psql, look
from tests.support.probes import eventually

TWO = specs(task("one", "every: 1h"), task("two"))
HEALED = "kind: Project\nname: platform\nowner: team-ops\nheal: heal"
BY_HAND = "update ordinaut.spec set body = jsonb_set(body, '{priority}', '9') where name = 'one'"


@pytest.fixture
def applied(bench: Bench) -> Bench:
    bench.apply(TWO)
    return bench


def drift(bench: Bench) -> Plan:
    return plan_drift(bench.connection, "platform", "default")


def only_change(bench: Bench) -> PlannedChange:
    (change,) = drift(bench).changes
    return change


def test_an_apply_leaves_no_trace_of_a_writer_and_no_drift(applied: Bench) -> None:
    applied.apply(TWO.replace("every: 1h", "every: 2h"))

    assert drift(applied).changes == ()
    assert applied.rows("select * from ordinaut.drift") == []


def test_a_row_that_was_written_by_hand_is_drift_with_who_and_when(applied: Bench) -> None:
    by_psql(applied, BY_HAND)

    change = only_change(applied)
    (now, role) = applied.row("select ordinaut.now(), session_user::text")

    assert (change.key, change.reason, change.ops[0].before) == ("one", "drift", 9)
    write = change.stray_write
    assert write is not None
    assert (write.role, write.application) == (role, "psql")
    assert write.changed_at is not None
    assert 0 <= (now - write.changed_at).total_seconds() < 60


def test_the_same_is_told_by_a_plan_of_the_specs(applied: Bench) -> None:
    by_psql(applied, BY_HAND)

    (change,) = applied.plan(TWO).changes

    assert change.stray_write is not None
    assert change.stray_write.application == "psql"


def test_a_transaction_that_ended_leaves_no_mark_on_its_session(applied: Bench) -> None:
    applied.apply(TWO.replace("every: 1h", "every: 2h"))
    applied.run(BY_HAND)

    write = only_change(applied).stray_write

    assert write is not None
    assert write.application == "ordinaut apply by test@desk"


def test_what_was_written_with_the_trigger_off_is_drift_of_nobody(applied: Bench) -> None:
    by_psql(applied, f"set session_replication_role = replica; {BY_HAND}")

    assert only_change(applied).stray_write is None


def test_a_write_that_an_apply_went_over_is_not_told_again(applied: Bench) -> None:
    by_psql(applied, BY_HAND)
    applied.apply(TWO)
    by_psql(applied, f"set session_replication_role = replica; {BY_HAND}")

    assert only_change(applied).stray_write is None


@pytest.mark.parametrize(
    "statement",
    [
        "update ordinaut.spec set retired_at = ordinaut.now() where name = 'two'",
        "update ordinaut.spec set name = 'deux' where name = 'two'",
    ],
)
def test_what_was_retired_or_renamed_by_hand_is_found_too(applied: Bench, statement: str) -> None:
    by_psql(applied, statement)

    change = only_change(applied)

    assert (change.key, change.action, change.reason) == ("two", "update", "drift")
    assert change.stray_write is not None


def test_who_wrote_what_is_as_it_was_applied_by_now_is_not_told(applied: Bench) -> None:
    by_psql(applied, "update ordinaut.spec set body = body")

    (change,) = applied.plan(TWO.replace("every: 1h", "every: 2h")).changes

    assert change.stray_write is None


def test_a_project_that_was_never_applied_is_not_found(applied: Bench) -> None:
    with pytest.raises(NotFound, match="nothing was ever applied for platfrom/default") as caught:
        plan_drift(applied.connection, "platfrom", "default")
    assert "platform" in caught.value.hint
    with pytest.raises(NotFound, match="nothing was ever applied for environment prod"):
        only_project(applied.connection, "prod")


def test_of_several_projects_one_must_be_named(applied: Bench) -> None:
    assert only_project(applied.connection, "default") == "platform"

    applied.apply("", "kind: Project\nname: other\nowner: o")

    with pytest.raises(NotFound, match="there are 2 projects: other, platform"):
        only_project(applied.connection, "default")


def test_what_is_applied_while_drift_is_looked_at_is_none(
    applied: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def resolve_late(connection: Connection, text: str) -> Revision:
        looked.append(text)
        if len(looked) == 1:
            applied.apply(TWO.replace("every: 1h", "every: 2h"))
        return resolve_revision(connection, text)

    monkeypatch.setattr("reconciler.drifting.resolve_revision", resolve_late)

    assert drift(applied).changes == ()
    assert looked == ["r1", "r2"]


async def test_of_runtimes_that_look_at_once_one_tells(applied: Bench) -> None:
    by_psql(applied, BY_HAND)

    found = await asyncio.gather(*(look(applied) for _ in range(5)))

    assert [one for each in found for one in each] == [("drift.detected", "Task/one")]


async def test_drift_is_told_once_when_it_comes_and_once_when_it_goes(applied: Bench) -> None:
    assert await look(applied) == []
    by_psql(applied, BY_HAND)
    assert await look(applied) == [("drift.detected", "Task/one")]
    assert await look(applied) == []
    applied.apply(TWO)
    assert await look(applied) == [("drift.resolved", "Task/one")]
    assert await look(applied) == []

    events = applied.rows(
        "select type, subject, data from ordinaut.event_log where type like 'drift.%%' order by sequence"
    )
    assert [(kind, subject) for kind, subject, _ in events] == [
        ("drift.detected", "Task/one"),
        ("drift.resolved", "Task/one"),
    ]
    (_, _, found), (_, _, over) = events
    assert (found["policy"], found["application"]) == ("alert", "psql")
    assert (over["revision"], over["by"]) == (2, "apply")
    assert applied.rows("select * from ordinaut.drift") == []


@pytest.mark.parametrize("heals", [False, True])
async def test_what_an_apply_restores_is_told_at_once(
    bench: Bench, clock: FakeClock, heals: bool
) -> None:
    bench.apply(TWO, HEALED)
    by_psql(bench, BY_HAND)
    told = "select type from ordinaut.event_log where type like 'drift.%%' order by sequence"
    pool = await open_pool(bench.url)
    restored = Bell(clock)
    watch = DriftWatch(pool, clock, restored)
    listener = Listener(bench.url, (), clock, named={RESTORED: restored})
    running = [asyncio.create_task(one.run()) for one in (watch, listener)]
    heard = "select count(*) from pg_stat_activity where application_name = 'ordinaut listener' and query like '%%listen%%' and state = 'idle'"
    try:
        await eventually(lambda: bench.rows(told) == [("drift.detected",)], "it is told")
        await eventually(lambda: bench.row(heard) == (1,), "it listens")

        if heals:
            heal_once(bench.url)
        else:
            bench.apply(TWO, HEALED)

        await eventually(
            lambda: bench.rows(told) == [("drift.detected",), ("drift.resolved",)],
            "that it is over is told, and the clock stands still",
        )
    finally:
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await pool.close()


async def test_drift_that_was_changed_back_by_hand_is_over_by_no_revision(applied: Bench) -> None:
    by_psql(applied, BY_HAND)
    await look(applied)
    by_psql(applied, BY_HAND.replace("'9'", "'5'"))

    assert await look(applied) == [("drift.resolved", "Task/one")]
    (data,) = applied.row("select data from ordinaut.event_log where type = 'drift.resolved'")
    assert (data["revision"], data["by"]) == (None, None)


async def test_a_project_that_does_not_care_is_told_nothing(applied: Bench) -> None:
    by_psql(applied, BY_HAND)
    await look(applied)
    applied.apply(TWO, "kind: Project\nname: platform\nowner: team-ops\nheal: off")
    by_psql(applied, BY_HAND)
    assert await look(applied) == []
    assert await look(applied) == []
    assert drift(applied).summary.drift == 1


async def test_drift_is_healed_by_a_revision_that_arms_the_schedule_anew(bench: Bench) -> None:
    bench.apply(TWO, HEALED)
    before = bench.row("select body, digest from ordinaut.spec where name = 'one'")
    (generation,) = bench.row("select generation from ordinaut.schedule")
    by_psql(
        bench,
        "update ordinaut.spec set body = jsonb_set(body, '{schedule,0,every}', '\"7h\"') where name = 'one'",
    )
    await look(bench)

    (healed,) = heal_once(bench.url)

    assert not isinstance(healed.outcome, OrdinautError)
    assert (healed.project, healed.outcome.revision) == ("platform", 2)
    assert bench.row("select body, digest from ordinaut.spec where name = 'one'") == before
    assert bench.row("select generation from ordinaut.schedule") == (generation + 1,)
    assert bench.row("select kind, actor from ordinaut.revision where revision_id = 2") == (
        "heal",
        "ordinaut",
    )
    assert await look(bench) == [("drift.resolved", "Task/one")]
    (data,) = bench.row("select data from ordinaut.event_log where type = 'drift.resolved'")
    assert (data["revision"], data["by"]) == (2, "heal")
    assert heal_once(bench.url) == []
    assert bench.plan(TWO, HEALED).changes == ()


async def test_a_project_that_only_wants_to_know_is_not_healed(applied: Bench) -> None:
    by_psql(applied, BY_HAND)
    await look(applied)

    assert heal_once(applied.url) == []
    assert drift(applied).summary.drift == 1


async def test_whoever_edits_the_project_by_hand_does_not_end_its_healing(bench: Bench) -> None:
    bench.apply(TWO, HEALED)
    by_psql(
        bench,
        "update ordinaut.spec set body = jsonb_set(body, '{heal}', '\"off\"') where kind = 'Project'",
    )
    assert await look(bench) == [("drift.detected", "Project/platform")]

    assert len(heal_once(bench.url)) == 1
    assert drift(bench).changes == ()


async def test_what_a_rollback_restored_is_healed_although_something_is_held(bench: Bench) -> None:
    bench.apply(TWO, HEALED)
    bench.apply(TWO.replace("every: 1h", "every: 2h"), HEALED)
    to = resolve_revision(bench.connection, "r1")
    back = plan_rollback(bench.connection, to)
    apply_plan(bench.connection, back, Request(actor=Actor("ada@desk"), restores=to))
    by_psql(bench, BY_HAND)
    await look(bench)

    (healed,) = heal_once(bench.url)

    assert not isinstance(healed.outcome, OrdinautError)
    assert bench.row("select held_by from ordinaut.source_status") == (3,)
