"""Late binding: a table out of all that is kept, by a mapping, as often as the mapping changes."""

from __future__ import annotations

from typing import Any, Literal

from database import pool, statement
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from psycopg import sql
from pydantic import BaseModel, ConfigDict

server = MCPServer("consolidation")


class Column(BaseModel):
    """A column: where it is found in what is known of a row, and its type."""

    model_config = ConfigDict(extra="forbid")

    path: str
    type: Literal["text", "boolean", "integer", "numeric"] = "text"


@server.tool()
def build(table: str, columns: dict[str, Column], unique: str) -> dict[str, Any]:
    """Make the table `consolidated.TABLE` anew. Of a client's rows with the same `unique` column, the first counts."""
    if unique not in columns:
        raise ToolError(f"there is no column {unique} to be unique")
    new, old = (
        sql.Identifier("consolidated", f"{table} (new)"),
        sql.Identifier("consolidated", table),
    )
    found = [
        sql.SQL(statement("column")).format(
            path=sql.Literal(column.path), type=sql.SQL(column.type), name=sql.Identifier(name)
        )
        for name, column in columns.items()
    ]
    query = sql.SQL(statement("consolidate")).format(
        table=new,
        columns=sql.SQL(", ").join(found),
        names=sql.SQL(", ").join(map(sql.Identifier, columns)),
        unique=sql.Identifier(unique),
    )
    replacing = sql.SQL(statement("replace_table")).format(
        old=old, new=new, name=sql.Identifier(table)
    )
    with pool().connection() as connection:
        made = connection.execute(query).rowcount
        connection.execute(replacing)
    return {"table": f"consolidated.{table}", "rows": made, "columns": list(columns)}


if __name__ == "__main__":
    server.run()
