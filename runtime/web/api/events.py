"""The event log: what happened, newest first."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from runtime.listing import page_of_events
from runtime.store.event_pages import Sought
from runtime.web.api.route import ThreadRoute
from runtime.web.auth import needs
from runtime.web.paging import Cursor, Limit, link_next
from runtime.web.problems import refusals
from runtime.web.site import Here
from schemas.event_log import EventPage

router = APIRouter(
    route_class=ThreadRoute,
    tags=["events"],
    dependencies=[needs("read")],
    responses=refusals(401, 403, 404, 422, 429, 503),
)


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
    with here.lender.reading() as connection:
        page, more = page_of_events(
            connection, Sought(type_, subject, run_id), limit=limit, cursor=cursor
        )
    link_next(request, response, more)
    return page
