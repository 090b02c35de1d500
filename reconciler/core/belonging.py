"""Which environment of a project documents are in force in: a name is in one of them only, in one database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from reconciler.core.changes import Applied, Owner
from runtime.errors import PlanError

# Documents that a message names.
_NAMED: Final = 3


def require_one_environment(rows: Iterable[Applied], owner: Owner) -> None:
    """Refuse documents that are in force in another environment of the same project: the option for it was forgotten.

    Args:
        rows: what the database has under the names that are wanted.
        owner: for whom they are wanted.

    Raises:
        PlanError: ORD204, once for all of them.
    """
    others = sorted(
        (row for row in rows if _is_of_another_environment(row, owner)), key=lambda row: row.key
    )
    if not others:
        return
    environment = others[0].owner.environment
    named = ", ".join(str(row.key) for row in others[:_NAMED])
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    one = len(others) == 1
    raise PlanError(
        f"{named}{more} {'belongs' if one else 'belong'} to environment {environment} of this same project, "
        f"{owner.project}, and not to {owner.environment}",
        hint=f"give `--env {environment}` if that is meant; {owner.environment} needs a database of its own",
        code="ORD204",
    )


def _is_of_another_environment(row: Applied, owner: Owner) -> bool:
    return (
        row.last is not None
        and row.retired_at is None
        and row.owner.project == owner.project
        and row.owner.environment != owner.environment
    )
