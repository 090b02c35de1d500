"""In a freeze window nothing is applied, unless somebody says why; what was said stays in the revision."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.apply import Request, apply_plan
from reconciler.past import resolve_revision
from reconciler.rollback import plan_rollback
from reconciler.watch import will_pass
from runtime.actor import Actor
from runtime.errors import Frozen
from tests.support.applying import Bench, specs, task

PROJECT = (
    "kind: Project\nname: platform\nowner: team-ops\n"
    "guards: {freeze: [{rrule: FREQ=WEEKLY;BYDAY=FR;BYHOUR=18, timezone: Europe/Chisinau,"
    " duration: 62h, reason: nobody is there}]}"
)
THURSDAY = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
SATURDAY = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MONDAY = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
ONE, OTHER = specs(task("one")), specs(task("one", more="priority: 7\n"))


@pytest.fixture
def frozen(bench: Bench) -> Bench:
    """Two revisions of Thursday, and now it is Saturday."""
    bench.stop_the_clock(THURSDAY)
    bench.apply(ONE, PROJECT)
    bench.apply(specs(task("one", more="priority: 3\n")), PROJECT)
    bench.stop_the_clock(SATURDAY)
    return bench


def test_a_plan_in_a_freeze_is_refused_with_the_next_opening(frozen: Bench) -> None:
    plan = frozen.plan(OTHER, PROJECT)

    assert plan.freeze is not None
    assert (plan.freeze.opens_at, plan.applyable) == (MONDAY, False)
    (refusing,) = [guard for guard in plan.guards if not guard.ok]
    assert refusing.name == "freeze"
    assert "(nobody is there), until Mon 23 Nov 08:00 EET" in refusing.message


def test_an_apply_in_a_freeze_is_refused_although_the_plan_was_made_before(frozen: Bench) -> None:
    frozen.stop_the_clock(THURSDAY)
    plan = frozen.plan(OTHER, PROJECT)
    assert plan.applyable
    frozen.stop_the_clock(SATURDAY)
    before = frozen.everything()

    with pytest.raises(Frozen, match="nobody is there") as caught:
        frozen.carry_out(plan)

    assert (caught.value.exit_code, caught.value.code) == (3, "ORD214")
    assert frozen.everything() == before


def test_a_rollback_in_a_freeze_is_refused(frozen: Bench) -> None:
    to = resolve_revision(frozen.connection, "r1")
    plan = plan_rollback(frozen.connection, to)

    with pytest.raises(Frozen):
        apply_plan(frozen.connection, plan, Request(actor=Actor("ada@desk"), restores=to))

    assert frozen.row("select max(revision_id) from ordinaut.revision") == (2,)


def test_a_reason_overrides_it_and_stays_in_the_revision(frozen: Bench) -> None:
    frozen.apply(OTHER, PROJECT, freeze="the site is down")
    frozen.stop_the_clock(MONDAY)
    frozen.apply(ONE, PROJECT, freeze="not needed any more")

    assert [
        resolve_revision(frozen.connection, name).override_freeze for name in ("r2", "r3", "r4")
    ] == [None, "the site is down", None]


def test_a_plan_cannot_open_its_own_window(frozen: Bench) -> None:
    plan = frozen.plan(OTHER)

    assert [change.kind for change in plan.changes] == ["Project", "Task"]
    with pytest.raises(Frozen):
        frozen.carry_out(plan)


def test_a_plan_without_changes_is_told_of_a_freeze_and_not_refused(frozen: Bench) -> None:
    plan = frozen.plan(specs(task("one", more="priority: 3\n")), PROJECT)

    assert plan.freeze is not None
    assert plan.applyable
    assert not plan.changes


def test_a_watch_looks_again_by_itself_until_the_freeze_is_over() -> None:
    assert will_pass(Frozen("the plan comes in a freeze"))
