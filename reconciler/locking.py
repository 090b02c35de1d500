"""Who keeps an apply waiting: told when it waited in vain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg

from reconciler.core.changes import Owner
from runtime.errors import ApplyLocked
from runtime.store.revisions import find_lock_holder
from runtime.store.rows import Connection


@contextmanager
def waiting_explained(connection: Connection, owner: Owner, timeout: timedelta) -> Iterator[None]:
    """Around a transaction that waits for locks.

    Raises:
        ApplyLocked: it waited longer than `timeout`, and was rolled back.
    """
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise _locked(connection, owner, timeout) from error


def _locked(connection: Connection, owner: Owner, timeout: timedelta) -> ApplyLocked:
    holder = find_lock_holder(connection, owner.project, owner.environment)
    waited = f"within {timeout.total_seconds():g} s"
    if holder is None:
        return ApplyLocked(
            f"somebody else keeps rows of this project locked, and did not let go {waited}",
            hint="`select * from pg_stat_activity` shows who; then run it again",
        )
    return ApplyLocked(
        f"another apply of {owner.project}/{owner.environment} is under way "
        f"({holder.application}, pid {holder.pid}, since {holder.since:%H:%M:%S} UTC), "
        f"and did not end {waited}",
        hint="wait for it, or give --lock-timeout more time; "
        f"`select pg_terminate_backend({holder.pid})` ends it, and then it has done nothing",
    )
