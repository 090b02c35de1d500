"""Calls as they are on record, one by one, for whoever keeps accounts of them."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from runtime.core.program import task_label
from runtime.errors import NotFound
from runtime.store.rows import Connection, fetch_rows
from schemas.calls import CallList, CallRecord

_NOWHERE: Final = {"after_at": None, "after_run": None, "after_step": None, "after_item": None}


def list_calls(
    connection: Connection,
    since: datetime | timedelta,
    *,
    limit: int,
    task_uid: int | None = None,
    after: str | None = None,
    with_input: bool = False,
) -> CallList:
    """Calls that were over since an instant, or in the last while, the oldest first.

    Args:
        connection: where they are.
        since: from when on.
        limit: how many at most.
        task_uid: only those of this task.
        after: where an earlier list ended.
        with_input: with their arguments.

    Raises:
        NotFound: ORD310, no list ended there.
    """
    [span] = fetch_rows(
        connection,
        "read_span",
        since=since if isinstance(since, datetime) else None,
        within=since if isinstance(since, timedelta) else None,
    )
    place = _NOWHERE if after is None else _place(after)
    rows = fetch_rows(
        connection,
        "list_calls",
        since=span["since"],
        limit=limit + 1,
        task_uid=task_uid,
        with_input=with_input,
        **place,
    )
    calls = tuple(_record(row) for row in rows[:limit])
    rest = _cursor(calls[-1]) if len(rows) > limit else None
    return CallList(since=span["since"], until=span["until"], calls=calls, next=rest)


def _record(row: Mapping[str, Any]) -> CallRecord:
    parts = {name: value for name, value in row.items() if name not in {"namespace", "name"}}
    return CallRecord(
        task=task_label(row["namespace"], row["name"]),
        **parts | {"labels": row["labels"] or {}, "params": row["params"] or {}},
    )


def _cursor(call: CallRecord) -> str:
    place = [call.finished_at.isoformat(), str(call.run_id), call.step, call.item]
    return urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _place(cursor: str) -> dict[str, Any]:
    try:
        at, run, step, item = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return {
            "after_at": datetime.fromisoformat(at),
            "after_run": UUID(run),
            "after_step": str(step),
            "after_item": int(item),
        }
    except (ValueError, TypeError, AttributeError):
        raise NotFound(
            "no list of calls ended there",
            hint="give what `next` of the list before says, and the same `since`",
        ) from None
