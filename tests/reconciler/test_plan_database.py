"""Plans made against a database: what they read, and that they write nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from reconciler.core.compile import compile_specs
from reconciler.planning import plan_against, plan_specs
from runtime.actor import Actor
from runtime.errors import SpecError
from runtime.overrides import pause_task
from runtime.store.connect import connect
from schemas.plan import PlanSource
from tests.support.applying import Bench, specs, task
from tests.support.specs import compiled

BOTH = specs(task("one", "every: 1h"), task("two"))


def test_a_plan_writes_nothing_and_needs_no_right_to(bench: Bench) -> None:
    bench.apply(BOTH)
    before = bench.everything()
    wanted = compiled(BOTH.replace("every: 1h", "every: 2h"))

    with connect(bench.url, read_only=True) as reading:
        plan = plan_against(reading, wanted, PlanSource(project="platform"))
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reading.execute("delete from ordinaut.schedule")

    assert plan.summary.update == 1
    assert bench.everything() == before


def test_a_plan_leaves_a_session_as_it_was(bench: Bench) -> None:
    bench.plan(BOTH)

    assert bench.connection.isolation_level is None
    bench.run("create table public.writable ()")


def test_a_plan_names_the_database_and_what_is_applied(bench: Bench) -> None:
    first = bench.plan(BOTH)
    bench.carry_out(bench.plan(BOTH, commit="c0ffee"))
    second = bench.plan(BOTH)

    assert first.base is None
    assert second.base is not None
    assert (second.base.revision, second.base.commit, second.base.actor) == (
        1,
        "c0ffee",
        "ada@desk",
    )
    (installation,) = bench.row("select installation_id from ordinaut.installation")
    assert second.environment.installation_id == installation


def test_overrides_in_force_are_listed_and_others_are_not(bench: Bench) -> None:
    bench.apply(BOTH)
    (now,) = bench.row("select now()")
    override = (
        "insert into ordinaut.task_override (task_uid, kind, reason, actor, until, ended_at)"
        " values (%s, %s, 'vendor outage', 'bob', %s, %s)"
    )
    one, two = bench.uid("one"), bench.uid("two")
    bench.run(override, one, "pause", now + timedelta(days=1), None)
    bench.run(override, one, "snooze", now - timedelta(days=1), None)
    bench.run(override, two, "pause", None, now)
    bench.run(override, two, "snooze", None, None)

    found = bench.plan(BOTH).overrides

    assert [(o.key, o.kind, o.actor, o.reason) for o in found] == [
        ("one", "pause", "bob", "vendor outage"),
        ("two", "snooze", "bob", "vendor outage"),
    ]


def test_a_pause_says_since_when_and_until_when(bench: Bench) -> None:
    bench.apply(BOTH)
    report = pause_task(bench.connection, "one", until="3d", reason="", actor=Actor("bob"))

    (found,) = bench.plan(BOTH).overrides

    assert report.pause is not None
    assert (found.since, found.until) == (report.pause.since, report.pause.until)
    assert found.timezone is None


def test_a_pause_says_the_zone_of_its_task(bench: Bench) -> None:
    bench.apply(specs(task("one", "cron: 0 9 * * *, timezone: Europe/Rome")))
    pause_task(bench.connection, "one", until="3d", reason="", actor=Actor("bob"))

    (found,) = bench.plan(specs(task("one", "manual: true"))).overrides
    assert found.timezone == "Europe/Rome"


def test_time_zone_data_of_our_own_schedules_in_force_is_compared(bench: Bench) -> None:
    bench.apply(BOTH)
    assert bench.plan(BOTH).tzdata_applied == {}

    bench.run("update ordinaut.schedule set tzdata = '2016a'")
    assert bench.plan(BOTH).tzdata_applied == {"2016a": 1}

    bench.run("update ordinaut.spec set project = 'another' where kind = 'Task'")
    assert bench.plan(specs()).tzdata_applied == {}


def test_pausing_is_no_drift(bench: Bench) -> None:
    bench.apply(BOTH)
    bench.run("update ordinaut.schedule set paused_at = now()")

    assert bench.plan(BOTH).changes == ()


def test_without_a_database_everything_is_new(tmp_path: Path) -> None:
    plan = plan_specs(None, compiled(BOTH), tmp_path)

    assert (plan.summary.create, plan.base, plan.environment.installation_id) == (4, None, None)


def test_specs_with_errors_are_not_planned(bench: Bench, tmp_path: Path) -> None:
    broken = compile_specs([])

    with pytest.raises(SpecError, match="the specs hold 1 error, so nothing was planned") as error:
        plan_specs(bench.connection, broken, tmp_path)
    assert error.value.code == "ORD201"
