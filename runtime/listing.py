"""Pages of tasks, runs and events, each with the cursor that the next one is asked for with; None on the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from runtime.cursors import bad_cursor, cursor_of, place_in
from runtime.lookup import resolve_task
from runtime.store.board import Wanted, load_board
from runtime.store.event_pages import Sought, list_events
from runtime.store.rows import Connection
from runtime.store.runs import list_runs
from schemas.board import Board
from schemas.event_log import EventPage
from schemas.run import RunList

_TASK: Final = "task"
_RUN: Final = "run"
_EVENT: Final = "event"
_MAX_NUMBER: Final = 2**63 - 1


def page_of_tasks(
    connection: Connection, wanted: Wanted, *, limit: int, cursor: str | None
) -> tuple[Board, str | None]:
    """Tasks by name.

    Raises:
        NotFound: ORD310, the cursor leads nowhere.
    """
    after = None if cursor is None else place_in(_TASK, cursor)
    board = load_board(connection, replace(wanted, after=after), limit=limit)
    return board, board.after and cursor_of(_TASK, board.after)


def page_of_runs(
    connection: Connection,
    *,
    task: str | None,
    states: Sequence[str],
    limit: int,
    cursor: str | None,
    quarantined: bool = False,
) -> tuple[RunList, str | None]:
    """Runs, newest first.

    Raises:
        NotFound: ORD310, there is no such task, or the cursor leads nowhere.
    """
    before = None if cursor is None else _run_id(place_in(_RUN, cursor))
    uid = None if task is None else resolve_task(connection, task).uid
    found = list_runs(
        connection,
        task_uid=uid,
        states=states,
        limit=limit + 1,
        quarantined=quarantined,
        before=before,
    )
    page = found.runs[:limit]
    more = cursor_of(_RUN, str(page[-1].run_id)) if len(found.runs) > limit else None
    return RunList(now=found.now, runs=page), more


def page_of_events(
    connection: Connection, sought: Sought, *, limit: int, cursor: str | None
) -> tuple[EventPage, str | None]:
    """Events, newest first.

    Raises:
        NotFound: ORD310, the cursor leads nowhere.
    """
    before = None if cursor is None else _event(place_in(_EVENT, cursor))
    found = list_events(connection, replace(sought, before=before), limit=limit + 1)
    page = found[:limit]
    if len(found) <= limit:
        return EventPage(events=page), None
    return EventPage(events=page), cursor_of(
        _EVENT, f"{page[-1].time.isoformat()}/{page[-1].sequence}"
    )


def _run_id(place: str) -> UUID:
    try:
        return UUID(place)
    except ValueError:
        raise bad_cursor() from None


def _event(place: str) -> tuple[datetime, int]:
    moment, _, number = place.partition("/")
    try:
        at, sequence = datetime.fromisoformat(moment), int(number)
    except ValueError:
        raise bad_cursor() from None
    if at.tzinfo is None or not 0 <= sequence <= _MAX_NUMBER:
        raise bad_cursor()
    return at, sequence
