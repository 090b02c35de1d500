"""Everything at a glance: the state of the installation, drift, and what calls cost."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from runtime.health import bus_status
from runtime.lookup import resolve_task
from runtime.store.calls import list_calls
from runtime.store.drift import list_drift
from runtime.store.status import load_status
from runtime.store.usage import sum_usage
from runtime.web.api.route import ThreadRoute
from runtime.web.auth import needs
from runtime.web.paging import Instant, Limit
from runtime.web.problems import refusals
from runtime.web.site import Here
from schemas.calls import CallList
from schemas.drift import DriftList
from schemas.spend import SpendBy, SpendReport
from schemas.status import Status

router = APIRouter(
    route_class=ThreadRoute,
    tags=["overview"],
    dependencies=[needs("read")],
    responses=refusals(401, 403, 422, 429, 503),
)

_DAY = timedelta(days=1)
_MONTH = timedelta(days=30)


@router.get("/status", operation_id="getStatus")
def get_status(
    here: Here, limit: Annotated[int, Query(ge=0, le=1000, description="How many tasks.")] = 15
) -> Status:
    """What is applied, what runs and what is due, as `ordinaut status` tells it; at most a second old, as `now` says."""

    def look() -> Status:
        bus = bus_status(here.config)
        with here.lender.reading() as connection:
            return load_status(connection, bus, limit=limit)

    return here.recent.of(("status", limit), look)


@router.get("/drift", operation_id="listDrift")
def get_drift(here: Here) -> DriftList:
    """What was written past git and stands."""
    with here.lender.reading() as connection:
        return DriftList(drift=list_drift(connection))


@router.get("/spend", operation_id="getSpend")
def get_spend(
    here: Here,
    by: SpendBy = "task",
    since: Annotated[
        Instant | None, Query(description="From then on; the last 30 days when left out.")
    ] = None,
) -> SpendReport:
    """What calls used up, tokens and money, as `ordinaut spend` tells it."""
    with here.lender.reading() as connection:
        return sum_usage(connection, by, since or _MONTH)


@router.get("/calls", operation_id="listCalls", responses=refusals(404))
def get_calls(
    here: Here,
    since: Annotated[
        Instant | None, Query(description="From then on; the last day when left out.")
    ] = None,
    task: Annotated[
        str | None,
        Query(max_length=128, description="Only this task's, named as on the command line."),
    ] = None,
    after: Annotated[
        str | None, Query(max_length=512, description="`next` of the list before.")
    ] = None,
    limit: Limit = 500,
) -> CallList:
    """Calls one by one, the oldest first, with what they used up, as `ordinaut calls` lists them; without arguments."""
    with here.lender.reading() as connection:
        uid = None if task is None else resolve_task(connection, task).uid
        return list_calls(connection, since or _DAY, limit=limit, task_uid=uid, after=after)
