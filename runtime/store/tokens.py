"""Tokens of the web side, by their digests."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from runtime.actor import Actor
from runtime.errors import NotFound, OrdinautError
from runtime.store.audit import Deed, write_audit
from runtime.store.rows import Connection, fetch_rows
from runtime.store.statements import statement
from schemas.token import NewToken, Scope, Token

PREFIX: Final = "ord_"
"""What tokens begin with, so that scanners of code and logs know one where it does not belong."""
_RANDOM_BYTES: Final = 32


class TokenTaken(OrdinautError):
    """A token of this name is in use."""

    default_code = "ORD318"


@dataclass(frozen=True, slots=True)
class KnownToken:
    """A token in force.

    Attributes:
        token_id: its row.
        name: what its actions are attributed to.
        scopes: what it may do.
        is_stale: its last use should be noted again.
    """

    token_id: int
    name: str
    scopes: frozenset[Scope]
    is_stale: bool


def digest_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def add_token(
    connection: Connection,
    name: str,
    scopes: Sequence[Scope],
    lifetime: timedelta,
    *,
    actor: Actor,
) -> NewToken:
    """Make a token.

    Args:
        connection: the database.
        name: lower-case letters, digits, dots, hyphens and underscores.
        scopes: what it may do.
        lifetime: how long.
        actor: who asks.

    Raises:
        TokenTaken: ORD318, one of this name is not revoked.
    """
    token = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    params = {"name": name, "scopes": list(dict.fromkeys(scopes)), "lifetime": lifetime}
    with connection.transaction():
        rows = fetch_rows(
            connection, "add_token", digest=digest_of(token), actor=actor.name, **params
        )
        if rows:
            facts = {"scopes": params["scopes"], "expires_at": rows[0]["expires_at"].isoformat()}
            write_audit(connection, actor, Deed("token.create", name, details=facts))
    if not rows:
        raise TokenTaken(
            f"there is a token {name} already",
            hint=f"`ordinaut token revoke {name}` ends it, or take another name",
        )
    return NewToken.model_validate({**rows[0], "token": token})


def find_token(connection: Connection, token: str) -> KnownToken | None:
    """The token that this is; None if there is none, or it was revoked, or has expired."""
    rows = fetch_rows(connection, "find_token", digest=digest_of(token))
    return KnownToken(**{**rows[0], "scopes": frozenset(rows[0]["scopes"])}) if rows else None


def note_token_use(connection: Connection, token_id: int) -> None:
    """Note that a token is used, unless that was noted within the hour."""
    connection.execute(statement("note_token_use"), {"token_id": token_id})


def list_tokens(connection: Connection) -> tuple[Token, ...]:
    """Every token, those in force first."""
    return tuple(Token.model_validate(row) for row in fetch_rows(connection, "list_tokens"))


def revoke_token(connection: Connection, name: str, *, actor: Actor) -> Token:
    """Refuse a token from now on.

    Raises:
        NotFound: ORD310, no token of this name is in force.
    """
    with connection.transaction():
        rows = fetch_rows(connection, "revoke_token", name=name, actor=actor.name)
        if rows:
            write_audit(connection, actor, Deed("token.revoke", name))
    if not rows:
        raise NotFound(
            f"there is no token {name} to be revoked",
            hint="`ordinaut token list` shows those there are",
        )
    return Token.model_validate(rows[0])
