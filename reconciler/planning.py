"""Specs and a database to a plan: reads, compares, and writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psycopg
from pydantic import TypeAdapter

from reconciler.beside import beside, has_company
from reconciler.core.attributing import attributed
from reconciler.core.belonging import require_one_environment
from reconciler.core.changes import Applied, ChangeSet, Owner, Writing
from reconciler.core.desired import Key, Specs
from reconciler.core.destructive import destroys_in
from reconciler.core.diff import diff, told_apart
from reconciler.core.ground import Ground, QueueState
from reconciler.core.guards import NOTHING_ALLOWED, Allowed
from reconciler.core.holding import under_hold
from reconciler.core.model_gains import offline_in
from reconciler.core.plan import make_plan
from reconciler.core.renaming import former_key
from reconciler.core.selection import part_of
from reconciler.holds import hold_on
from reconciler.observe import observe, read_refilled, rules_in_force
from reconciler.origin import plan_source
from runtime.clock import SYSTEM_CLOCK
from runtime.core.zonedata import tzdata_version
from runtime.errors import SpecError
from runtime.garbage import collecting_later
from runtime.store.drift import read_stray_writes
from runtime.store.rows import Connection
from runtime.store.specs import (
    count_schedules_by_tzdata,
    read_base,
    read_bodies,
    read_ground,
    read_overrides,
    read_queue,
)
from schemas.drift import StrayWrite
from schemas.plan import Override, Plan, PlanBase, PlannedChange, PlanSource

WORTH_COMPANY: Final = 2_000
"""So many changes are worth a second process: half a second's work for one."""


def plan_specs(
    connection: Connection | None,
    specs: Specs,
    folder: Path,
    allowed: Allowed = NOTHING_ALLOWED,
    only: tuple[str, ...] = (),
) -> Plan:
    """The plan for the specs of a folder, over a database or, where none exists yet, over nothing.

    Raises:
        NotFound: as `plan_against`.
        SpecError: the specs hold errors, or as `plan_against`.
        StoreError: the database cannot be read.
    """
    require_sound(specs)
    source = plan_source(specs.project, folder)
    if connection is None:
        return plan_first(specs, source, SYSTEM_CLOCK.now(), only)
    with collecting_later():
        made = plan_against(connection, specs, source, allowed, only)
    return under_hold(made, hold_on(connection, specs, source, folder))


def plan_first(
    specs: Specs, source: PlanSource, now: datetime, only: tuple[str, ...] = ()
) -> Plan:
    """The plan where no database exists yet: everything is new."""
    part = part_of(diff(specs.documents, {}, _owner(specs)), specs.documents, only)
    ground = replace(ground_of(specs, source, now), only=only, left_out=part.left_out)
    return make_plan(part.changes, ground, _planned_in_two)


def plan_against(
    connection: Connection,
    specs: Specs,
    source: PlanSource,
    allowed: Allowed = NOTHING_ALLOWED,
    only: tuple[str, ...] = (),
    *,
    taking: Collection[Key] = (),
    certain: bool = False,
) -> Plan:
    """The plan that makes a database match the specs, from one consistent view of it.

    Args:
        allowed: what guards would refuse, and was asked for in so many words.
        only: keys and labels of the part that is wanted (`reconciler.core.selection`); empty for all.
        taking: documents of other projects to be taken over.
        certain: whether the pasts of documents are known; then names may go round in a circle.

    Raises:
        NotFound: one of `only` means nothing.
        PlanError: ORD204, the documents are in force in another environment of the project.
        SpecError: the specs name what belongs to another project, or share a past.
        StoreError: the database cannot be read.
    """
    owner = _owner(specs)
    with one_view(connection):
        applied = observe(connection, owner, _named(specs))
        require_one_environment(
            [row for key in specs.documents if (row := applied.get(key)) and key not in taking],
            owner,
        )
        changes = diff(specs.documents, applied, owner, taking, certain=certain)
        if changes.problems:
            raise SpecError(
                "the specs cannot be applied to this database", problems=changes.problems
            )
        changes = told_apart(changes, read_refilled(connection, changes))
        part = part_of(changes, specs.documents, only)
        ground = observed_ground(connection, specs, source, applied, part.changes)
        touched = _touched(part.changes)
        writes = read_stray_writes(connection, touched) if touched else {}
    ground = replace(ground, allowed=allowed, only=only, left_out=part.left_out)
    return planned(part.changes, ground, writes)


@contextmanager
def one_view(connection: Connection) -> Iterator[None]:
    """A transaction that sees the database at one moment, and cannot write."""
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    try:
        with connection.transaction():
            yield
    finally:
        connection.isolation_level = None
        connection.read_only = None


