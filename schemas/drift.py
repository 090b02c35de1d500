"""Drift as JSON (plans, `ordinaut status` and events): what was written past git, by whom and when."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from schemas.base import Model
from schemas.rules import HealPolicy

Strayed = Literal["content", "name", "owner", "protected", "retired", "revision", "schedule"]
"""What of a row differs from what was applied: its body, its kind, namespace or name, its project or environment, its protection, whether it is in force, which revision wrote it, or when its task fires next."""


class StrayWrite(Model):
    """The last write of a row that came from no apply, as far as the database noticed it."""

    changed_at: AwareDatetime | None = None
    """When; null where nothing of it was noticed."""
    role: str | None = None
    """The database role that wrote."""
    application: str | None = None
    """What its session called itself; may be empty."""
    address: str | None = None
    """Where it came from; null for a session on the server's own machine."""


class Drift(StrayWrite):
    """A document whose row differs from what was applied."""

    document: str
    """The document, as `Kind/name` or `Kind/namespace/name`."""
    project: str
    """Its project."""
    environment: str
    """The environment."""
    policy: HealPolicy
    """What becomes of it."""
    differs: tuple[Strayed, ...] = ()
    """What of it differs."""
    detected_at: AwareDatetime
    """When a runtime found it."""


class DriftList(Model):
    """What was written past git."""

    drift: tuple[Drift, ...]
    """What stands."""
