"""Tokens of the web side as JSON (`ordinaut token`): what each may do, and until when."""

from __future__ import annotations

import re
from typing import Final, Literal

from pydantic import AwareDatetime

from schemas.base import Model

TOKEN_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
"""What a token may be called."""

Scope = Literal["read", "operate", "approve", "emit", "propose", "admin"]
"""What a token lets its bearer do: look; run, pause, cancel; answer what waits; tell of events; propose changes of specs; all of
it, and tokens."""


class Token(Model):
    """What is known of a token; not the token itself."""

    name: str
    """What its actions are attributed to."""
    scopes: tuple[Scope, ...]
    """What it may do."""
    created_by: str
    """Who made it."""
    created_at: AwareDatetime
    """When."""
    expires_at: AwareDatetime
    """From when on it is refused."""
    last_used_at: AwareDatetime | None = None
    """When it was used, to the hour; null where it never was."""
    revoked_by: str | None = None
    """Who revoked it; null while nobody has."""
    revoked_at: AwareDatetime | None = None
    """When it was revoked."""


class NewToken(Token):
    """A token that was just made."""

    token: str
    """The token itself: it is shown this once, and kept nowhere."""


class TokenList(Model):
    """Every token, those in force first."""

    tokens: tuple[Token, ...]
    """The tokens; revoked ones last."""