def planned(changes: ChangeSet, ground: Ground, writes: Mapping[int, StrayWrite]) -> Plan:
    """The plan for changes that were found in a database.

    Args:
        writes: who wrote its rows past git, by uid.
    """
    made = attributed(make_plan(changes, ground, _planned_in_two), writes)
    if not ground.rules.guards.freeze:
        return made
    from reconciler.core.freezing import freeze_at, under_freeze  # noqa: PLC0415 - only windows need it

    freeze = freeze_at(ground.rules.guards.freeze, ground.now, ground.allowed.freeze)
    return under_freeze(made, freeze)


def _planned_in_two(writing: Sequence[Writing], ground: Ground) -> tuple[PlannedChange, ...]:
    """What `planned_changes` says, half of it found by a process beside this one where that is worth it."""
    from reconciler.core.planned import planned_changes  # noqa: PLC0415 - heavy, and a plan without changes does without

    if len(writing) < WORTH_COMPANY or not has_company():
        return planned_changes(writing, ground)
    half = len(writing) // 2
    changes = TypeAdapter(tuple[PlannedChange, ...])
    with (
        collecting_later(),
        beside(lambda: changes.dump_json(planned_changes(writing[half:], ground))) as answer,
    ):
        planned, told = planned_changes(writing[:half], ground), answer()
        rest = (
            planned_changes(writing[half:], ground)
            if told is None
            else changes.validate_json(told)
        )
    return (*planned, *rest)


def require_sound(specs: Specs) -> None:
    """Refuse specs with errors.

    Raises:
        SpecError: with every problem, warnings included.
    """
    if specs.errors:
        count = len(specs.errors)
        raise SpecError(
            f"the specs hold {count} error{'s' if count > 1 else ''}, so nothing was planned",
            problems=specs.problems,
        )


def _owner(specs: Specs) -> Owner:
    return Owner(specs.project, specs.environment)


def _named(specs: Specs) -> list[Key]:
    """Every key and former key that the specs name."""
    former = (former_key(document) for document in specs.documents.values())
    return [*specs.documents, *(key for key in former if key is not None)]


def ground_of(specs: Specs, source: PlanSource, now: datetime) -> Ground:
    """What a plan for these specs stands on wherever it would be applied."""
    return Ground(
        source=source,
        environment=specs.environment,
        now=now,
        tool=version("ordinaut"),
        tzdata=tzdata_version(),
        diagnostics=specs.problems,
        excused=frozenset(text for _, text in specs.excused),
        destroys=destroys_in(specs.documents),
        offline=offline_in(specs.documents),
    )


def observed_ground(
    connection: Connection,
    specs: Specs,
    source: PlanSource,
    applied: Mapping[Key, Applied],
    changes: ChangeSet,
) -> Ground:
    """What a plan for these changes stands on, as a database has it; in `one_view` of it."""
    owner = _owner(specs)
    installation_id, now = read_ground(connection)
    touched = _touched(changes)
    return replace(
        ground_of(specs, source, now),
        installation_id=installation_id,
        base=_base(connection, owner),
        bodies=read_bodies(connection, touched) if touched else {},
        queue=_queue(connection, touched) if touched else {},
        overrides=_overrides(connection, owner),
        tzdata_applied=count_schedules_by_tzdata(connection, (owner.project, owner.environment)),
        rules=rules_in_force(connection, applied, owner),
    )


def _touched(changes: ChangeSet) -> list[int]:
    return [change.from_.uid for change in changes.writing if change.from_ is not None]


def _queue(connection: Connection, uids: Sequence[int]) -> dict[int, QueueState]:
    return {
        work.task_uid: QueueState(work.queued, work.in_flight, work.overdue, work.cancels)
        for work in read_queue(connection, uids)
    }


def _base(connection: Connection, owner: Owner) -> PlanBase | None:
    base = read_base(connection, owner.project, owner.environment)
    if base is None:
        return None
    return PlanBase(
        revision=base.revision_id,
        commit=base.git_commit,
        dirty=base.git_dirty,
        actor=base.actor,
        applied_at=base.applied_at,
    )


def _overrides(connection: Connection, owner: Owner) -> list[Override]:
    return [
        Override.model_validate(
            {
                "key": Key("Task", found.namespace, found.name).label,
                "kind": found.kind,
                "actor": found.actor,
                "reason": found.reason,
                "since": found.since,
                "until": found.until,
                "timezone": found.timezone,
            }
        )
        for found in read_overrides(connection, owner.project, owner.environment)
    ]
