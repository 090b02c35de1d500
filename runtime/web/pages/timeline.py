"""The timeline: what will begin when, and what became of the last day."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from runtime.store.board import load_timeline
from runtime.web.pages.drawing import day_heat, past_columns, week_heat
from runtime.web.pages.look import page
from runtime.web.pages.route import PageRoute, frame
from runtime.web.pages.viewer import Seen
from runtime.web.site import Here
from schemas.board import PastSlot

router = APIRouter(route_class=PageRoute)


@router.get("/timeline")
def timeline(request: Request, here: Here, viewer: Seen) -> Response:
    """Time as slots."""
    with here.lender.reading() as connection:
        found = load_timeline(connection)
    columns = past_columns(found)
    return page(
        viewer,
        "timeline.html",
        **frame(request, "/timeline", cli=("ordinaut next -n 50", "ordinaut simulate"), json="/api/v1/timeline", live="revision task"),
        timeline=found,
        day=day_heat(found, viewer.zone),
        week=week_heat(found, viewer.zone),
        columns=columns,
        past=PastSlot(
            at=found.now,
            succeeded=sum(one.slot.succeeded for one in columns),
            failed=sum(one.slot.failed for one in columns),
            skipped=sum(one.slot.skipped for one in columns),
        ),
    )  # fmt: skip
