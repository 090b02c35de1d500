"""What `ordinaut pause --json` and `resume --json` print: how a task's pause stands, before and after."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from schemas.base import Model


class Pause(Model):
    """A pause: nothing of the task fires while it is in force."""

    actor: str | None = None
    """Who set it, or changed it last; none where somebody wrote it past the program."""
    reason: str = ""
    """Why."""
    since: AwareDatetime
    """Since when."""
    until: AwareDatetime | None = None
    """When it ends by itself; none if somebody has to end it."""


class PauseReport(Model):
    """What a pause or a resumption did."""

    task: str
    """The task, as `namespace/name` outside the default namespace."""
    timezone: str | None = None
    """The zone in which people read its times."""
    now: AwareDatetime
    """The database's clock."""
    outcome: Literal["paused", "changed", "unchanged", "resumed", "not_paused"]
    """What was done."""
    pause: Pause | None = None
    """The pause in force now."""
    before: Pause | None = None
    """The pause that was in force before."""
    queued: int = 0
    """Its runs that wait for a slot; a pause does not stop them."""
    in_flight: int = 0
    """Its runs under way; a pause does not stop them either."""
    undecided: int = 0
    """Occurrences that have come and are not decided; counting stops at 1,000."""
    catch_up: str
    """The policy by which these are decided once the task is not paused."""
    next_for: AwareDatetime | None = None
    """The next occurrence to come; none where time does not drive it, or no more."""
