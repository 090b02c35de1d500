"""Typed changes to the plan: the one value that text, JSON, guards and apply are readings of.

Pure: whatever comes from the database or git is in `Ground`. Order and digest depend on what would be written and over
which state, never on the moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from reconciler.core.changes import (
    Adopt,
    Applied,
    ChangeSet,
    Conflict,
    Converge,
    Create,
    Drift,
    Owner,
    Refill,
    Rename,
    Retire,
    Unchanged,
    Unmanaged,
    Update,
    Writing,
    key_of,
)
from reconciler.core.desired import Desired, Key
from reconciler.core.digest import NORMALISER_VERSION, digest_of, facet_names
from reconciler.core.fields import field_ops, pointer
from reconciler.core.gains import gains_of
from reconciler.core.guards import NOTHING_ALLOWED, Allowed, evaluate, refused
from reconciler.core.impact import highest, impact_of
from reconciler.core.laid import place_of_change
from reconciler.core.legible import live_body
from reconciler.core.policies import under_policies
from reconciler.core.preview import Previews
from reconciler.core.rules import Rules
from reconciler.core.secrets import hidden, places_in, secrets_in
from reconciler.core.similar import rename_hints
from reconciler.core.standing import footprint_of
from reconciler.core.steps import steps_effect, tools_effect
from schemas.plan import (
    PLAN_FORMAT,
    Action,
    Facet,
    FieldChange,
    GitBase,
    Override,
    Plan,
    PlanBase,
    PlanEnvironment,
    PlannedChange,
    PlanSource,
    PlanSummary,
    QueueEffect,
    Reason,
    ToolsEffect,
)
from schemas.problem import Problem

_FACETS: Final[tuple[Facet, ...]] = ("schedule", "pipeline", "policy", "meta")


@dataclass(frozen=True, slots=True)
class QueueState:
    """A task's work in the database: runs queued and not leased, runs under way, an occurrence due and undecided.

    Attributes:
        cancels: whether retiring the task cancels what is under way.
    """

    queued: int = 0
    in_flight: int = 0
    overdue: bool = False
    cancels: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a plan stands on beside the changes.

    Attributes:
        source: what git wants, and whose it is.
        environment: where the plan would be applied, and in which database.
        base: the last revision there.
        git_base: the commit that is compared with instead of a database.
        unknown: documents whose state in that commit is not known.
        only: what a partial plan was asked for; empty for a whole one.
        left_out: how many other changes it leaves out.
        now: the instant from which fire times are looked at.
        tool: the program's version.
        tzdata: the version of the time zone data.
        tzdata_applied: how many schedules in force had their next occurrence found with each version.
        bodies: the live body of each changed document, by uid.
        queue: the work of each changed task that has any, by uid.
        overrides: pauses and snoozes in force.
        rules: the guards and policies that were last applied.
        allowed: what they would refuse, and was asked for in so many words.
        diagnostics: warnings and notes about the specs.
        excused: texts that look like secrets and are none.
    """

    source: PlanSource
    environment: str
    installation_id: UUID | None = None
    base: PlanBase | None = None
    git_base: GitBase | None = None
    unknown: frozenset[Key] = frozenset()
    only: tuple[str, ...] = ()
    left_out: int = 0
    now: datetime
    tool: str
    tzdata: str
    tzdata_applied: Mapping[str, int] = field(default_factory=dict)
    bodies: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    queue: Mapping[int, QueueState] = field(default_factory=dict)
    overrides: Sequence[Override] = ()
    rules: Rules = field(default_factory=Rules)
    allowed: Allowed = NOTHING_ALLOWED
    diagnostics: Sequence[Problem] = ()
    excused: frozenset[str] = frozenset()


Planner: TypeAlias = Callable[[Sequence[Writing], Ground], tuple[PlannedChange, ...]]
"""What `planned_changes` does, in whatever way."""


def planned_changes(writing: Sequence[Writing], ground: Ground) -> tuple[PlannedChange, ...]:
    """What a plan says of each change; of any part of them the same as of all.

    Raises:
        ScheduleError: a task's schedule cannot be expanded; compiling the specs refuses those.
    """
    previews = Previews(ground.now)
    return tuple(_planned(change, ground, previews) for change in writing)


def make_plan(changes: ChangeSet, ground: Ground, through: Planner = planned_changes) -> Plan:
    """The plan for these changes.

    Args:
        through: goes through the changes.

    Raises:
        NotFound: ORD310, a policy that does not exist is to be overridden.
        ScheduleError: a task's schedule cannot be expanded; compiling the specs refuses those.
    """
    entries = through(changes.writing, ground)
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


