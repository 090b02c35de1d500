"""Holds in words."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from runtime.cli.output import relative_time
from schemas.hold import Hold

_SHORT: Final = 12


def hold_words(hold: Hold, now: datetime) -> str:
    """What is held, where, by whom and since when."""
    what = f"commit {hold.commit[:_SHORT]}" if hold.commit else "specs that no commit has"
    since = relative_time(hold.since, now)
    why = f' ("{hold.reason}")' if hold.reason else ""
    return f"{what} in {hold.project}/{hold.environment}, rolled back by {hold.actor} as r{hold.revision}, {since}{why}"
