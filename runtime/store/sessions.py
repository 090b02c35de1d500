"""Sessions of the dashboard and the links that begin them, by their digests: neither can be read out of the database."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from runtime.store.rows import Connection, fetch_rows
from runtime.store.statements import statement
from runtime.store.tokens import digest_of
from schemas.token import Scope

SESSION_LIFETIME: Final = timedelta(hours=12)
LINK_LIFETIME: Final = timedelta(minutes=5)
_RANDOM_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in.

    Attributes:
        name: what their actions are attributed to.
        scopes: what they may do.
        token_id: the token that they signed in with; None for a link.
        expires_at: when that is over.
        now: the database's clock.
    """

    name: str
    scopes: frozenset[Scope]
    token_id: int | None
    expires_at: datetime
    now: datetime


def add_sign_in_link(connection: Connection, name: str, scopes: Collection[Scope]) -> str:
    """Make a link's secret, which signs in whoever shows it first, within five minutes."""
    secret = secrets.token_urlsafe(_RANDOM_BYTES)
    given = {"digest": digest_of(secret), "name": name, "scopes": sorted(scopes)}
    connection.execute(statement("add_sign_in_link"), given | {"lifetime": LINK_LIFETIME})
    return secret


def use_sign_in_link(connection: Connection, secret: str) -> tuple[str, frozenset[Scope]] | None:
    """Whom the link signs in, and for what; None if it was used, is over, or was none."""
    rows = fetch_rows(connection, "use_sign_in_link", digest=digest_of(secret))
    return (rows[0]["name"], frozenset(rows[0]["scopes"])) if rows else None


def add_session(
    connection: Connection, name: str, scopes: Collection[Scope], *, token_id: int | None
) -> str:
    """Begin a session; its secret."""
    secret = secrets.token_urlsafe(_RANDOM_BYTES)
    given = {"digest": digest_of(secret), "name": name, "scopes": sorted(scopes)}
    lifetime = {"token_id": token_id, "lifetime": SESSION_LIFETIME}
    connection.execute(statement("add_session"), given | lifetime)
    return secret


def find_session(connection: Connection, secret: str) -> Session | None:
    """Who is signed in with this secret; None if nobody is, or no more."""
    rows = fetch_rows(connection, "find_session", digest=digest_of(secret))
    return Session(**{**rows[0], "scopes": frozenset(rows[0]["scopes"])}) if rows else None


def end_session(connection: Connection, secret: str) -> bool:
    """Sign out; whether there was such a session."""
    return bool(fetch_rows(connection, "end_session", digest=digest_of(secret)))
