"""A plan in a file says what it would do; here that is found out anew, from the documents in it and from the database.

The digest covers what would be written and over what. What a reader goes by, such as owners, fields before and after, tools
and numbers, follows from that: so it is made again, compared, and what was made again is what is shown and recorded. Not
found out is what no database knows: the commit and its author, lines, and remarks about the specs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from reconciler.core.changes import Applied, ChangeSet, Unchanged, Unmanaged, key_of
from reconciler.core.desired import Desired, Key, Place, Specs
from reconciler.core.diff import diff, told_apart
from reconciler.core.digest import facet_digests
from reconciler.core.ground import Ground
from reconciler.core.guards import Allowed
from reconciler.core.holding import under_hold
from reconciler.core.plan import make_plan
from reconciler.core.recorded import Recorded, as_desired
from reconciler.core.standing import keys_of, owner_of, present_key, stale_keys, written_key
from reconciler.holds import hold_now
from reconciler.observe import observe, read_refilled
from reconciler.planning import observed_ground, one_view, planned
from runtime.core.leaks.secrets import secrets_in
from runtime.core.zonedata import tzdata_version
from runtime.errors import PlanError
from runtime.store.drift import read_stray_writes
from runtime.store.rows import Connection
from schemas.plan import Plan, PlannedChange

# What is as it is at the moment, or is in no database.
_PASSING: Final = frozenset({"queue", "stray_write", "file", "line"})
_PASSING_NUMBERS: Final = frozenset({"unchanged", "unmanaged"})
# What other time zone data make something else of.
_BY_ZONES: Final = frozenset({"preview"})
_NUMBERS_BY_ZONES: Final = frozenset({"runs_30d_delta", "first_effect_at"})
_NOWHERE: Final = Place("", 1, 1)
_RENAME_HINT: Final = "ORD211"


def verified(connection: Connection, plan: Plan, path: Path, allowed: Allowed) -> Plan | None:
    """The plan in a file as it is made now; None if it is stale, which apply explains.

    Args:
        plan: as it was read: its digest fits its documents.
        path: of the file.
        allowed: what guards would refuse, and was asked for in so many words.

    Raises:
        PlanError: ORD207, the file tells something else than it would do.
        StoreError: the database cannot be read.
    """
    owner = owner_of(plan)
    with one_view(connection):
        rows = observe(connection, owner, keys_of(plan))
        if stale_keys(plan, rows):
            return None
        changes = _changes(connection, plan, rows)
        specs = Specs(owner.project, owner.environment, {}, _remarks(plan))
        ground = observed_ground(connection, specs, plan.source, rows, changes)
        hold = hold_now(connection, owner, plan)
        uids = [change.uid for change in plan.changes if change.uid is not None]
        writes = read_stray_writes(connection, uids)
    if plan.environment.installation_id not in {None, ground.installation_id}:
        return None
    ground = replace(
        ground,
        allowed=allowed,
        only=plan.only,
        left_out=plan.left_out,
        excused=secrets_in(*(change.body for change in plan.changes)),
    )
    _require_true(plan, changes, ground, path)
    remarks = {"diagnostics": plan.diagnostics, "linted": plan.linted}
    return under_hold(planned(changes, ground, writes).model_copy(update=remarks), hold)


def _remarks(plan: Plan) -> tuple[Any, ...]:
    # Hints at renames are made again.
    return tuple(one for one in plan.diagnostics if one.code != _RENAME_HINT)


def _changes(connection: Connection, plan: Plan, rows: Mapping[Key, Applied]) -> ChangeSet:
    """What leads from the rows to the plan's documents; whatever else there is stays as it is."""
    owner = owner_of(plan)
    touched = keys_of(plan)
    staying = [
        _standing(row)
        for row in rows.values()
        if row.owner == owner and row.retired_at is None and row.key not in touched
    ]
    written = [_recorded(change) for change in plan.changes if change.body is not None]
    wanted: dict[Key, Desired] = as_desired(
        [*written, *(one for one in staying if one is not None)], rows.values(), owner
    )
    taking = [written_key(one) for one in plan.changes if one.action == "adopt"]
    found = diff(wanted, rows, owner, taking)
    found = told_apart(found, read_refilled(connection, found))
    mine = {written_key(change) for change in plan.changes}
    return ChangeSet.of(
        change
        for change in found
        if key_of(change) in mine or isinstance(change, Unchanged | Unmanaged)
    )


def _recorded(change: PlannedChange) -> Recorded:
    body = change.body or {}
    return Recorded(
        key=written_key(change),
        uid=change.uid or 0,
        revision_id=0,
        action=change.action,
        body=body,
        digest=change.after_digest or "",
        facets=facet_digests(body),
        place=Place(change.file or "", change.line or 1, 1),
    )


def _standing(row: Applied) -> Recorded | None:
    """A document that the plan leaves alone; nobody asks what it says."""
    if row.last is None:
        return None
    digest, facets = row.last.digest, row.last.facets
    return Recorded(row.key, row.uid, row.revision_id, "update", {}, digest, facets, _NOWHERE)


def _require_true(plan: Plan, changes: ChangeSet, ground: Ground, path: Path) -> None:
    """Refuse a file whose faces are not those of its documents; those of another version may differ, and are not shown."""
    true = make_plan(changes, replace(ground, now=plan.as_of))
    if true.digest != plan.digest:
        raise _untrue(path, "its changes", ["actions"])
    if plan.tool != version("ordinaut"):
        return
    # As a file would have it: JSON knows fewer types.
    true = Plan.model_validate_json(true.model_dump_json())
    same_zones = plan.tzdata == tzdata_version()
    passing = _PASSING if same_zones else _PASSING | _BY_ZONES
    numbers = _PASSING_NUMBERS if same_zones else _PASSING_NUMBERS | _NUMBERS_BY_ZONES
    for told, found in zip(plan.changes, true.changes, strict=True):
        if lies := _differing(told, found, passing):
            raise _untrue(path, f"{told.kind} {present_key(told).label}", lies)
    if lies := _differing(plan.summary, true.summary, numbers):
        raise _untrue(path, "the summary", lies)


def _differing(told: Any, found: Any, passing: frozenset[str]) -> list[str]:
    names = type(found).model_fields.keys() - passing
    return sorted(name for name in names if getattr(told, name) != getattr(found, name))


def _untrue(path: Path, where: str, fields: list[str]) -> PlanError:
    return PlanError(
        f"{path} is not what `ordinaut plan` wrote: of {where} it tells {' and '.join(fields)} "
        "that do not follow from its documents",
        hint="make the plan again; a plan is reviewed, not edited",
        code="ORD207",
    )
