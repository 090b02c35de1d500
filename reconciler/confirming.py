"""What an apply writes that finds nothing to do: which commit is in force by now, and that a hold has ended.

One small transaction, and only where there is news; a revision is for changes, and a repository has many commits that
change no specs. So the commit that is in force goes on, as the one that `ordinaut sync` asks every other to descend from.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from reconciler.core.changes import Owner
from reconciler.core.standing import owner_of
from reconciler.git import ask_git
from reconciler.holds import hold_now
from reconciler.locking import waiting_explained
from runtime.store.holds import clear_hold
from runtime.store.revisions import lock_project
from runtime.store.rows import Connection
from runtime.store.sources import record_in_force
from runtime.store.specs import read_base
from schemas.apply import ApplyReport
from schemas.plan import Plan, PlanBase


def confirm(
    connection: Connection, plan: Plan, folder: Path, lock_timeout: timedelta
) -> ApplyReport:
    """Write what a plan without changes means, if that is news.

    Args:
        connection: in autocommit mode.
        plan: of all the specs in a folder; what a partial one says of the commit is not known.
        folder: in whose repository history is asked.

    Raises:
        ApplyLocked: an apply did not end in time.
        StoreError: the database refused or went away; nothing was written.
    """
    report = ApplyReport(plan_digest=plan.digest, summary=plan.summary)
    base, hold = plan.base, plan.hold
    if base is None or plan.only or (hold is not None and not hold.ends):
        return report
    commit = _newer_commit(plan, base, folder)
    if commit is None and hold is None:
        return report
    owner = owner_of(plan)
    with waiting_explained(connection, owner, lock_timeout), connection.transaction():
        lock_project(connection, owner.project, owner.environment, timeout=lock_timeout)
        if not _is_still_in_force(connection, plan, owner, base):
            return report
        if hold is not None:
            clear_hold(connection, owner.project, owner.environment, "Synced")
        if commit is not None:
            record_in_force(connection, owner.project, owner.environment, commit, base.revision)
    return report.model_copy(update={"confirmed_commit": commit, "hold_ended": hold is not None})


def _newer_commit(plan: Plan, base: PlanBase, folder: Path) -> str | None:
    """The plan's commit, if it is not the one that is known to be in force, nor one that came before that."""
    commit = plan.source.commit
    if commit is None or plan.source.dirty:
        return None
    if base.commit is None:
        return commit
    if commit == base.commit:
        return commit if base.dirty else None
    question = ("merge-base", "--is-ancestor", commit, base.commit)
    return None if ask_git(folder, *question) is not None else commit


def _is_still_in_force(connection: Connection, plan: Plan, owner: Owner, base: PlanBase) -> bool:
    """Whether nothing was applied or rolled back since the plan was made; only under the project's lock."""
    found = read_base(connection, owner.project, owner.environment)
    hold = hold_now(connection, owner, plan)
    return found is not None and found.revision_id == base.revision and (hold is None or hold.ends)
