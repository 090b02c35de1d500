"""Tasks: where they stand, when they fire, and why they did or did not."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from runtime.core.program import task_label
from runtime.core.upcoming import upcoming
from runtime.errors import NotFound, Unreadable
from runtime.explaining import explain_task
from runtime.listing import page_of_tasks
from runtime.lookup import resolve_task
from runtime.store.board import Wanted, load_board_task
from runtime.web.api.route import ThreadRoute
from runtime.web.auth import needs
from runtime.web.paging import Cursor, Instant, Limit, link_next
from runtime.web.problems import refusals
from runtime.web.site import Here
from schemas import patterns
from schemas.board import Board, BoardTask, Standing
from schemas.explanation import Explanation
from schemas.upcoming import UpcomingList

router = APIRouter(
    route_class=ThreadRoute,
    tags=["tasks"],
    dependencies=[needs("read")],
    responses=refusals(401, 403, 422, 429, 503),
)

Namespace = Annotated[
    str, Path(pattern=patterns.NAME, description="The namespace: `default` where specs name none.")
]
TaskName = Annotated[str, Path(pattern=patterns.NAME, description="The task's name.")]
Text = Annotated[str | None, Query(min_length=1, max_length=256)]


@router.get("/tasks", operation_id="listTasks", responses=refusals(404))
def list_tasks(
    *,
    request: Request,
    response: Response,
    here: Here,
    owner: Text = None,
    label: Annotated[
        list[str] | None, Query(max_length=20, description="`NAME=VALUE`; repeatable.")
    ] = None,
    words: Annotated[
        str | None, Query(max_length=256, description="Part of `namespace/name`.")
    ] = None,
    standing: Standing | None = None,
    namespace: Text = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Board:
    """Tasks by name, with their newest runs and the next occurrence, and how many stand where; at most a second old, as `now` says."""
    labels = dict(one.partition("=")[::2] for one in label or ())
    wanted = Wanted(owner, labels, words, standing, namespace)

    def look() -> tuple[Board, str | None]:
        with here.lender.reading() as connection:
            return page_of_tasks(connection, wanted, limit=limit, cursor=cursor)

    board, more = here.recent.of(
        ("tasks", limit, owner, words, standing, namespace, cursor, *sorted(labels.items())), look
    )
    link_next(request, response, more)
    return board


@router.get("/tasks/{namespace}/{name}", operation_id="getTask", responses=refusals(404))
def get_task(here: Here, namespace: Namespace, name: TaskName) -> BoardTask:
    """One task in force, with its newest runs."""
    with here.lender.reading() as connection:
        found = load_board_task(connection, namespace, name)
    if found is None:
        raise NotFound(f"there is no task {task_label(namespace, name)}")
    return found


@router.get(
    "/tasks/{namespace}/{name}/next", operation_id="listNextOccurrences", responses=refusals(404)
)
def list_next(
    *,
    here: Here,
    namespace: Namespace,
    name: TaskName,
    limit: Limit = 10,
    after: Annotated[
        Instant | None, Query(description="From this instant on; from now on when left out.")
    ] = None,
    excluded: Annotated[bool, Query(description="With those that calendars exclude.")] = False,
) -> UpcomingList:
    """When a task will fire, in its zone, with what clocks and calendars do to it; whether it is paused is told elsewhere."""
    label = task_label(namespace, name)
    with here.lender.reading() as connection:
        task = resolve_task(connection, label)
    begin = after or task.now
    try:
        return upcoming([(label, task.body)], begin, limit, excluded=excluded)
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable.because(f"task {label}", error) from error


@router.get(
    "/tasks/{namespace}/{name}/explanation", operation_id="explainTask", responses=refusals(404)
)
def explain(
    here: Here,
    namespace: Namespace,
    name: TaskName,
    at: Annotated[
        str | None,
        Query(
            max_length=64,
            description="A day, a minute or a second: 2026-11-20, 2026-11-20T08:30, or 08:30 today; what was decided last when left out.",
        ),
    ] = None,
) -> Explanation:
    """Why a task ran, did not run, or ran late, as `ordinaut why` tells it."""
    with here.lender.reading() as connection:
        return explain_task(connection, task_label(namespace, name), at)
