"""What people type, to what it means: a task by name; a run by id, a piece of its id, its task, or `last`."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final
from uuid import UUID

from runtime.errors import NotFound
from runtime.store.rows import Connection
from runtime.store.runs import (
    FoundTask,
    find_latest_run,
    find_runs,
    find_task,
    list_task_labels,
)

LAST: Final = "last"
_DIGITS = re.compile(r"[0-9a-f]{6,32}")
_SHOWN: Final = 5


def resolve_task(connection: Connection, label: str) -> FoundTask:
    """The task a name means, retired or not.

    Raises:
        NotFound: ORD310, with the nearest names.
    """
    found = find_task(connection, label)
    if found is None:
        labels = list_task_labels(connection)
        near = ", ".join(get_close_matches(label, labels, cutoff=0.5))
        nothing = "`ordinaut status` lists tasks" if labels else "nothing has been applied yet"
        raise NotFound(
            f"there is no task {label}", hint=f"did you mean {near}?" if near else nothing
        )
    return found


def resolve_run(connection: Connection, reference: str) -> UUID:
    """The run a reference means.

    Args:
        connection: the database.
        reference: `last`, a task (its newest run), an id, or six or more digits of the beginning or end of one.

    Raises:
        NotFound: ORD310, there is none, or several.
    """
    if reference == LAST:
        return _newest(find_latest_run(connection, None), "nothing has run yet")
    task = find_task(connection, reference)
    if task is not None:
        return _newest(find_latest_run(connection, task.uid), f"{reference} has not run yet")
    digits = reference.lower().replace("-", "")
    if not _DIGITS.fullmatch(digits):
        raise NotFound(
            f"{reference} is neither a run nor a task",
            hint="name a run by six or more digits of its id, by its task, or as `last`",
        )
    found = find_runs(connection, digits, limit=_SHOWN + 1)
    if len(found) != 1:
        raise NotFound(
            f"{'several' if found else 'no'} runs have an id with {reference} at its beginning or end",
            hint="\n".join(map(str, found[:_SHOWN])) or "`ordinaut runs` lists them",
        )
    return found[0]


def _newest(run_id: UUID | None, otherwise: str) -> UUID:
    if run_id is None:
        raise NotFound(
            otherwise, hint="`ordinaut next` shows what fires when, `ordinaut run` runs a task now"
        )
    return run_id
