"""What operators do: run, run again, cancel, pause, snooze and resume, as the commands of these names do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from runtime.cancelling import cancel_run
from runtime.core.program import task_label
from runtime.manual import request_run
from runtime.overrides import pause_task, resume_task, snooze_task
from runtime.rerunning import Rerun, rerun_run
from runtime.store.runs import load_run
from runtime.web.api.route import ThreadRoute
from runtime.web.api.tasks import Namespace, TaskName
from runtime.web.once import Doing, acts
from runtime.web.problems import refusals
from schemas.override import PauseReport, SnoozeReport
from schemas.run import CancelReport, RunReport
from schemas.wishes import CancelWish, PauseWish, ReasonWish, RerunWish, RunWish, SnoozeWish

router = APIRouter(
    route_class=ThreadRoute,
    tags=["operate"],
    responses=refusals(401, 403, 404, 409, 413, 422, 429, 503),
)

Operator = Annotated[Doing, acts("operate")]


@router.post(
    "/tasks/{namespace}/{name}/runs",
    operation_id="runTask",
    status_code=201,
    response_model=RunReport,
)
def run(doing: Operator, namespace: Namespace, name: TaskName, wish: RunWish) -> Response:
    """Run a task now, whatever its schedule says."""

    def act(connection: Any) -> RunReport:
        run_id, _ = request_run(
            connection,
            task_label(namespace, name),
            wish.params,
            event=wish.event,
            may_overlap=wish.overlap,
            needs_runtime=False,
            actor=doing.actor(wish.reason),
            trace_link=doing.trace_link,
        )
        return load_run(connection, run_id)

    return doing.once(act, wish, status=201, path_of=_path)


@router.post(
    "/runs/{run_id}/reruns", operation_id="rerunRun", status_code=201, response_model=RunReport
)
def rerun(doing: Operator, run_id: UUID, wish: RerunWish) -> Response:
    """Run a run once more, with the parameters and the event that it was started with."""
    _, _, start = wish.redo.partition("from:")
    asked = Rerun(
        start or None,
        wish.redo == "failed",
        wish.latest,
        wish.overlap,
        trace_link=doing.trace_link,
    )

    def act(connection: Any) -> RunReport:
        again = rerun_run(connection, run_id, asked, actor=doing.actor(wish.reason))
        return load_run(connection, again)

    return doing.once(act, wish, status=201, path_of=_path)


@router.post("/runs/{run_id}/cancel", operation_id="cancelRun", response_model=CancelReport)
def cancel(doing: Operator, run_id: UUID, wish: CancelWish) -> Response:
    """End a run before it is over; of this and its end exactly one wins."""
    who = doing.actor(wish.reason)
    return doing.once(
        lambda c: cancel_run(c, run_id, reason=wish.reason, actor=who, at_once=wish.at_once), wish
    )


@router.post(
    "/tasks/{namespace}/{name}/pause", operation_id="pauseTask", response_model=PauseReport
)
def pause(doing: Operator, namespace: Namespace, name: TaskName, wish: PauseWish) -> Response:
    """Let nothing of a task fire for a while; what falls into the pause is decided when it is over."""
    label, who = task_label(namespace, name), doing.actor(wish.reason)
    return doing.once(
        lambda c: pause_task(c, label, until=wish.until, reason=wish.reason, actor=who), wish
    )


@router.post(
    "/tasks/{namespace}/{name}/snooze", operation_id="snoozeTask", response_model=SnoozeReport
)
def snooze(doing: Operator, namespace: Namespace, name: TaskName, wish: SnoozeWish) -> Response:
    """Leave out what a task would do for a while."""
    label, who = task_label(namespace, name), doing.actor(wish.reason)
    return doing.once(
        lambda c: snooze_task(c, label, until=wish.until, reason=wish.reason, actor=who), wish
    )


@router.post(
    "/tasks/{namespace}/{name}/resume", operation_id="resumeTask", response_model=PauseReport
)
def resume(doing: Operator, namespace: Namespace, name: TaskName, wish: ReasonWish) -> Response:
    """End a task's pause and its snooze."""
    label, who = task_label(namespace, name), doing.actor(wish.reason)
    return doing.once(lambda c: resume_task(c, label, actor=who), wish)


def _path(report: Mapping[str, Any]) -> str:
    return f"/api/v1/runs/{report['run_id']}"
