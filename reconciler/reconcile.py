"""One look of a reconcile loop: read the specs, compare, apply what changed; a bad tree changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reconciler.apply import Request, apply_plan
from reconciler.cache import Cache
from reconciler.core.desired import Specs
from reconciler.load import compile_source
from reconciler.planning import plan_specs
from reconciler.source import Source, read_source
from runtime.actor import current_actor
from runtime.store.connect import connect
from schemas.apply import ApplyReport
from schemas.plan import Plan


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What one look found and did.

    Attributes:
        source: the files as they were read.
        specs: what they compile to; with errors, nothing was planned and the last good revision stays in force.
        plan: what would change; None if the specs hold errors.
        report: what was applied; None if nothing was.
    """

    source: Source
    specs: Specs
    plan: Plan | None = None
    report: ApplyReport | None = None


def reconcile_once(
    conninfo: str, folder: Path, environment: str, cache: Cache | None = None
) -> Reconciled:
    """Make the database match a specs folder, if the folder is sound and no guard refuses.

    Args:
        cache: where compiled specs are remembered.

    Raises:
        Blocked, Held, Conflicted, StalePlan, ApplyLocked: nothing was changed.
        StoreError: the database cannot be reached or refused; nothing was changed.
    """
    source = read_source(folder, folder.parent)
    specs = compile_source(source, environment, cache)
    if specs.errors:
        return Reconciled(source, specs)
    with connect(conninfo, name="ordinaut apply") as connection:
        plan = plan_specs(connection, specs, folder)
        if not plan.changes:
            return Reconciled(source, specs, plan)
        report = apply_plan(connection, plan, Request(actor=current_actor()))
    return Reconciled(source, specs, plan, report)
