"""Answers of tools that steps may reuse."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from runtime.store.pool import Pool, borrow, fetch_all
from runtime.store.statements import statement

_FORGOTTEN_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool answered.

    Attributes:
        output: the result of its call, any JSON value.
        size: bytes of that.
        made_at: when it was given.
    """

    output: Any
    size: int
    made_at: datetime


class Answers:
    """The answers that this database keeps."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, key: bytes, ttl: timedelta) -> Answer | None:
        """What was answered to a call less than `ttl` ago, if it is kept."""
        rows = await fetch_all(self._pool, statement("find_answer"), {"key": key, "ttl": ttl})
        return Answer(**rows[0]) if rows else None

    async def keep(self, key: bytes, output: Any, size: int, ttl: timedelta) -> None:
        """Keep what was answered for so long."""
        kept = {"key": key, "output": Jsonb(output), "size": size, "ttl": ttl}
        async with borrow(self._pool) as connection:
            await connection.execute(statement("keep_answer"), kept)


async def forget_answers(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Delete some of those that are kept no longer; whether there may be more."""
    cursor = await connection.execute(statement("forget_answers"), {"limit": _FORGOTTEN_AT_ONCE})
    return cursor.rowcount == _FORGOTTEN_AT_ONCE
