"""Whether a hold concerns what is about to be planned or applied, and what an apply makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.changes import Owner
from reconciler.core.desired import Specs
from reconciler.core.holding import brings_back, whole_digest
from reconciler.git import ask_git
from runtime.store.holds import clear_hold, find_hold, set_hold
from runtime.store.rows import Connection
from runtime.store.specs import StoredRevision
from schemas.hold import PlanHold
from schemas.plan import Plan, PlanSource

if TYPE_CHECKING:
    from schemas.revision import Revision


def hold_on(
    connection: Connection, specs: Specs, source: PlanSource, folder: Path
) -> PlanHold | None:
    """The hold on a project, and whether these specs end it: they come after what is held, and change what was rolled back.

    Args:
        folder: the specs folder, in whose repository history is asked. A commit that is unknown there, as in a shallow
            clone, is not taken for one that comes before.
    """
    hold = find_hold(connection, specs.project, specs.environment)
    if hold is None:
        return None
    if hold.commit is None or source.commit is None:
        return PlanHold(**hold.model_dump(), ends=_digest(specs) != hold.digest)
    from reconciler.past import documents_before  # noqa: PLC0415 - holds are rare

    descends = _descends(folder, source.commit, hold.commit)
    wanted = {key: one.digest for key, one in specs.documents.items()}
    ends = descends and not brings_back(documents_before(connection, hold.revision), wanted)
    return PlanHold(**hold.model_dump(), ends=ends, descends=descends)


def hold_now(connection: Connection, owner: Owner, plan: Plan) -> PlanHold | None:
    """The hold on a project, and whether a plan that was made before ends it: not one that knew of another hold."""
    hold = find_hold(connection, owner.project, owner.environment)
    if hold is None:
        return None
    knew = plan.hold is not None and plan.hold.revision == hold.revision
    return PlanHold(**hold.model_dump(), ends=knew and plan.hold is not None and plan.hold.ends)


def _descends(folder: Path, commit: str, ancestor: str) -> bool:
    question = ("merge-base", "--is-ancestor", ancestor, commit)
    return commit != ancestor and ask_git(folder, *question) is not None


def _digest(specs: Specs) -> str:
    return whole_digest((key, one.digest) for key, one in specs.documents.items())


def hold_replaced(
    connection: Connection, replaced: StoredRevision, restored: Revision, rollback: int
) -> None:
    """Hold what a rollback replaced; what is held already stays so, unless the rollback brought back just that.

    Args:
        replaced: the revision that was in force. Edits that no commit has are held by what they say: the commit below them
            did nothing wrong.
        restored: the one whose documents are in force again.
        rollback: the number of the revision that says so.
    """
    owner = Owner(restored.project, restored.environment)
    standing = find_hold(connection, owner.project, owner.environment)
    if standing is None:
        from reconciler.past import resolve_revision  # noqa: PLC0415 - as above

        before = resolve_revision(connection, f"r{replaced.revision_id}")
        set_hold(
            connection,
            owner.project,
            owner.environment,
            commit=None if replaced.git_dirty else replaced.git_commit,
            digest=_digest_as_of(connection, before),
            revision=rollback,
        )
    elif _digest_as_of(connection, restored) == standing.digest:
        clear_hold(connection, owner.project, owner.environment, "Synced")


def _digest_as_of(connection: Connection, revision: Revision) -> str:
    from reconciler.past import documents_as_of  # noqa: PLC0415 - as above

    return whole_digest((one.key, one.digest) for one in documents_as_of(connection, revision))
