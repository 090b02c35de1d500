"""One change as a plan tells it: what is written and why, when it fires differently, whom it touches and what it gains."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from typing import Any, Final

from reconciler.core.changes import (
    Adopt,
    Applied,
    Conflict,
    Converge,
    Create,
    Drift,
    Refill,
    Rename,
    Retire,
    Update,
    Writing,
    key_of,
)
from reconciler.core.desired import Desired, Key
from reconciler.core.digest import facet_names
from reconciler.core.fields import field_ops, pointer
from reconciler.core.gains import gains_of
from reconciler.core.ground import Ground, QueueState
from reconciler.core.impact import impact_of
from reconciler.core.laid import place_of_change
from reconciler.core.legible import live_body
from reconciler.core.preview import Previews
from reconciler.core.steps import steps_effect, tools_effect
from runtime.core.leaks.secrets import hidden, places_in, secrets_in
from schemas.plan import (
    Action,
    Facet,
    FieldChange,
    PlannedChange,
    QueueEffect,
    Reason,
    ToolsEffect,
)

_FACETS: Final[tuple[Facet, ...]] = ("schedule", "pipeline", "policy", "meta")


def planned_changes(writing: Sequence[Writing], ground: Ground) -> tuple[PlannedChange, ...]:
    """What a plan says of each change; of any part of them the same as of all.

    Raises:
        ScheduleError: a task's schedule cannot be expanded; compiling the specs refuses those.
    """
    previews = Previews(ground.now)
    return tuple(_planned(change, ground, previews) for change in writing)


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
    tools = (
        ToolsEffect()
        if reason == "drift" and before is None
        else tools_effect(before, after, ground.destroys, ground.offline)
    )
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
