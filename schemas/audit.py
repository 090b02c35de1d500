"""The audit log: who did what, from where and why, and whether the chain of its entries is whole."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime

from schemas.base import Model

Origin = Literal["cli", "api", "dashboard", "mcp", "sync", "event", "webhook", "runtime"]
"""By which way something was done: `event` is a decision that an event took, `runtime` what a policy of a spec does by itself."""

Action = Literal[
    "task.run",
    "task.backfill",
    "task.pause",
    "task.resume",
    "task.snooze",
    "run.rerun",
    "run.cancel",
    "step.approve",
    "step.refuse",
    "step.settle",
    "event.emit",
    "events.replay",
    "change.propose",
    "change.merge",
    "change.refuse",
    "plan.approve",
    "plan.withdraw",
    "hold.clear",
    "revision.apply",
    "revision.rollback",
    "revision.heal",
    "revision.adopt",
    "token.create",
    "token.revoke",
    "session.invite",
    "session.begin",
    "session.end",
    "schema.migrate",
]
"""What was done, and to what kind of thing."""


class AuditEntry(Model):
    """One entry of the audit log."""

    entry: int
    """Its number: in the order of commits, without a gap."""
    at: AwareDatetime
    """When it was written, by the database's clock."""
    actor: str
    """Who did it."""
    origin: str
    """By which way."""
    token: str | None = None
    """The name of the API token that was used."""
    address: str | None = None
    """Where the request came from."""
    action: str
    """What was done."""
    subject: str
    """To what: a task's name, a run's id, a revision such as r7, a topic, a project and its environment."""
    reason: str = ""
    """Why, as whoever did it says."""
    details: dict[str, Any]
    """What else there is to know, such as the task of a run."""
    hash: str
    """sha256 of the hash before and of this entry, in hexadecimal."""


class AuditList(Model):
    """What `ordinaut audit --json` prints. Fields are only ever added within a format."""

    format: Literal["ordinaut.dev/audit/v1"] = "ordinaut.dev/audit/v1"
    """This format."""
    entries: tuple[AuditEntry, ...]
    """The newest that were asked for, newest first."""


class BrokenChain(Model):
    """Where the chain of the audit log does not hold."""

    entry: int
    """The number of the first entry that is not what was written, or is missing."""
    what: str
    """What is wrong with it."""


class AuditVerification(Model):
    """What `ordinaut audit verify --json` prints. Fields are only ever added within a format."""

    format: Literal["ordinaut.dev/audit-verification/v1"] = "ordinaut.dev/audit-verification/v1"
    """This format."""
    verified: int
    """How many entries were read and hold."""
    first: int | None = None
    """The first of them."""
    last: int | None = None
    """The last of them."""
    hash: str | None = None
    """The hash of the last: note it elsewhere, and `--since LAST:HASH` proves later that nothing up to it was rewritten."""
    broken: BrokenChain | None = None
    """The first place that does not hold; none where everything does."""
