"""What waits for people: steps that ask for a decision, and calls of which nobody knows whether they happened."""

from __future__ import annotations

from fastapi import APIRouter

from runtime.store.settling import list_unsettled
from runtime.store.waits import list_asked
from runtime.web.api.route import ThreadRoute
from runtime.web.auth import needs
from runtime.web.problems import refusals
from runtime.web.site import Here
from schemas.asked import AskedList
from schemas.unsettled import UnsettledList

router = APIRouter(
    route_class=ThreadRoute,
    tags=["approvals"],
    dependencies=[needs("read")],
    responses=refusals(401, 403, 422, 429, 503),
)


@router.get("/approvals", operation_id="listApprovals")
def list_approvals(here: Here) -> AskedList:
    """Steps that wait for a decision, oldest first, as `ordinaut approve` lists them; plans that wait are among the sources."""
    with here.lender.reading() as connection:
        return AskedList(steps=tuple(list_asked(connection)))


@router.get("/unsettled", operation_id="listUnsettled")
def list_calls(here: Here) -> UnsettledList:
    """Calls that may have happened, oldest first, as `ordinaut settle` lists them."""
    with here.lender.reading() as connection:
        return UnsettledList(calls=tuple(list_unsettled(connection)))
