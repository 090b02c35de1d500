"""The tool server of the partner network: reads an export of opportunities, as Partner Central gives it to whoever has an account.

The export is a CSV file, named by the variable PARTNER_EXPORT; the one in `data/` is invented.
"""

from __future__ import annotations

import csv
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from mcp.server.mcpserver import MCPServer

EXPORT: Final = Path(os.environ["PARTNER_EXPORT"])
WRITTEN: Final = "Last Modified Date"
IDENTITY: Final = "Opportunity ID"

server = MCPServer("partner-export")


def rows_since(since: str) -> list[dict[str, str]]:
    """What was modified since an instant, in an order that does not depend on the file's; and what does not say when it was."""
    with EXPORT.open(encoding="utf-8-sig", newline="") as file:
        rows = [{**row, WRITTEN: in_utc(row[WRITTEN])} for row in csv.DictReader(file)]
    chosen = [row for row in rows if not row[WRITTEN] or row[WRITTEN] >= since]
    return sorted(chosen, key=lambda row: row[IDENTITY])


def in_utc(written: str) -> str:
    """An instant as texts that can be compared: with an offset or without one, which is UTC."""
    if not written:
        return ""
    at = datetime.fromisoformat(written)
    return f"{at.astimezone(UTC) if at.tzinfo else at:%Y-%m-%d %H:%M:%S}"


@server.tool()
def describe() -> dict[str, Any]:
    """The columns, and what their values look like: number, date, datetime, text or empty."""
    with EXPORT.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        rows, names = list(reader), reader.fieldnames or ()
    return {
        "fields": [
            {"name": name, "type": kind_of([row[name] for row in rows if row[name]])}
            for name in names
        ]
    }


def kind_of(values: list[str]) -> str:
    """The narrowest kind that all values are of; `empty` where there are none."""
    if not values:
        return "empty"
    kinds = {
        "number": float,
        "date": date.fromisoformat,
        "datetime": datetime.fromisoformat,
    }
    for kind, read in kinds.items():
        try:
            for value in values:
                read(value)
        except ValueError:
            continue
        return kind
    return "text"


@server.tool()
def pages(since: str, size: int = 1000) -> dict[str, Any]:
    """How much there is since an instant, and in which batches to read it."""
    found = rows_since(since)
    numbers = range(-(-len(found) // size))
    return {
        "total": len(found),
        "newest": max((row[WRITTEN] for row in found), default=None) or None,
        "pages": [{"number": number + 1, "offset": number * size} for number in numbers],
    }


@server.tool()
def read(since: str, offset: int, limit: int = 1000) -> dict[str, Any]:
    """A batch of opportunities."""
    return {"records": rows_since(since)[offset : offset + limit]}


if __name__ == "__main__":
    server.run()
