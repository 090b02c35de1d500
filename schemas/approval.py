"""Who let a plan pass that `ordinaut sync` was refused, as JSON."""

from __future__ import annotations

from pydantic import AwareDatetime

from schemas.base import Model


class Approval(Model):
    """Who let a plan pass that was refused."""

    digest: str
    """The digest of that plan, and of no other."""
    actor: str
    """Who."""
    reason: str
    """Why; may be empty."""
    approved_at: AwareDatetime
    """When."""
    refusals: tuple[str, ...] = ()
    """What refused the plan then, in the words of a source's `refusals`: what refuses it only since is not passed."""
