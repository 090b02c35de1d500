"""The overview, and queue and health: what `ordinaut status` says, for the eye."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from runtime.store.board import list_open_runs, list_standings, roll_up
from runtime.store.rows import Connection
from runtime.store.runs import list_runs
from runtime.store.status import load_status
from runtime.web.pages.look import page
from runtime.web.pages.route import PageRoute, frame
from runtime.web.pages.viewer import Seen
from runtime.web.site import Here
from schemas.status import BusStatus, Status

router = APIRouter(route_class=PageRoute)

_UPCOMING: Final = 8
_FAILURES: Final = 6
_ACTIVE: Final = 50


_LOOKS: Final = {
    "well": ("ok", "check"),
    "attention": ("wait", "alert"),
    "trouble": ("bad", "cross"),
}


@router.get("/")
def overview(request: Request, here: Here, viewer: Seen) -> Response:
    """Everything at a glance."""
    with here.lender.reading() as connection:
        standings = list_standings(connection)
        status = _status(connection, here.config.stream, standings)
        failures = list_runs(connection, task_uid=None, states=["failed"], limit=_FAILURES).runs
    return page(
        viewer,
        "overview.html",
        **frame(request, "/", cli=("ordinaut status",), json="/api/v1/status", live="run task revision source drift approval"),
        look=_LOOKS[status.verdict.state],
        status=status,
        namespaces=roll_up(standings),
        failures=failures,
        sources={(one.project, one.environment): one for one in status.sources},
        plans=sum(one.plan_digest is not None and one.approval is None for one in status.sources),
        alive=sum(one.alive for one in status.runtimes),
        upcoming=[one for one in status.tasks if one.next_for and one.paused_at is None],
    )  # fmt: skip


@router.get("/health")
def health(request: Request, here: Here, viewer: Seen) -> Response:
    """The queue, who works on it, and what is still to be told."""
    with here.lender.reading() as connection:
        status = _status(connection, here.config.stream)
        active = list_open_runs(connection, limit=_ACTIVE)
    around = frame(request, "/health", cli=("ordinaut status", "ordinaut doctor"), json="/api/v1/status", live="run runtime")  # fmt: skip
    return page(viewer, "health.html", **around, status=status, active=active)


def _status(
    connection: Connection, stream: str, standings: Sequence[Mapping[str, Any]] | None = None
) -> Status:
    # Redis is not asked: this process needs the database alone.
    return load_status(connection, BusStatus(stream=stream), limit=_UPCOMING, standings=standings)
