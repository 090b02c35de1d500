"""What `ordinaut events replay --json` prints: which events are published again."""

from __future__ import annotations

from pydantic import AwareDatetime

from schemas.base import Model


class ReplayReport(Model):
    """Events that go out again, or would."""

    dry_run: bool
    """Nothing was asked for."""
    events: int
    """How many."""
    published: int
    """How many of them were out when the command ended."""
    first_at: AwareDatetime
    """When the first of them happened."""
    last_at: AwareDatetime
    """When the last of them happened."""
    first_sequence: int
    """The sequence of the first."""
    last_sequence: int
    """The sequence of the last."""
    kept_since: AwareDatetime
    """When the oldest event happened that is kept at all."""
    has_relay: bool
    """Whether a runtime is there that publishes them; else they wait for one."""
