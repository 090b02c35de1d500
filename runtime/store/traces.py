"""Reads runs that are over for their spans, and keeps how far that has come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from runtime.core.traces import TracedRun
from runtime.store.event_log import Position
from runtime.store.rows import Connection, fetch_rows

HOLD: Final = timedelta(seconds=30)
"""How long a place stays with a process that says nothing."""
MOST_RESULTS: Final = 1_000
"""How many results of one run become spans."""
_READER: Final = "traces"
# A collector that was away for longer is not told of what was then.
_OLDEST: Final = timedelta(days=1)
_GOES_ON: Final = ("input_required", "task")


def hold_position(connection: Connection, holder: UUID) -> Position | None:
    """Where the last exporter was; None while another process is one. One that was left long ago begins anew.

    Raises:
        StoreError: the database is away, or refused.
    """
    place = {"reader": _READER, "holder": holder, "hold": HOLD}
    rows = fetch_rows(connection, "hold_log_position", **place)
    if not rows:
        return None
    [row] = rows
    if row["age"] <= _OLDEST:
        return Position(row["top"], row["at"], tuple(row["missing"]))
    [head] = fetch_rows(connection, "read_log_head")
    return Position(head["top"], head["now"])


def keep_position(connection: Connection, holder: UUID, position: Position) -> bool:
    """Say how far the exporter has come, and that it is there; false if another has its place."""
    return bool(
        fetch_rows(
            connection,
            "keep_log_position",
            reader=_READER,
            holder=holder,
            hold=HOLD,
            top=position.top,
            at=position.at,
            missing=list(position.missing),
        )
    )


def leave_position(connection: Connection, holder: UUID) -> None:
    """Let another process have the place at once."""
    fetch_rows(connection, "leave_log_position", reader=_READER, holder=holder)


def load_traced_runs(connection: Connection, run_ids: Iterable[UUID]) -> list[TracedRun]:
    """These runs, as far as they began, are over and still on record."""
    which = {"run_ids": list(run_ids)}
    runs = fetch_rows(connection, "list_traced_runs", **which)
    if not runs:
        return []
    results = _by_run(fetch_rows(connection, "list_traced_results", **which, most=MOST_RESULTS))
    attempts = _by_run(
        fetch_rows(connection, "list_traced_attempts", **which, goes_on=list(_GOES_ON))
    )
    usage = _by_run(fetch_rows(connection, "list_traced_usage", **which))
    return [
        TracedRun(
            run,
            results=(own := results.get(run["run_id"], ())),
            attempts=attempts.get(run["run_id"], ()),
            usage=usage.get(run["run_id"], ()),
            left_out=own[0]["results"] - len(own) if own else 0,
        )
        for run in runs
    ]


def _by_run(rows: Sequence[Mapping[str, Any]]) -> dict[UUID, list[Mapping[str, Any]]]:
    def run_of(row: Mapping[str, Any]) -> UUID:
        run: UUID = row["run_id"]
        return run

    return {run: list(own) for run, own in groupby(sorted(rows, key=run_of), key=run_of)}
