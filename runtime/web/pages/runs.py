"""Runs, and one run."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, get_args
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from runtime.core.explain import explain
from runtime.errors import OrdinautError
from runtime.lookup import resolve_task
from runtime.store.explanations import load_evidence
from runtime.store.rows import Connection
from runtime.store.runs import list_runs, load_run
from runtime.web.pages.drawing import waterfall
from runtime.web.pages.look import page
from runtime.web.pages.route import PageRoute, frame
from runtime.web.pages.viewer import Seen
from runtime.web.pages.words import command, short
from runtime.web.site import Here
from schemas.explanation import Explained
from schemas.run import RunReport, RunState

router = APIRouter(route_class=PageRoute)

_STATES: Final = get_args(RunState)
_PAGE: Final = 50
_EXPLAINED: Final = 20


@router.get("/runs")
def runs(
    request: Request, here: Here, viewer: Seen, *, task: str = "", state: str = "", before: UUID | None = None
) -> Response:  # fmt: skip
    """Runs, newest first."""
    chosen = state if state in _STATES else ""
    with here.lender.reading() as connection:
        uid = resolve_task(connection, task).uid if task else None
        found = list_runs(
            connection,
            task_uid=uid,
            states=[chosen] if chosen else [],
            limit=_PAGE + 1,
            before=before,
        ).runs
    asked = {name: value for name, value in (("task", task), ("state", chosen)) if value}
    older = urlencode({**asked, "before": str(found[_PAGE - 1].run_id)}) if len(found) > _PAGE else ""  # fmt: skip
    line = command("ordinaut", "runs", *([task] if task else []), *(["--state", chosen] if chosen else []))  # fmt: skip
    return page(
        viewer,
        "runs.html",
        **frame(request, "/runs", cli=(line,), json=f"/api/v1/runs?{urlencode(asked)}".rstrip("?"), live="run" if before is None else ""),
        runs=found[:_PAGE],
        task=task,
        chosen=chosen,
        states=_STATES,
        first_page=f"/runs?{urlencode(asked)}" if before else None,
        next_page=f"/runs?{older}" if older else None,
    )  # fmt: skip


@router.get("/runs/{run_id}")
def run(request: Request, here: Here, viewer: Seen, run_id: UUID) -> Response:
    """The whole story of a run."""
    with here.lender.reading() as connection:
        found = load_run(connection, run_id)
        why = _why(connection, found)
    end = short(run_id)
    around = frame(
        request,
        "/runs",
        cli=(f"ordinaut show {end}", command("ordinaut", "why", found.task)),
        json=f"/api/v1/runs/{run_id}",
        live="" if found.is_over else "run step",
    )
    return page(viewer, "run.html", **around, run=found, why=why, falls=waterfall(found), target=urlencode({"run": str(run_id)}))  # fmt: skip


def _why(connection: Connection, run: RunReport) -> Explained | None:
    """What `ordinaut why` says of the run; nothing where its evidence is broken, since the rest is worth seeing."""
    at = run.occurrence_for
    span = (at, at + timedelta(microseconds=1))
    try:
        task = resolve_task(connection, run.task)
        evidence = load_evidence(connection, task, run.task, run.timezone, span, limit=_EXPLAINED)
        found = explain(evidence).explained
    except (OrdinautError, KeyError, TypeError, ValueError):
        return None
    return next((one for one in found if one.run_id == run.run_id), None)
