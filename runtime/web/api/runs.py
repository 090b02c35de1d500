"""Runs: lists of them, and the whole story of one."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from runtime.listing import page_of_runs
from runtime.store.runs import load_run
from runtime.web.api.route import ThreadRoute
from runtime.web.auth import needs
from runtime.web.paging import Cursor, Limit, link_next
from runtime.web.problems import refusals
from runtime.web.site import Here
from schemas.run import RunList, RunReport, RunState

router = APIRouter(
    route_class=ThreadRoute,
    tags=["runs"],
    dependencies=[needs("read")],
    responses=refusals(401, 403, 404, 422, 429, 503),
)


@router.get("/runs", operation_id="listRuns")
def list_all(
    *,
    request: Request,
    response: Response,
    here: Here,
    task: Annotated[
        str | None,
        Query(max_length=128, description="Only this task's, named as on the command line."),
    ] = None,
    state: Annotated[
        list[RunState] | None, Query(max_length=7, description="Only such; repeatable.")
    ] = None,
    quarantined: Annotated[
        bool,
        Query(
            description="Only those that lost their runtime again and again, and were not run again since."
        ),
    ] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> RunList:
    """Runs, newest first, as `ordinaut runs` lists them; occurrences that were decided not to run are among them, as skipped."""
    with here.lender.reading() as connection:
        page, more = page_of_runs(
            connection,
            task=task,
            states=state or (),
            limit=limit,
            cursor=cursor,
            quarantined=quarantined,
        )
    link_next(request, response, more)
    return page


@router.get("/runs/{run_id}", operation_id="getRun")
def get_run(here: Here, run_id: UUID) -> RunReport:
    """The whole story of a run, as `ordinaut show` tells it: steps, tries, what it waits for, and its events."""
    with here.lender.reading() as connection:
        return load_run(connection, run_id)
