"""Webhooks, as Projects in force declare them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row

from runtime.store.pool import Connection
from runtime.store.statements import statement


@dataclass(frozen=True, slots=True)
class FoundHook:
    """A webhook of a normalised Project, and where the Project's secrets are read."""

    hook: Mapping[str, Any]
    secrets: Mapping[str, Mapping[str, Any]] | None


async def find_webhook(connection: Connection, project: str, name: str) -> FoundHook | None:
    """The webhook of this name, if a Project in force has it."""
    async with connection.cursor(row_factory=class_row(FoundHook)) as cursor:
        await cursor.execute(statement("find_webhook"), {"project": project, "name": name})
        return await cursor.fetchone()
