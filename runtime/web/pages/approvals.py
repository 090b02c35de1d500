"""What waits for a person."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from runtime.store.settling import list_unsettled
from runtime.store.sources import list_sources
from runtime.store.waits import list_asked
from runtime.web.pages.look import environment, page
from runtime.web.pages.route import PageRoute, frame
from runtime.web.pages.viewer import Seen
from runtime.web.site import Here
from schemas.asked import Asked
from schemas.unsettled import Unsettled

router = APIRouter(route_class=PageRoute)


@router.get("/approvals")
def approvals(request: Request, here: Here, viewer: Seen) -> Response:
    """Steps that ask, calls that may have happened, plans that were refused."""
    with here.lender.reading() as connection:
        asked, unsettled = list_asked(connection), list_unsettled(connection)
        sources = list_sources(connection)
    plans = [one for one in sources if one.plan_digest and one.approval is None]
    around = frame(request, "/approvals", cli=("ordinaut approve", "ordinaut settle"), json="/api/v1/approvals", live="run step approval source")  # fmt: skip
    return page(viewer, "approvals.html", **around, asked=asked, unsettled=unsettled, plans=plans)


def asked_target(one: Asked) -> str:
    """What names a step that asks, in an address; the try, if that is what asks, so that another is not answered for it."""
    named = {"run": str(one.run_id), "step": one.step, "item": one.iteration}
    return urlencode(named if one.attempt is None else {**named, "attempt": one.attempt})


def call_target(one: Unsettled) -> str:
    """What names a call that may have happened, in an address."""
    return urlencode({"run": str(one.run_id), "step": one.step, "item": one.iteration, "attempt": one.attempt})  # fmt: skip


environment().filters |= {"asked_target": asked_target, "call_target": call_target}
