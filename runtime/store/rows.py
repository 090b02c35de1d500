"""What commands ask of the database: rows by the name of a statement, on the one connection that a command has."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import DictRow, TupleRow, dict_row

from runtime.store.statements import statement

Connection = psycopg.Connection[TupleRow]
"""That of a command, mostly in autocommit mode."""


def fetch_rows(connection: Connection, name: str, /, **params: Any) -> list[DictRow]:
    """Execute the statement of this name; its rows by column."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement(name), params).fetchall()
