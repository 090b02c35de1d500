"""The plan as a value: what it holds, and what its digest depends on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from reconciler.core.changes import ChangeSet
from reconciler.core.ground import Ground, QueueState
from reconciler.core.plan import make_plan
from schemas.plan import (
    FieldChange,
    GitBase,
    Plan,
    PlannedChange,
    PlanSource,
    QueueEffect,
    StepsEffect,
    ToolsEffect,
)
from tests.core.plan_story import AFTER, BEFORE, NOW, PAUSED, drifted, plan_of, story, task
from tests.support.specs import Database, compiled, database_of


def change(plan: Plan, label: str, kind: str = "Task") -> PlannedChange:
    """One change of a plan."""
    return next(one for one in plan.changes if (one.kind, one.key) == (kind, label))


def test_the_summary_counts_every_outcome_once() -> None:
    summary = story().summary

    counts = (summary.create, summary.update, summary.rename, summary.retire, summary.drift)
    assert counts == (1, 3, 1, 1, 1)
    assert (summary.unchanged, summary.conflict, summary.adopt, summary.unmanaged) == (2, 0, 0, 0)
    assert summary.owners == ("team-finance", "team-ops", "team-sales", "team-support")
    assert summary.runs_30d_delta == -35
    assert summary.impact == "high"


def test_an_update_names_facets_fields_tools_and_steps() -> None:
    update = change(story(), "ops/nightly-cleanup")

    assert update.facets == ("pipeline", "policy")
    assert FieldChange(op="replace", path="/timeout", before="1h", after="10m") in update.ops
    assert update.tools == ToolsEffect(
        added=("fs.delete",), removed=("fs.move",), destructive=("fs.delete",)
    )
    assert update.steps == StepsEffect(added=("tell",), changed=("purge",), reordered=True)
    assert update.queue == QueueEffect(kept=1, in_flight=2)
    assert update.preview is None


def test_a_retirement_cancels_what_is_queued() -> None:
    retirement = change(story(), "ops/fx-rates")

    assert retirement.queue == QueueEffect(cancelled=1, in_flight=1, overdue=True)
    assert (retirement.body, retirement.ops, retirement.after_digest) == (None, (), None)
    assert retirement.owner == "team-finance"


def test_a_rename_that_changes_nothing_else_has_no_facet() -> None:
    rename = change(story(), "support/inbox-triage")

    assert (rename.action, rename.former_key, rename.facets) == ("rename", "support/triage", ())
    assert rename.impact == "low"


def test_drift_shows_the_live_value_and_what_git_says() -> None:
    drift = change(story(), "ops/oncall-ping")

    assert (drift.action, drift.reason, drift.facets) == ("update", "drift", ("policy",))
    assert drift.ops == (FieldChange(op="replace", path="/priority", before=9, after=5),)
    assert drift.base_digest == drift.after_digest != drift.live_digest


def test_a_conflict_shows_both_sides_facets_and_is_not_applyable() -> None:
    database = drifted(database_of(BEFORE), task("ops/nightly-cleanup"), description="by hand")

    plan = plan_of(database, compiled(AFTER))

    conflict = change(plan, "ops/nightly-cleanup")
    assert (conflict.reason, conflict.facets) == ("conflict", ("pipeline", "policy", "meta"))
    assert plan.summary.conflict == 1
    assert not plan.applyable


def test_a_tombstone_comes_back_under_its_uid_with_everything_new() -> None:
    database = database_of(BEFORE)
    row = database.rows[task("ops/fx-rates")]
    database.rows[row.key] = replace(row, retired_at=NOW)

    restored = change(plan_of(database, compiled(BEFORE)), "ops/fx-rates")

    assert (restored.action, restored.reason, restored.uid) == ("create", "restored", row.uid)
    assert restored.facets == ("schedule", "pipeline", "policy", "meta")
    assert restored.preview is not None
    assert restored.preview.before == ()


def test_a_row_without_revision_is_adopted_only_when_asked() -> None:
    database = database_of(BEFORE)
    row = database.rows[task("ops/fx-rates")]
    database.rows[row.key] = replace(row, last=None)

    plan = plan_of(database, compiled(BEFORE))

    assert [(c.key, c.action) for c in plan.changes] == [("ops/fx-rates", "adopt")]
    assert plan.summary.adopt == 1
    assert not plan.applyable


def test_a_row_that_no_apply_made_never_fired() -> None:
    database = database_of(BEFORE)
    row = database.rows[task("ops/fx-rates")]
    database.rows[row.key] = replace(row, last=None)

    preview = change(plan_of(database, compiled(BEFORE)), "ops/fx-rates").preview

    assert preview is not None
    assert (preview.before, preview.runs_30d_before, preview.runs_30d_after) == ((), 0, 30)


def test_rows_without_revision_that_git_does_not_name_are_listed() -> None:
    database = database_of(BEFORE)
    row = database.rows[task("ops/fx-rates")]
    database.rows[row.key] = replace(row, last=None)

    plan = plan_of(database, compiled(AFTER))

    assert plan.unmanaged == ("Task ops/fx-rates",)
    assert plan.summary.unmanaged == 1


def test_rows_that_already_hold_what_git_wants_are_recorded_as_updates() -> None:
    database = database_of(BEFORE)
    specs = compiled(AFTER)
    key = task("ops/weekly-report")
    drifted(database, key, **specs.documents[key].body)

    converged = change(plan_of(database, specs), "ops/weekly-report")

    assert (converged.action, converged.reason, converged.ops) == ("update", "converged", ())
    assert converged.facets == ("meta",)


def test_the_plan_survives_its_json() -> None:
    plan = story()

    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_an_empty_difference_makes_an_empty_plan() -> None:
    ground = Ground(
        source=PlanSource(project="p"), environment="default", now=NOW, tool="0", tzdata="2026b"
    )

    plan = make_plan(ChangeSet(()), ground)

    assert (plan.changes, plan.applyable, plan.summary.impact) == ((), True, "low")


class TestDigest:
    """The digest says what would be written over which state."""

    @pytest.mark.parametrize(
        "ground",
        [
            {"now": NOW + timedelta(days=40)},
            {"tool": "9.9.9"},
            {"tzdata": "2030a"},
            {"tzdata_applied": {"2025b": 1}},
            {"source": PlanSource(project="platform", commit="another", dirty=True)},
            {"base": None},
            {"queue": {}},
            {"overrides": [PAUSED, PAUSED]},
            {"installation_id": UUID(int=1)},
            {"git_base": GitBase(named="main", commit="0" * 40)},
        ],
        ids=lambda ground: next(iter(ground)),
    )
    def test_it_does_not_depend_on_the_moment_the_machine_the_commit_or_the_database(
        self, ground: dict[str, Any]
    ) -> None:
        assert story(**ground).digest == story().digest

    @pytest.mark.parametrize(
        "ground",
        [
            {"environment": "staging"},
            {"source": PlanSource(project="other")},
        ],
        ids=lambda ground: next(iter(ground)),
    )
    def test_it_depends_on_what_it_would_be_applied_to(self, ground: dict[str, Any]) -> None:
        assert story(**ground).digest != story().digest

    def test_it_depends_on_the_state_it_would_be_applied_over(self) -> None:
        database = drifted(database_of(BEFORE), task("ops/oncall-ping"), priority=8)

        assert plan_of(database, compiled(AFTER)).digest != story().digest

    def test_it_depends_on_what_would_be_written(self) -> None:
        wanted = compiled(AFTER.replace("What happened.", "What happened!"))
        database = drifted(database_of(BEFORE), task("ops/oncall-ping"), priority=9)

        assert plan_of(database, wanted).digest != story().digest


def test_a_change_that_needs_no_queue_is_told_none() -> None:
    plan = plan_of(Database({}), compiled(BEFORE), queue={1: QueueState(3, 3, overdue=True)})

    assert {one.queue for one in plan.changes} == {QueueEffect()}
