"""Time: what will begin when, and what became of the last day."""

from __future__ import annotations

from fastapi import APIRouter

from runtime.store.board import load_timeline
from runtime.web.api.route import ThreadRoute
from runtime.web.auth import needs
from runtime.web.problems import refusals
from runtime.web.site import Here
from schemas.board import Timeline

router = APIRouter(
    route_class=ThreadRoute,
    tags=["overview"],
    dependencies=[needs("read")],
    responses=refusals(401, 403, 422, 429, 503),
)


@router.get("/timeline", operation_id="getTimeline")
def get_timeline(here: Here) -> Timeline:
    """How many runs begin in each slot of the next day and week, of all tasks that time drives; and the last day by the hour."""
    with here.lender.reading() as connection:
        return load_timeline(connection)
