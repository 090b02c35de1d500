"""Cancellations that a library swallowed.

Before Python 3.12 `asyncio.wait_for` forgets a cancellation that arrives in the same moment as its result
(https://github.com/python/cpython/issues/86296), and so do redis-py and psycopg_pool, which wait with it. A service that
was asked to stop just then would go on for ever, and whoever waits for its end with it.

Heeded here, where a library returns, the cancellation takes effect at once, whoever asked for it: a service may sleep for
minutes after such a call, and a run whose lease was lost may call another tool. `runtime.service` guards against the
calls that nobody wrapped: it looks again at every turn of a loop, and asks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heeding_cancellation() -> Iterator[None]:
    """Raise at the end of the block if its task was asked to stop while inside; what happened before does not count.

    Raises:
        asyncio.CancelledError: it was, however the block ended.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - what coroutines run in
    asked_before = task.cancelling()
    try:
        yield
    finally:
        if task.cancelling() > asked_before:
            raise asyncio.CancelledError
