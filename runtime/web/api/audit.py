"""Who did what."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from runtime.cursors import bad_cursor, cursor_of, place_in
from runtime.store.audit import NEWEST, Sought, list_audit
from runtime.web.api.route import ThreadRoute
from runtime.web.auth import needs
from runtime.web.paging import Cursor, Limit, link_next
from runtime.web.problems import refusals
from runtime.web.site import Here
from schemas.audit import AuditList

router = APIRouter(
    route_class=ThreadRoute,
    tags=["audit"],
    dependencies=[needs("read")],
    responses=refusals(401, 403, 404, 422, 429, 503),
)

_KIND = "audit"
_DIGITS = 18
Text = Annotated[str | None, Query(min_length=1, max_length=256)]


@router.get("/audit", operation_id="listAudit")
def list_all(
    *,
    request: Request,
    response: Response,
    here: Here,
    actor: Text = None,
    action: Text = None,
    subject: Text = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> AuditList:
    """Entries of the audit log, newest first, as `ordinaut audit` lists them."""
    before = NEWEST if cursor is None else _entry(place_in(_KIND, cursor))
    sought = Sought(actor=actor, action=action, subject=subject, before=before, limit=limit + 1)
    with here.lender.reading() as connection:
        found = list_audit(connection, sought)
    more = cursor_of(_KIND, str(found[limit - 1].entry)) if len(found) > limit else None
    link_next(request, response, more)
    return AuditList(entries=found[:limit])


def _entry(place: str) -> int:
    if not (place.isascii() and place.isdecimal() and len(place) <= _DIGITS):
        raise bad_cursor()
    return int(place)
