"""What a look of `ordinaut sync` writes, in the transaction that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reconciler.core.changes import Owner
from reconciler.core.syncing import Floor, floor_of
from runtime.errors import StalePlan
from runtime.store.rows import Connection
from runtime.store.sources import (
    Branch,
    SourceRecord,
    StoredSource,
    find_source,
    lock_approval,
    record_source,
    record_synced,
)
from schemas.approval import Approval


@dataclass(frozen=True, slots=True)
class Settlement:
    """That a commit is in force.

    Attributes:
        branch: where it was pulled from.
        floor: what was in force when the look began.
        record: what the look came to.
        approval: whom it passed by; None where nobody had to be asked.
    """

    branch: Branch
    floor: Floor | None
    record: SourceRecord
    approval: Approval | None

    def require_unchanged(self, connection: Connection, owner: Owner) -> None:
        """Refuse to go on where another commit came into force since the look began, or an approval was taken back.

        Only under the project's lock.

        Raises:
            StalePlan: it did: this commit may be the older one, or has to wait.
        """
        found = floor_in(find_source(connection, owner.project, self.branch))
        if found != self.floor:
            raise StalePlan(
                "another commit came into force since the branch was looked at",
                hint="look again: `ordinaut sync`",
            )
        given = self.approval
        if given and not lock_approval(connection, owner.project, self.branch, given):
            raise StalePlan(
                "the approval was taken back since the branch was looked at",
                hint="look again: `ordinaut sync`",
            )

    def write(self, connection: Connection, owner: Owner) -> None:
        """Write that the commit is in force, after the revision if there is one."""
        record_source(connection, owner.project, self.branch, self.record)
        record_synced(connection, owner.project, self.branch, self.record.commit)

    def told(self) -> dict[str, Any]:
        """What the revision remembers of it."""
        if self.approval is None:
            return {}
        return {"approval": self.approval.model_dump(mode="json")}


def floor_in(found: StoredSource) -> Floor | None:
    """The commit that whatever is applied has to descend from."""
    revision = (
        None if found.base_revision is None else Floor(found.base_commit, found.base_revision)
    )
    return floor_of(found.applied_commit, found.applied_revision, revision)
