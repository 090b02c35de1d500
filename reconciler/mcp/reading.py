"""Tools that look at tasks and at the whole of it."""

from __future__ import annotations

from reconciler.mcp.calling import Call
from reconciler.mcp.offering import offers
from runtime.health import bus_status
from runtime.listing import page_of_tasks
from runtime.store.board import Wanted
from runtime.store.status import load_status
from schemas.mcp import GetStatus, ListTasks, TaskRow, TaskRows
from schemas.status import Status


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


@offers("read", title="Status")
def get_status(call: Call, wish: GetStatus) -> Status:
    """Whether everything is all right: a verdict with what to do, what is applied, who works, what is due and what waits for people."""
    bus = bus_status(call.desk.config)
    with call.reading() as connection:
        return load_status(connection, bus, limit=wish.limit)
