"""Requests that must have their effect once: who claims one, and what it was answered."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.store.rows import Connection, fetch_rows
from runtime.store.statements import statement


@dataclass(frozen=True, slots=True)
class Keyed:
    """A request with an idempotency key.

    Attributes:
        token_id: whose key it is.
        key: the key.
        fingerprint: the operation and its arguments, as a digest.
    """

    token_id: int
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """What a request was answered.

    Attributes:
        fingerprint: of the request.
        status: the HTTP status.
        answer: the body.
    """

    fingerprint: bytes
    status: int
    answer: str


def claim_request(connection: Connection, asked: Keyed) -> bool:
    """Be the only one at work on it until the end of the transaction; false if somebody else is."""
    where = {"token_id": asked.token_id, "key": asked.key}
    return bool(fetch_rows(connection, "claim_request", **where)[0]["is_ours"])


def find_request(connection: Connection, asked: Keyed) -> Answered | None:
    """What a request with this key was answered in the last 24 hours."""
    rows = fetch_rows(connection, "find_request", token_id=asked.token_id, key=asked.key)
    return Answered(**rows[0]) if rows else None


def record_request(connection: Connection, asked: Keyed, status: int, answer: str) -> None:
    """Record what it is answered, in the transaction of its effect."""
    params = {"token_id": asked.token_id, "key": asked.key, "fingerprint": asked.fingerprint}
    connection.execute(statement("record_request"), params | {"status": status, "answer": answer})
