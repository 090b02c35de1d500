"""The event log: what happened, newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from runtime.store.event_pages import Sought, list_events
from runtime.web.api.route import ThreadRoute
from runtime.web.auth import needs
from runtime.web.paging import Cursor, Limit, bad_cursor, cursor_of, link_next, place_in
from runtime.web.problems import refusals
from runtime.web.site import Here
from schemas.event_log import EventPage

router = APIRouter(
    route_class=ThreadRoute,
    tags=["events"],
    dependencies=[needs("read")],
    responses=refusals(401, 403, 404, 422, 429, 503),
)

_KIND = "event"
_MAX_NUMBER = 2**63 - 1


@router.get("/events", operation_id="listEvents")
def list_all(
    *,
    request: Request,
    response: Response,
    here: Here,
    type_: Annotated[
        str | None,
        Query(
            alias="type",
            max_length=64,
            pattern="^[a-z_.]+$",
            description="A type without its prefix, such as `run.failed`, or the beginning of some: `run.`.",
        ),
    ] = None,
    subject: Annotated[
        str | None,
        Query(max_length=256, description="Of this task, or whatever else events are about."),
    ] = None,
    run_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> EventPage:
    """Events as they are on the stream, newest first; they are kept as long as `keep_events` says."""
    before = None if cursor is None else _place(place_in(_KIND, cursor))
    with here.lender.reading() as connection:
        found = list_events(connection, Sought(type_, subject, run_id, before), limit=limit + 1)
    page = found[:limit]
    last = page[-1] if len(found) > limit else None
    cursor = None if last is None else cursor_of(_KIND, f"{last.time.isoformat()}/{last.sequence}")
    link_next(request, response, cursor)
    return EventPage(events=page)


def _place(place: str) -> tuple[datetime, int]:
    moment, _, number = place.partition("/")
    try:
        at, sequence = datetime.fromisoformat(moment), int(number)
    except ValueError:
        raise bad_cursor() from None
    if at.tzinfo is None or not 0 <= sequence <= _MAX_NUMBER:
        raise bad_cursor()
    return at, sequence
