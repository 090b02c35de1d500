"""Documents that go on under other names, in a database: uids, histories and queues go with them."""

from __future__ import annotations

import pytest

from reconciler.apply import Request, apply_plan
from reconciler.core.render_change import title_of
from reconciler.past import resolve_revision
from reconciler.planning import plan_against
from reconciler.rollback import plan_rollback
from runtime.actor import Actor
from runtime.errors import SpecError
from schemas.plan import Plan, PlanSource
from tests.support.applying import Bench, specs, task
from tests.support.specs import compiled


def named(name: str, former: str = "", number: int = 1) -> str:
    """A task that says which of several it is, and what it was called."""
    more = f"description: number {number}\n"
    return task(name, "every: 1h", more + (f"renamed_from: {former}" if former else ""))


def held(bench: Bench) -> dict[str, int]:
    """The uids of tasks in force, by name."""
    return dict(
        bench.rows(
            "select name, uid from ordinaut.spec where kind = 'Task' and retired_at is null order by 1"
        )
    )


@pytest.fixture
def two(bench: Bench) -> Bench:
    bench.apply(specs(named("a"), named("b", number=2)))
    return bench


def test_names_are_handed_on_in_one_apply(two: Bench) -> None:
    before = held(two)
    text = specs(named("b", "a"), named("c", "b", 2))

    plan = two.plan(text)
    two.carry_out(plan)

    assert [(one.former_key, one.key, one.action) for one in plan.changes] == [
        ("a", "b", "rename"),
        ("b", "c", "rename"),
    ]
    assert held(two) == {"b": before["a"], "c": before["b"]}
    assert two.row("select count(*) from ordinaut.schedule where generation = 1") == (2,)
    assert two.plan(text).changes == ()


def test_a_part_takes_along_who_leaves_its_name(two: Bench) -> None:
    wanted = compiled(specs(named("b", "a"), named("c", "b", 2)))

    plan = plan_against(two.connection, wanted, PlanSource(project="platform"), only=("b",))

    assert [one.key for one in plan.changes] == ["b", "c"]
    two.carry_out(plan)


def test_a_new_document_takes_the_name_at_once(two: Bench) -> None:
    before = held(two)
    text = specs(named("c", "a"), named("a", number=3), named("b", number=2))

    two.apply(text)

    after = held(two)
    assert (after["c"], after["b"]) == (before["a"], before["b"])
    assert after["a"] not in before.values()
    assert two.plan(text).changes == ()


def test_a_tombstone_comes_back_under_another_name_with_its_history(two: Bench) -> None:
    before = held(two)
    two.apply(specs(named("b", number=2)))
    text = specs(named("b", number=2), named("again", "a"))

    (change,) = two.plan(text).changes
    two.apply(text)

    assert (change.action, change.reason, change.former_key) == ("create", "restored", "a")
    assert held(two) == {"again": before["a"], "b": before["b"]}
    assert two.plan(text).changes == ()


def test_a_swap_is_refused_and_works_in_two_applies(two: Bench) -> None:
    before = held(two)
    with pytest.raises(SpecError) as caught:
        two.plan(specs(named("b", "a"), named("a", "b", 2)))
    assert {problem.code for problem in caught.value.problems} == {"ORD219"}

    two.apply(specs(named("x", "a"), named("a", "b", 2)))
    two.apply(specs(named("b", "x"), named("a", "b", 2)))

    assert held(two) == {"a": before["b"], "b": before["a"]}


def test_a_rollback_undoes_a_swap(two: Bench) -> None:
    before = held(two)
    two.apply(specs(named("x", "a"), named("a", "b", 2)))
    two.apply(specs(named("b", "x"), named("a", "b", 2)))

    roll_back(two, "r1")

    assert held(two) == before


def roll_back(bench: Bench, to: str) -> Plan:
    """Bring a revision back; returns the plan that did it."""
    revision = resolve_revision(bench.connection, to)
    plan = plan_rollback(bench.connection, revision)
    apply_plan(bench.connection, plan, Request(actor=Actor("ada@desk"), restores=revision))
    return plan


@pytest.mark.parametrize("number", [1, 2])
def test_a_rollback_brings_back_what_was_retired_although_its_name_was_taken(
    two: Bench, number: int
) -> None:
    two.apply(specs(named("a"), named("b", number=number)))
    before, (then,) = held(two), two.row("select 'r' || max(revision_id) from ordinaut.revision")
    two.apply(specs(named("a")))
    two.apply(specs(named("b", "a")))

    plan = roll_back(two, then)

    assert [(title_of(one), one.action, one.reason) for one in plan.changes] == [
        ("b -> a", "rename", "git"),
        ("b", "create", "restored"),
    ]
    assert plan.diagnostics == ()
    assert held(two) == before
    assert roll_back(two, then).changes == ()


def test_a_rollback_finds_what_was_renamed_and_then_retired(two: Bench) -> None:
    before = held(two)
    two.apply(specs(named("x", "a"), named("b", number=2)))
    two.apply(specs(named("b", number=2)))

    roll_back(two, "r1")

    assert held(two) == before


def test_a_rollback_says_whose_history_stays_behind(two: Bench) -> None:
    before = held(two)
    two.apply(specs(named("c", "a"), named("a", number=3), named("b", number=2)))
    there = held(two)

    (warning,) = plan_rollback(two.connection, resolve_revision(two.connection, "r1")).diagnostics
    two.apply(specs(named("c"), named("b", number=2)))
    roll_back(two, "r1")

    assert (warning.code, warning.severity) == ("ORD220", "warning")
    assert "Task a comes back without its own history, which stays with c" in warning.message
    assert there != held(two) == before


def test_a_name_that_goes_on_is_nobody_s_past(two: Bench) -> None:
    with pytest.raises(SpecError) as caught:
        two.plan(specs(named("a"), named("b", number=2), named("copy", "a", 3)))

    assert [problem.code for problem in caught.value.problems] == ["ORD219"]


def test_a_project_keeps_its_name(two: Bench) -> None:
    with pytest.raises(AssertionError, match="ORD219"):
        two.plan("", "kind: Project\nname: other\nowner: me\nrenamed_from: platform")