def _planned(change: Writing, ground: Ground, previews: Previews) -> PlannedChange:
    key, row, wanted = key_of(change), change.from_, _wanted(change)
    action, reason = _verdict(change, ground.unknown)
    after = wanted.body if wanted else None
    before = live_body(row, ground.bodies, after)
    # What no apply made was never armed, and when a schedule fires that was moved by hand, nobody knows.
    is_armed = row is not None and row.last is not None and "schedule" not in row.strayed
    fired = before if is_armed else None
    facets = _facets(row, wanted)
    secrets = secrets_in(before, after) - ground.excused
    ops = _ops(before, after, secrets)
    # A row that is retired or broken by hand calls nothing; to restore it brings no new tool.
    tools = ToolsEffect() if reason == "drift" and before is None else tools_effect(before, after)
    impact = impact_of(key.kind, action, reason, facets=facets, ops=ops, tools=tools, body=after)
    place = place_of_change(wanted.place, ops, wanted.laid) if wanted else None
    queue = ground.queue.get(row.uid, QueueState()) if row else QueueState()
    planned = PlannedChange(
        kind=key.kind,
        namespace=key.namespace,
        name=key.name,
        key=key.label,
        former_key=row.key.label if row and row.key != key else None,
        taken_from=_taken_from(change),
        uid=row.uid if row and ground.git_base is None else None,
        action=action,
        reason=reason,
        facets=facets,
        impact=impact.level,
        impact_reasons=impact.reasons,
        owner=hidden((after or before or {}).get("owner"), secrets),
        file=place.file if place else None,
        line=place.line if place else None,
        base_digest=row.last.digest if row and row.last else None,
        live_digest=row.live.digest if row else None,
        after_digest=wanted.digest if wanted else None,
        body=dict(after) if after is not None else None,
        sensitive_paths=tuple(map(pointer, places_in(after, secrets))) if secrets else (),
        ops=ops,
        tools=tools,
        steps=steps_effect(before, after),
        strayed=row.strayed if row else (),
        queue=_queue_effect(action, queue),
        preview=previews.of(fired, after) if "schedule" in facets and (fired or after) else None,
    )
    return planned.model_copy(update={"gains": gains_of(planned)})


def _taken_from(change: Writing) -> str | None:
    if not isinstance(change, Adopt) or change.from_.last is None:
        return None
    return f"{change.from_.owner.project}/{change.from_.owner.environment}"


def _wanted(change: Writing) -> Desired | None:
    return None if isinstance(change, Retire) else change.to


_VERDICTS: Final[Mapping[type[Writing], tuple[Action, Reason]]] = {
    Create: ("create", "git"),
    Update: ("update", "git"),
    Refill: ("update", "defaults_changed"),
    Rename: ("rename", "git"),
    Retire: ("retire", "git"),
    Drift: ("update", "drift"),
    Conflict: ("update", "conflict"),
    Converge: ("update", "converged"),
    Adopt: ("adopt", "git"),
}


def _verdict(change: Writing, unknown: Container[Key]) -> tuple[Action, Reason]:
    if isinstance(change, Create) and change.from_ is not None:
        return "create", "restored"
    if isinstance(change, Create) and key_of(change) in unknown:
        return "create", "unknown"
    if isinstance(change, Retire) and change.from_.retired_at is not None:
        return "retire", "drift"
    return _VERDICTS[type(change)]


def _facets(row: Applied | None, wanted: Desired | None) -> tuple[Facet, ...]:
    """The facets in which git differs from the last revision or from the live row; all, where one side is missing."""
    sides = (
        []
        if row is None or row.last is None or row.retired_at is not None
        else [row.live, row.last]
    )
    if wanted is None:
        return tuple(facet for facet in _FACETS if any(facet in side.facets for side in sides))
    if not sides:
        return tuple(facet for facet in _FACETS if facet in facet_names(wanted.key.kind))
    facets = wanted.facets
    return tuple(
        facet
        for facet in _FACETS
        if facet in facets and any(side.facets.get(facet) != facets[facet] for side in sides)
    )


def _ops(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, secrets: Collection[str]
) -> tuple[FieldChange, ...]:
    """Field by field, and without secrets, for what goes on existing; a creation is all in its body, a retirement in the database."""
    if before is None or after is None:
        return ()
    return tuple(
        FieldChange(
            op=op.op,
            path=hidden(op.path, secrets),
            before=hidden(op.before, secrets),
            after=hidden(op.after, secrets),
        )
        for op in field_ops(before, after)
    )


def _queue_effect(action: Action, queue: QueueState) -> QueueEffect:
    retired = action == "retire"
    ended = queue.in_flight if retired and queue.cancels else 0
    return QueueEffect(
        cancelled=queue.queued if retired else 0,
        kept=0 if retired else queue.queued,
        in_flight=queue.in_flight - ended,
        ended=ended,
        overdue=queue.overdue,
    )


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
