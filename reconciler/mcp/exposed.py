"""Tasks as tools of their own: those labelled `mcp.expose: "true"`, with their params as arguments.

They are looked up anew for each list and each call, so what is applied is what there is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ConfigDict, Field, PydanticUserError, create_model

from reconciler.mcp.calling import Call
from reconciler.mcp.offering import Tool
from reconciler.mcp.operating import run_now
from runtime.lookup import resolve_task
from runtime.store.board import Wanted, load_board
from schemas.board import BoardTask
from schemas.mcp_writing import EXPOSED, ExposedWish, RunNow, RunStarted
from schemas.wishes import Wish, shallow

_MOST: Final = 50
_LONGEST_NAME: Final = 64
_KINDS: Final[tuple[type, ...]] = (bool, int, float, str, list, dict)


class _Params(Wish):
    """Params of a task, by their names and of their kinds, and no others."""

    model_config = ConfigDict(populate_by_name=False, strict=True)


def exposed_tools(call: Call) -> Iterator[Tool]:
    """The tools that tasks are, for whoever may run them; the first 50 by name.

    Raises:
        StoreError: the database does not answer.
    """
    if not call.caller.may("operate"):
        return
    with call.reading() as connection:
        board = load_board(connection, Wanted(labels={EXPOSED: "true"}), limit=_MOST)
        bodies = [resolve_task(connection, one.task).body for one in board.tasks]
    often = Counter(name_of(one.task) for one in board.tasks)
    for task, body in zip(board.tasks, bodies, strict=True):
        name = name_of(task.task)
        # A row that somebody broke by hand is no tool, and hides no other.
        with suppress(AttributeError, PydanticUserError, TypeError, ValueError):
            # Of two that would be called alike nobody could say which is meant.
            if len(name) <= _LONGEST_NAME and often[name] == 1:
                yield _tool(name, task, body)


def name_of(label: str) -> str:
    """What the tool of a task is called: `run_` and its name, with underscores."""
    return "run_" + label.replace("/", "_").replace("-", "_")


def _tool(name: str, task: BoardTask, body: Mapping[str, Any]) -> Tool:
    def act(call: Call, wish: Any) -> Any:
        params = wish.params.model_dump(by_alias=True, exclude_unset=True)
        given = RunNow(
            task=task.task,
            params=params,
            reason=wish.reason,
            dry_run=wish.dry_run,
            idempotency_key=wish.idempotency_key,
        )
        return run_now.act(call, given)

    said = body.get("description") or f"Runs {task.schedule}."
    act.__doc__ = f"Run the task {task.task} now; wait_run waits for the run. {said}"
    return Tool(
        name=name,
        title=f"Run {task.task}",
        scope="operate",
        act=act,
        wish=_wish(body.get("params") or {}),
        answer=RunStarted,
        is_reading=False,
        is_idempotent=False,
        is_destructive=False,
    )


def _wish(params: Mapping[str, Any]) -> type[Wish]:
    """The model of the arguments: of each param the kind is that of its value in the specs, which it has if it is left out."""
    fields: dict[str, Any] = {
        # By number: a param may be called like something that every model has.
        f"param{number}": (_kind(value), Field(default=value, alias=name))
        for number, (name, value) in enumerate(params.items())
    }
    model = create_model("Params", __base__=_Params, **fields)
    bounded = Annotated[model, BeforeValidator(shallow)]
    return create_model(
        "RunTask", __base__=ExposedWish, params=(bounded, Field(default_factory=model))
    )


def _kind(value: Any) -> Any:
    return next((kind for kind in _KINDS if type(value) is kind), Any)
