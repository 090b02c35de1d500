"""What `ordinaut doctor --json` prints: what was looked at, and what of it is not as it should be."""

from __future__ import annotations

from pydantic import AwareDatetime

from schemas.base import Model
from schemas.problem import Severity


class Finding(Model):
    """Something that does not work, will not, or could be lost."""

    check: str
    """Which look found it; these names do not change."""
    severity: Severity
    """Error: something does not work, or what was acknowledged can be lost. Warning: it will hurt. Note: good to know."""
    what: str
    """What was found, with names and numbers."""
    why: str
    """Why it matters."""
    remedy: str
    """What to do."""


class Examination(Model):
    """What an installation was found to be like."""

    examined_at: AwareDatetime
    """When, by the clock of the machine that looked."""
    version: str
    """The version of the program that looked."""
    database: str | None = None
    """PostgreSQL's version, and where it is; none where it did not answer."""
    redis: str | None = None
    """The version of Redis or Valkey, and where it is; none where it did not answer."""
    checks: tuple[str, ...]
    """Everything that was looked at."""
    findings: tuple[Finding, ...]
    """What was found, the worst first."""
