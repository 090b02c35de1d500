"""Tools that look at tasks, schedules, servers, and the whole of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from reconciler.core.compile import compile_specs
from reconciler.core.desired import Key
from reconciler.core.exporting import written
from reconciler.core.files import SourceFile
from reconciler.mcp.calling import Call
from reconciler.mcp.offering import UnfitArguments, offers
from runtime.core.program import task_label
from runtime.core.upcoming import upcoming
from runtime.cursors import cursor_of, place_in
from runtime.errors import NotFound, Unreadable
from runtime.health import bus_status
from runtime.listing import page_of_tasks
from runtime.lookup import resolve_task
from runtime.store.board import Wanted, load_board_task
from runtime.store.drift import list_drift
from runtime.store.servers import LiveServer
from runtime.store.servers import list_servers as list_live_servers
from runtime.store.status import load_status
from runtime.store.usage import sum_usage
from schemas.base import API_VERSION
from schemas.mcp import (
    GetSpend,
    GetStatus,
    GetTask,
    ListServers,
    ListTasks,
    PreviewSchedule,
    ServerRow,
    ServerRows,
    TaskAnswer,
    TaskRow,
    TaskRows,
)
from schemas.spend import SpendReport
from schemas.status import Status
from schemas.upcoming import UpcomingList

_MONTH: Final = timedelta(days=30)
_SERVER: Final = "server"
_PREVIEW: Final = "preview"


@offers("read", title="List tasks")
def list_tasks(call: Call, wish: ListTasks) -> TaskRows:
    """Tasks by name: where each stands, its schedule in words, when it fires next, and its newest run."""
    wanted = Wanted(wish.owner, None, wish.words, wish.standing, wish.namespace)
    with call.reading() as connection:
        board, more = page_of_tasks(connection, wanted, limit=wish.limit, cursor=wish.cursor)
    return TaskRows(
        now=board.now,
        total=board.total,
        counts=board.counts,
        tasks=tuple(map(TaskRow.of, board.tasks)),
        next_cursor=more,
    )


@offers("read", title="Get a task")
def get_task(call: Call, wish: GetTask) -> TaskAnswer:
    """One task: its document in force, the file and commit it came from, its next and newest runs, who paused it, and its drift."""
    with call.reading() as connection:
        found = resolve_task(connection, wish.task)
        namespace, name = found.body["namespace"], found.body["name"]
        task = load_board_task(connection, namespace, name)
        drift = list_drift(connection)
    label = task_label(namespace, name)
    if task is None:
        raise NotFound(f"task {label} was retired", hint="list_runs still has its runs")
    next_ = _upcoming(label, found.body, found.now, wish.occurrences) if wish.occurrences else ()
    return TaskAnswer(
        now=found.now,
        task=task,
        manifest=written(
            Key("Task", namespace, name), found.body, defaults={}, skip_defaults=True
        ),
        next=next_.occurrences if next_ else (),
        drift=tuple(one for one in drift if one.document == str(Key("Task", namespace, name))),
    )


@offers("read", title="Preview a schedule")
def preview_schedule(call: Call, wish: PreviewSchedule) -> UpcomingList:
    """When a task, or a schedule that is not written yet, fires next: in its zone, with what changes of the clocks do to it."""
    if wish.task is not None:
        with call.reading() as connection:
            found = resolve_task(connection, wish.task)
        return _upcoming(wish.task, found.body, wish.after or found.now, wish.limit)
    begin = wish.after or call.desk.clock.now()
    return _upcoming(_PREVIEW, _compiled(wish.schedule), begin, wish.limit)


@offers("read", title="List tool servers")
def list_servers(call: Call, wish: ListServers) -> ServerRows:
    """Tool servers in force: how each is reached, the tools that it is held to, and how calls of it ended in the last 24 hours."""
    after = ("", "") if wish.cursor is None else _place(place_in(_SERVER, wish.cursor))
    with call.reading() as connection:
        found = list_live_servers(connection, after=after, limit=wish.limit + 1)
    page = found[: wish.limit]
    more = len(found) > wish.limit
    return ServerRows(
        now=page[0].now if page else call.desk.clock.now(),
        servers=tuple(map(_server, page)),
        next_cursor=cursor_of(_SERVER, f"{page[-1].namespace}/{page[-1].name}") if more else None,
    )


@offers("read", title="Status")
def get_status(call: Call, wish: GetStatus) -> Status:
    """Whether everything is all right: a verdict with what to do, what is applied, who works, what is due and what waits for people."""
    bus = bus_status(call.desk.config)
    with call.reading() as connection:
        return load_status(connection, bus, limit=wish.limit)


@offers("read", title="What calls cost")
def get_spend(call: Call, wish: GetSpend) -> SpendReport:
    """What calls used up, tokens and money, by task, agent, tool, model or day, and in all."""
    with call.reading() as connection:
        return sum_usage(connection, wish.by, wish.since or _MONTH)


def _upcoming(label: str, body: Mapping[str, Any], begin: Any, limit: int) -> UpcomingList:
    try:
        return upcoming([(label, body)], begin, limit)
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable.because(f"task {label}", error) from error


def _compiled(schedule: Any) -> Mapping[str, Any]:
    """A task that has this schedule, as specs would give it."""
    head = {"apiVersion": API_VERSION, "name": _PREVIEW}
    step = {"id": "wait", "uses": "ordinaut.sleep", "with": {"for": "1s"}}
    documents = {
        "ordinaut": head | {"kind": "Project"},
        "task": head | {"kind": "Task", "schedule": schedule, "pipeline": [step]},
    }
    specs = compile_specs(
        [SourceFile(f"{name}.yaml", orjson.dumps(one)) for name, one in documents.items()]
    )
    errors = [one for one in specs.problems if one.severity == "error"]
    if errors:
        first = errors[0]
        raise UnfitArguments(f"schedule: {first.message}", hint=first.hint, code=first.code)
    return next(one.body for key, one in specs.documents.items() if key.kind == "Task")


def _server(one: LiveServer) -> ServerRow:
    body, calls = one.body, one.calls
    locked = body.get("locked")
    return ServerRow(
        server=one.label,
        reached=_reached(body),
        description=body.get("description"),
        owner=body.get("owner"),
        tools=None if locked is None else tuple(sorted(locked)),
        outcomes=dict(calls.outcomes),
        last_ok_at=calls.last_ok_at,
        last_failed_at=calls.last_failed_at,
    )


def _reached(body: Mapping[str, Any]) -> str:
    """The program without its arguments, or the address without whoever it names and what it asks for."""
    if "stdio" in body:
        return str(body["stdio"]["command"])
    parts = urlsplit(str(body["http"]["url"]))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _place(place: str) -> tuple[str, str]:
    namespace, _, name = place.partition("/")
    return namespace, name
