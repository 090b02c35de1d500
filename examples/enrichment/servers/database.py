"""The database of the example: its schema, brought up to date when a server first needs it, and its statements by name."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, LiteralString

from mcp.server.mcpserver.exceptions import ToolError
from psycopg import Connection
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

HERE = Path(__file__).resolve().parent
SCHEMA = HERE.parent / "schema"
# Any number serves: it names the lock under which the schema is brought up to date.
_LOCK = 20261122

Row = dict[str, Any]


@cache
def statement(name: str) -> LiteralString:
    """A statement of `sql/`."""
    return (HERE / "sql" / f"{name}.sql").read_text(encoding="utf-8")


@cache
def pool() -> ConnectionPool[Connection[Row]]:
    """Connections to the database that the server was started with."""
    made = ConnectionPool(
        os.environ["ENRICHMENT_DATABASE_URL"],
        connection_class=Connection[Row],
        kwargs={"row_factory": dict_row},
        min_size=1,
        max_size=4,
        open=True,
    )
    with made.connection() as connection:
        bring_up_to_date(connection)
    return made


def bring_up_to_date(connection: Connection[Any]) -> None:
    """Apply the files of `schema/` that are not applied yet, in their order, in one transaction."""
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
        connection.execute("create table if not exists applied (file text primary key)")
        known = {row["file"] for row in connection.execute("select file from applied")}
        for file in sorted(SCHEMA.glob("*.sql")):
            if file.name not in known:
                connection.execute(file.read_bytes())
                connection.execute("insert into applied values (%s)", [file.name])


def rows(name: str, **given: Any) -> list[Row]:
    """Execute a statement in a transaction of its own, and give its rows."""
    with pool().connection() as connection:
        cursor = connection.execute(statement(name), given)
        return cursor.fetchall() if cursor.description else []


def row(name: str, **given: Any) -> Row:
    """The one row of a statement.

    Raises:
        ToolError: there is none; callers are told so.
    """
    found = rows(name, **given)
    if not found:
        raise ToolError(
            f"there is none of {', '.join(f'{name} {value}' for name, value in given.items())}"
        )
    return found[0]
