"""What `ordinaut backfill --json` prints: which occurrences of the past run now, and which do not."""

from __future__ import annotations

from pydantic import AwareDatetime

from schemas.base import Model


class BackfillReport(Model):
    """What a backfill queued, or would queue."""

    task: str
    """The task, as `namespace/name` outside the default namespace."""
    revision: int
    """The revision whose schedule was followed, and by which the runs go."""
    timezone: str | None = None
    """The zone in which people read its times."""
    now: AwareDatetime
    """The database's clock."""
    dry_run: bool
    """Nothing was written."""
    since: AwareDatetime
    """The first instant asked for."""
    until: AwareDatetime
    """The last instant asked for, or now, whichever comes first."""
    queued: tuple[AwareDatetime, ...]
    """The occurrences that run, one after another; with `dry_run`, those that would."""
    already: int = 0
    """How many have run, or are going to."""
    excluded: int = 0
    """How many a calendar excludes."""
    undecided: int = 0
    """How many the catch-up policy has yet to decide, because the task is paused or no runtime came round to it."""
    left: int = 0
    """How many more there are than the limit."""
