"""How routes of the API are called: each in a thread, once, as readers and actions of commands wait for the database."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool


class ThreadRoute(APIRoute):
    """A route whose function is called in a thread, and its answer checked where requests are served.

    FastAPI itself would go to a thread a second time for the check, which costs more than the check.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, _in_a_thread(endpoint), **options)


def _in_a_thread(endpoint: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    if inspect.iscoroutinefunction(endpoint):
        return endpoint

    @functools.wraps(endpoint)
    async def call(**given: Any) -> Any:
        return await run_in_threadpool(endpoint, **given)

    return call
