"""Policies hold where something is written: at apply they judge again, and what is in force judges first."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.apply import Request, apply_plan
from reconciler.drifting import plan_drift
from reconciler.past import resolve_revision
from reconciler.rollback import plan_rollback
from runtime.actor import Actor
from runtime.errors import PolicyBroken
from tests.support.applying import Bench, specs, task

URGENT = {"when": "changes[?body.priority > `7`]", "message": "ask the platform team"}
QUIET = {
    "when": "format_time(as_of, '%a', 'Europe/Chisinau') == 'Fri'",
    "message": "nothing changes on Fridays",
}
THURSDAY = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
FRIDAY = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ONE, FAST = specs(task("one")), specs(task("one", more="priority: 9\n"))


def project(more: str = "", **policies: Any) -> str:
    return (
        f"kind: Project\nname: platform\nowner: team-ops\npolicies: {json.dumps(policies)}{more}"
    )


@pytest.fixture
def held(bench: Bench) -> Bench:
    """A project with a policy, applied."""
    bench.apply(ONE, project(urgent=URGENT))
    return bench


def test_what_a_policy_refuses_is_not_applied(held: Bench) -> None:
    plan = held.plan(FAST, project(urgent=URGENT))
    before = held.everything()

    assert not plan.applyable
    with pytest.raises(PolicyBroken, match=r"breaks policy urgent: .*\(one\)"):
        held.carry_out(plan)
    assert held.everything() == before


@pytest.mark.parametrize(
    "weakened",
    [
        project(),
        "kind: Project\nname: platform\nowner: team-ops",
        project(urgent=URGENT | {"severity": "warning"}),
        project(urgent=URGENT | {"when": "changes[?body.priority > `9`]"}),
        project("\nenvironments: {else: {}}", urgent=URGENT | {"environments": ["else"]}),
    ],
    ids=["taken out", "no policies at all", "only warns", "asks for less", "holds elsewhere"],
)
def test_weakening_a_policy_and_breaking_it_take_two_applies(held: Bench, weakened: str) -> None:
    plan = held.plan(FAST, weakened)

    assert plan.policies[0].standing == "leaving"
    with pytest.raises(PolicyBroken):
        held.carry_out(plan)
    held.apply(ONE, weakened)
    assert held.apply(FAST, weakened).revision == 3


def test_a_new_policy_judges_the_plan_that_brings_it(bench: Bench) -> None:
    with pytest.raises(PolicyBroken):
        bench.apply(FAST, project(urgent=URGENT))


def test_a_policy_about_time_judges_by_the_time_of_the_apply(bench: Bench) -> None:
    bench.stop_the_clock(THURSDAY)
    bench.apply(ONE, project(quiet=QUIET))
    plan = bench.plan(FAST, project(quiet=QUIET))
    assert plan.applyable
    bench.stop_the_clock(FRIDAY)

    with pytest.raises(PolicyBroken, match="nothing changes on Fridays"):
        bench.carry_out(plan)


def test_what_was_applied_since_the_plan_was_made_judges_it(held: Bench) -> None:
    tasks = specs(task("one"), task("two"))
    faster = tasks.replace("name: two\n", "name: two\npriority: 9\n")
    relaxed = project(urgent=URGENT | {"when": "changes[?body.priority > `9`]"})
    held.apply(tasks, relaxed)
    plan = held.plan(faster, relaxed)
    assert plan.applyable
    held.apply(tasks, project(urgent=URGENT))

    with pytest.raises(PolicyBroken):
        held.carry_out(plan)


def test_a_reason_overrides_it_and_stays_in_the_revision(held: Bench) -> None:
    held.apply(FAST, project(urgent=URGENT), policies={"urgent": "the site is down"})
    held.apply(ONE, project(urgent=URGENT), policies={"urgent": "not needed any more"})

    assert [
        resolve_revision(held.connection, name).override_policies for name in ("r1", "r2", "r3")
    ] == [{}, {"urgent": "the site is down"}, {}]


def test_a_rollback_is_judged_too(held: Bench) -> None:
    held.apply(FAST, project(urgent=URGENT), policies={"urgent": "the site is down"})
    held.apply(ONE, project(urgent=URGENT))
    to = resolve_revision(held.connection, "r2")
    plan = plan_rollback(held.connection, to)

    assert not plan.applyable
    with pytest.raises(PolicyBroken):
        apply_plan(held.connection, plan, Request(actor=Actor("ada@desk"), restores=to))


def test_restoring_what_was_applied_is_not_judged_again(bench: Bench) -> None:
    bench.stop_the_clock(THURSDAY)
    bench.apply(ONE, project("\nheal: heal", quiet=QUIET))
    bench.stop_the_clock(FRIDAY)
    bench.run(
        "update ordinaut.spec set body = jsonb_set(body, '{priority}', '9') where name = 'one'"
    )

    plan = plan_drift(bench.connection, "platform", "default")

    assert plan.changes
    assert (plan.policies, plan.applyable) == ((), True)


def test_a_policy_that_somebody_deletes_in_the_database_judges_all_the_same(held: Bench) -> None:
    held.run("update ordinaut.spec set body = body - 'policies' - 'guards' where kind = 'Project'")

    plan = held.plan(FAST, project())

    assert [(one.name, one.standing, one.ok) for one in plan.policies] == [
        ("urgent", "leaving", False)
    ]
    with pytest.raises(PolicyBroken):
        held.carry_out(plan, conflicts=1)
