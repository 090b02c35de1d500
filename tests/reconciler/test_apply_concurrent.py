"""Two applies at once: one waits, and is told what the other did."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from reconciler.apply import Request, apply_plan
from runtime.actor import Actor
from runtime.errors import ApplyLocked, StalePlan
from runtime.store.statements import statement
from schemas.apply import ApplyReport
from schemas.plan import Plan
from tests.support.applying import Bench, specs, task
from tests.support.locks import somebody_is_blocked

PLATFORM = {"project": "platform", "environment": "default"}
BOTH = specs(task("one", "every: 1h"), task("two"))
IMPATIENT = Request(actor=Actor("eve@desk"), lock_timeout=timedelta(milliseconds=50))


def carry_out_elsewhere(bench: Bench, plan: Plan) -> ApplyReport:
    """Apply a plan in a session of its own."""
    with bench.other() as connection:
        return apply_plan(connection, plan, Request(actor=Actor("bob@desk")))


async def test_the_second_of_two_applies_waits_and_is_told_what_the_first_changed(
    bench: Bench,
) -> None:
    bench.apply(BOTH)
    first = bench.plan(BOTH.replace("every: 1h", "every: 2h"), commit="c0ffee1aaa")
    second = bench.plan(BOTH.replace("every: 1h", "every: 3h"))

    with bench.other() as ahead:
        ahead.execute("begin")
        ahead.execute(statement("lock_project"), PLATFORM)
        waiting = asyncio.create_task(asyncio.to_thread(carry_out_elsewhere, bench, second))
        await somebody_is_blocked(bench.url)
        bench.run("set lock_timeout = 0")
        ahead.execute("commit")
        # Whichever of the two comes first, the other must refuse.
        outcome = await asyncio.gather(
            asyncio.to_thread(bench.carry_out, first), waiting, return_exceptions=True
        )

    refused = [one for one in outcome if isinstance(one, StalePlan)]
    assert len(refused) == 1
    assert "changed schedule of Task one" in refused[0].message
    assert bench.row("select count(*) from ordinaut.revision") == (2,)


async def test_a_plan_of_other_documents_waits_and_is_then_applied(bench: Bench) -> None:
    bench.apply(BOTH)
    first = bench.plan(BOTH.replace("every: 1h", "every: 2h"))
    second = bench.plan(BOTH.replace("name: two", "name: two\npriority: 7"))

    await asyncio.to_thread(bench.carry_out, first)
    report = await asyncio.to_thread(carry_out_elsewhere, bench, second)

    assert report.revision == 3
    assert bench.rows(
        "select name, revision_id from ordinaut.spec where kind = 'Task' order by 1"
    ) == [("one", 2), ("two", 3)]


def test_waiting_for_another_apply_ends_and_says_whose_it_is(bench: Bench) -> None:
    plan = bench.plan(BOTH)
    with bench.other() as ahead, ahead.transaction():
        ahead.execute("set application_name = 'ordinaut apply by bob@desk'")
        ahead.execute(statement("lock_project"), PLATFORM)

        with pytest.raises(
            ApplyLocked, match=r"ordinaut apply by bob@desk.*within 0.05 s"
        ) as late:
            apply_plan(bench.connection, plan, IMPATIENT)

    assert (late.value.exit_code, late.value.code) == (5, "ORD205")
    assert bench.carry_out(plan).revision == 1


def test_rows_that_somebody_keeps_locked_end_the_wait_too(bench: Bench) -> None:
    bench.apply(BOTH)
    plan = bench.plan(BOTH.replace("every: 1h", "every: 2h"))
    with bench.other() as ahead, ahead.transaction():
        ahead.execute("update ordinaut.schedule set tzdata = 'held'")

        with pytest.raises(ApplyLocked, match="keeps rows of this project locked"):
            apply_plan(bench.connection, plan, IMPATIENT)


def test_projects_and_environments_do_not_wait_for_each_other(bench: Bench) -> None:
    with bench.other() as ahead, ahead.transaction():
        for other in ({"project": "platform", "environment": "staging"},
                      {"project": "p", "environment": "latformdefault"}):  # fmt: skip
            ahead.execute(statement("lock_project"), other)

        assert apply_plan(bench.connection, bench.plan(BOTH), IMPATIENT).revision == 1


class TestStale:
    """A plan is refused if a document it writes is not what it stands on, and only then."""

    def test_a_plan_that_was_applied_is_done_already(self, bench: Bench) -> None:
        plan = bench.plan(BOTH)
        bench.carry_out(plan)

        again = bench.carry_out(plan)

        assert (again.revision, again.already_applied) == (1, True)
        assert bench.row("select count(*) from ordinaut.revision") == (1,)

    def test_a_plan_that_was_applied_and_is_not_in_force_any_more_is_stale(
        self, bench: Bench
    ) -> None:
        plan = bench.plan(BOTH)
        bench.carry_out(plan)
        bench.run("update ordinaut.spec set body = body || '{\"priority\": 9}' where name = 'one'")

        with pytest.raises(StalePlan, match=r"applied already, as r1, and .* since: ") as refusal:
            bench.carry_out(plan)
        assert refusal.value.exit_code == 4

    def test_the_reason_names_revision_commit_person_and_facets(self, bench: Bench) -> None:
        bench.apply(BOTH)
        plan = bench.plan(BOTH.replace("every: 1h", "every: 2h"))
        other = BOTH.replace("every: 1h", "every: 3h").replace(
            "name: one", "name: one\ntimeout: 5m"
        )
        bench.carry_out(bench.plan(other, commit="c0ffee1aaa"))

        with pytest.raises(StalePlan) as refusal:
            bench.carry_out(plan)

        assert "r2 (c0ffee1, ada@desk, " in refusal.value.message
        assert "UTC) changed policy and schedule of Task one" in refusal.value.message

    def test_a_document_made_or_retired_meanwhile_is_named(self, bench: Bench) -> None:
        bench.apply(BOTH)
        both = bench.plan(specs(task("one", "every: 2h"), task("two"), task("three")))
        bench.apply(specs(task("two"), task("three")))

        with pytest.raises(StalePlan) as refusal:
            bench.carry_out(both)

        assert "retired Task one; r2 (ada@desk" in refusal.value.message
        assert "created Task three" in refusal.value.message

    def test_a_row_changed_by_hand_is_named(self, bench: Bench) -> None:
        bench.apply(BOTH)
        plan = bench.plan(BOTH.replace("every: 1h", "every: 2h"))
        bench.run("update ordinaut.spec set body = body || '{\"priority\": 9}' where name = 'one'")

        with pytest.raises(StalePlan, match="Task one"):
            bench.carry_out(plan)

    def test_a_row_that_is_gone_is_named(self, bench: Bench) -> None:
        bench.apply(BOTH)
        plan = bench.plan(specs(task("one", "every: 1h"), task("two", more="priority: 7\n")))
        bench.run("update ordinaut.spec set name = 'elsewhere' where name = 'two'")

        with pytest.raises(StalePlan, match="Task two was changed past git"):
            bench.carry_out(plan)

    def test_a_name_taken_meanwhile_stops_a_rename(self, bench: Bench) -> None:
        bench.apply(BOTH)
        plan = bench.plan(specs(task("uno", "every: 1h", "renamed_from: one\n"), task("two")))
        bench.apply(specs(task("one", "every: 1h"), task("two"), task("uno")))

        with pytest.raises(StalePlan):
            bench.carry_out(plan)

    def test_many_reasons_are_counted(self, bench: Bench) -> None:
        names = "abcdefgh"
        plan = bench.plan(specs(*(task(name) for name in names)))
        bench.apply(specs(*(task(name, "every: 1h") for name in names)))

        with pytest.raises(StalePlan, match="and 5 more"):
            bench.carry_out(plan)

    def test_a_plan_of_another_database_is_refused(self, bench: Bench) -> None:
        plan = bench.plan(BOTH)
        bench.run("update ordinaut.installation set installation_id = gen_random_uuid()")

        with pytest.raises(StalePlan, match="another database"):
            bench.carry_out(plan)
