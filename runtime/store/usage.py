"""What calls used up, summed up for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from runtime.store.rows import Connection, fetch_rows
from schemas.spend import SpendBy, SpendReport, Spent, Used, UsedBy

_COUNTS: Final = (
    "calls",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_written_tokens",
    "reasoning_tokens",
)


def sum_usage(connection: Connection, by: SpendBy, since: datetime | timedelta) -> SpendReport:
    """What was used up since an instant, or in the last while."""
    [span] = fetch_rows(
        connection,
        "read_span",
        since=since if isinstance(since, datetime) else None,
        within=since if isinstance(since, timedelta) else None,
    )
    kind, _, label = by.partition(":")
    given = {"by": kind, "label": label, "since": span["since"]}
    rows = fetch_rows(connection, "sum_usage", **given)
    named = groupby(rows, key=lambda row: row["name"])
    return SpendReport(
        by=by,
        since=span["since"],
        until=span["until"],
        rows=tuple(UsedBy(name=name or None, **_together(parts)) for name, parts in named),
        total=Used(**_together(rows)),
    )


def _together(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows of several currencies, and of none where costs are not known, as one."""
    parts = list(rows)
    costs: dict[str, Spent] = {}
    for part in parts:
        if (currency := part["currency"]) is not None:
            known = costs.get(currency, Spent(currency=currency, amount=0, local=0))
            costs[currency] = Spent(
                currency=currency,
                amount=known.amount + part["cost"],
                local=known.local + part["local_cost"],
            )
    return {
        **{name: sum(part[name] for part in parts) for name in _COUNTS},
        "costs": tuple(costs[currency] for currency in sorted(costs)),
        "unknown_costs": sum(part["calls"] for part in parts if part["currency"] is None),
    }
