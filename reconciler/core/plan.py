"""Typed changes to the plan: the one value that text, JSON, guards and apply are readings of.

Pure: whatever comes from the database or git is in `Ground`. Order and digest depend on what would be written and over
which state, never on the moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from reconciler.core.changes import ChangeSet, Owner, Unchanged, Unmanaged, Writing, key_of
from reconciler.core.digest import NORMALISER_VERSION, digest_of
from reconciler.core.ground import Ground
from reconciler.core.guards import NOTHING_ALLOWED, evaluate, refused
from reconciler.core.impact import highest
from reconciler.core.policies import under_policies
from reconciler.core.similar import rename_hints
from reconciler.core.standing import footprint_of
from schemas.plan import PLAN_FORMAT, Plan, PlanEnvironment, PlannedChange, PlanSummary

Planner: TypeAlias = Callable[[Sequence[Writing], Ground], tuple[PlannedChange, ...]]
"""What `planned.planned_changes` does, in whatever way."""


def _one_by_one(writing: Sequence[Writing], ground: Ground) -> tuple[PlannedChange, ...]:
    from reconciler.core.planned import planned_changes  # noqa: PLC0415 - heavy, and a plan without changes does without

    return planned_changes(writing, ground)


def make_plan(changes: ChangeSet, ground: Ground, through: Planner = _one_by_one) -> Plan:
    """The plan for these changes.

    Args:
        through: goes through the changes, if there are any.

    Raises:
        NotFound: ORD310, a policy that does not exist is to be overridden.
        ScheduleError: a task's schedule cannot be expanded; compiling the specs refuses those.
    """
    entries = through(changes.writing, ground) if changes.writing else ()
    environment = PlanEnvironment(name=ground.environment, installation_id=ground.installation_id)
    rows = [change.from_ for change in changes if change.from_ is not None]
    owner = Owner(ground.source.project, ground.environment)
    # What was applied already and is asked for again does another number of everything: none.
    allowed = ground.allowed if entries else NOTHING_ALLOWED
    guards = evaluate(footprint_of(entries, rows, owner), ground.rules.guards, allowed)
    made = Plan(
        tool=ground.tool,
        normaliser_version=NORMALISER_VERSION,
        digest=plan_digest(ground.source.project, ground.environment, entries),
        environment=environment,
        source=ground.source,
        base=ground.base,
        git_base=ground.git_base,
        only=ground.only,
        left_out=ground.left_out,
        as_of=ground.now,
        tzdata=ground.tzdata,
        tzdata_applied={
            version: count
            for version, count in ground.tzdata_applied.items()
            if version != ground.tzdata
        },
        applyable=not refused(guards),
        summary=_summary(changes, entries),
        changes=entries,
        unmanaged=tuple(str(key_of(c)) for c in changes if isinstance(c, Unmanaged)),
        overrides=tuple(ground.overrides),
        guards=guards,
        diagnostics=(*ground.diagnostics, *rename_hints(changes.writing, ground.bodies)),
    )
    return under_policies(made, ground.rules.policies, ground.allowed.policies)


def plan_digest(project: str, environment: str, changes: Iterable[PlannedChange]) -> str:
    """sha256 (hex) of what would be written and over which state.

    Plans of any two machines have it in common, and a plan of git against git has it in common with the plan over a
    database that holds what the commit says: neither the database nor its numbers for documents are part of it.
    """
    return digest_of(
        {
            "format": PLAN_FORMAT,
            "normaliser_version": NORMALISER_VERSION,
            "project": project,
            "environment": environment,
            "changes": [change.model_dump(mode="json", include=_DIGESTED) for change in changes],
        }
    )


_DIGESTED: Final = {
    "kind",
    "namespace",
    "name",
    "former_key",
    "action",
    "base_digest",
    "live_digest",
    "after_digest",
}


def _summary(changes: ChangeSet, entries: Sequence[PlannedChange]) -> PlanSummary:
    actions = Counter(entry.action for entry in entries if entry.reason not in _NAMED_REASONS)
    reasons = Counter(entry.reason for entry in entries)
    previews = [entry.preview for entry in entries if entry.preview]
    effects = (preview.first_effect_at for preview in previews)
    return PlanSummary(
        create=actions["create"],
        brought_back=reasons["restored"],
        update=actions["update"],
        rename=actions["rename"],
        retire=actions["retire"],
        adopt=actions["adopt"],
        drift=reasons["drift"],
        conflict=reasons["conflict"],
        defaults_changed=reasons["defaults_changed"],
        unknown=reasons["unknown"],
        unchanged=sum(isinstance(change, Unchanged) for change in changes),
        unmanaged=sum(isinstance(change, Unmanaged) for change in changes),
        impact=highest(entry.impact for entry in entries),
        runs_30d_delta=sum(p.runs_30d_after - p.runs_30d_before for p in previews),
        first_effect_at=min(filter(None, effects), default=None),
        owners=tuple(sorted({entry.owner for entry in entries if entry.owner})),
    )


_NAMED_REASONS: Final = frozenset({"drift", "conflict", "defaults_changed", "unknown"})
