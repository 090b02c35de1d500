"""Who did what."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from runtime.store.audit import NEWEST, Sought, list_audit
from runtime.web.pages.look import page
from runtime.web.pages.route import PageRoute, frame
from runtime.web.pages.viewer import Seen
from runtime.web.site import Here
from schemas.audit import AuditEntry

router = APIRouter(route_class=PageRoute)

_PAGE: Final = 50


@router.get("/audit")
def audit(
    request: Request, here: Here, viewer: Seen, before: Annotated[int, Query(ge=1, le=NEWEST)] = NEWEST
) -> Response:  # fmt: skip
    """The audit log, newest first."""
    with here.lender.reading() as connection:
        found = list_audit(connection, Sought(before=before, limit=_PAGE + 1))
    older = found[_PAGE - 1].entry if len(found) > _PAGE else None
    return page(
        viewer,
        "audit.html",
        **frame(request, "/audit", cli=("ordinaut audit", "ordinaut audit verify"), json="/api/v1/audit", live="run task approval revision" if before == NEWEST else ""),
        entries=[_shown(one) for one in found[:_PAGE]],
        first_page="/audit" if before != NEWEST else None,
        next_page=f"/audit?before={older}" if older else None,
    )  # fmt: skip


def _shown(entry: AuditEntry) -> SimpleNamespace:
    task = entry.details.get("task")
    subject = f"{entry.subject} of {task}" if task and task != entry.subject else entry.subject
    return SimpleNamespace(
        no=entry.entry,
        at=entry.at,
        actor=entry.actor,
        action=entry.action,
        subject=subject,
        origin=entry.origin if entry.token is None else f"{entry.origin}, token {entry.token}",
        reason=entry.reason,
    )
