"""Tasks, and one task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast, get_args
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from runtime.core.program import task_label
from runtime.core.upcoming import upcoming
from runtime.errors import OrdinautError
from runtime.lookup import resolve_task
from runtime.store.board import MARKS, Wanted, load_board, load_board_task
from runtime.store.rows import Connection
from runtime.store.runs import FoundTask, list_runs
from runtime.store.sources import list_sources
from runtime.web.pages.look import page
from runtime.web.pages.route import PageRoute, frame
from runtime.web.pages.specs import Written, spec_text, written_revisions
from runtime.web.pages.viewer import Seen
from runtime.web.pages.words import command, source_place, task_path
from runtime.web.site import Here
from schemas.board import BoardTask, Standing
from schemas.upcoming import UpcomingOccurrence

router = APIRouter(route_class=PageRoute)

_PAGE: Final = 50
_RUNS: Final = 10
_NEXT: Final = 10
_REVISIONS: Final = 20


@router.get("/tasks")
def tasks(
    request: Request,
    here: Here,
    viewer: Seen,
    *,
    owner: str = "",
    label: str = "",
    words: str = "",
    namespace: str = "",
    standing: str = "",
    after: str | None = None,
) -> Response:
    """Tasks by name."""
    name, equals, value = label.partition("=")
    wanted = Wanted(
        owner=owner or None,
        labels={name: value} if equals else None,
        words=words.strip() or None,
        standing=cast("Standing", standing) if standing in get_args(Standing) else None,
        namespace=namespace or None,
        after=after,
    )
    with here.lender.reading() as connection:
        board = load_board(connection, wanted, limit=_PAGE)
        repositories = _repositories(connection)
    asked = {key: text for key, text in (("words", words), ("namespace", namespace), ("owner", owner), ("label", label)) if text}  # fmt: skip
    here_now = asked | ({"standing": wanted.standing} if wanted.standing else {})
    return page(
        viewer,
        "tasks.html",
        **frame(request, "/tasks", cli=("ordinaut status",), json=f"/api/v1/tasks?{urlencode(here_now)}".rstrip("?"), live="run task revision"),
        board=board,
        wanted=wanted,
        label=label,
        marks=MARKS,
        is_filtered=bool(here_now),
        link_all=_link(asked),
        facets=[(count, _link({**asked, "standing": count.standing})) for count in board.counts],
        places={task.task: _edit(task, repositories) for task in board.tasks},
        first_page=_link(here_now) if after else None,
        next_page=_link({**here_now, "after": board.after}) if board.after else None,
    )  # fmt: skip


@router.get("/tasks/{namespace}/{name}")
def task(request: Request, here: Here, viewer: Seen, namespace: str, name: str) -> Response:
    """One task."""
    label = task_label(namespace, name)
    with here.lender.reading() as connection:
        found = resolve_task(connection, label)
        shown = load_board_task(connection, namespace, name) or _retired(found, label)
        revisions = written_revisions(connection, found.uid, _REVISIONS)
        runs = list_runs(connection, task_uid=found.uid, states=[], limit=_RUNS).runs
        edit = _edit(shown, _repositories(connection))
    return page(
        viewer,
        "task.html",
        **_around(request, shown),
        **_facts(found, shown, revisions),
        runs=runs,
        edit=edit,
    )


def _around(request: Request, task: BoardTask) -> dict[str, Any]:
    lines = (command("ordinaut", "why", task.task), command("ordinaut", "history", task.task))
    json = f"/api/v1{task_path(task.task)}"
    return frame(request, "/tasks", cli=lines, json=json, live="run task revision")


def _facts(found: FoundTask, task: BoardTask, revisions: list[Written]) -> dict[str, Any]:
    return {
        "task": task,
        "body": _Body(found.body if isinstance(found.body, dict) else {}),
        "retired_at": found.retired_at,
        "target": urlencode({"task": task.task}),
        "upcoming": [] if found.retired_at else _upcoming(found, task),
        "revisions": revisions,
        "spec": spec_text(found.body),
    }


class _Body(dict[str, Any]):
    """A body whose missing fields are empty, for templates that are strict elsewhere."""

    def __missing__(self, key: str) -> str:
        return ""


def _upcoming(found: FoundTask, task: BoardTask) -> list[UpcomingOccurrence]:
    try:
        ahead = upcoming([(task.task, found.body)], found.now, _NEXT, excluded=True)
        return list(ahead.occurrences)
    except (OrdinautError, KeyError, TypeError, ValueError):
        # A row that somebody broke is shown as drift.
        return []


def _retired(found: FoundTask, label: str) -> BoardTask:
    body: Mapping[str, Any] = found.body
    return BoardTask(
        task=label,
        namespace=body["namespace"],
        name=body["name"],
        project="",
        owner=body.get("owner"),
        labels=body.get("labels") or {},
        standing="new",
        schedule="retired",
        file="",
        line=1,
        revision=found.revision_id,
        runs=(),
    )


def _link(asked: Mapping[str, str]) -> str:
    return f"/tasks?{urlencode(asked)}" if asked else "/tasks"


def _repositories(connection: Connection) -> dict[str, tuple[str, str]]:
    """Where each project's specs are pulled from: the repository, and the folder in it."""
    return {one.project: (one.repository, one.folder) for one in list_sources(connection)}


def _edit(task: BoardTask, repositories: Mapping[str, tuple[str, str]]) -> str | None:
    repository, _ = repositories.get(task.project, ("", ""))
    return source_place(task.file, task.line, task.commit, repository)
