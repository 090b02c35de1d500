"""Tool servers in force, and how calls of them went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from runtime.core.program import task_label
from runtime.store.rows import Connection, fetch_rows

_DAY: Final = timedelta(days=1)
_OK: Final = "ok"


@dataclass(slots=True)
class Calls:
    """How calls of a server went.

    Attributes:
        outcomes: how many ended how.
        last_ok_at: when one succeeded last.
        last_failed_at: when one ended otherwise.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    last_ok_at: datetime | None = None
    last_failed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LiveServer:
    """A tool server in force.

    Attributes:
        namespace, name: its identity.
        body: its document; whatever the row holds.
        now: the database's clock.
        calls: of the runs of the last 24 hours.
    """

    namespace: str
    name: str
    body: Mapping[str, Any]
    now: datetime
    calls: Calls

    @property
    def label(self) -> str:
        """Its name, as `namespace/name` outside the default namespace."""
        return task_label(self.namespace, self.name)


def list_servers(
    connection: Connection, *, after: tuple[str, str] = ("", ""), limit: int
) -> Sequence[LiveServer]:
    """Tool servers by namespace and name, from a place on."""
    place = {"after_namespace": after[0], "after_name": after[1]}
    rows = fetch_rows(connection, "list_servers", **place, limit=limit)
    calls = _calls(connection) if rows else {}
    return [
        LiveServer(**row, calls=calls.get(task_label(row["namespace"], row["name"]), Calls()))
        for row in rows
    ]


def _calls(connection: Connection) -> dict[str, Calls]:
    found: dict[str, Calls] = {}
    for row in fetch_rows(connection, "count_outcomes", span=_DAY):
        calls = found.setdefault(row["server"], Calls())
        calls.outcomes[row["outcome"]] += row["calls"]
        if row["outcome"] == _OK:
            calls.last_ok_at = row["last_at"]
        else:
            calls.last_failed_at = max(row["last_at"], calls.last_failed_at or row["last_at"])
    return found
