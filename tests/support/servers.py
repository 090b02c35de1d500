"""One PostgreSQL and one Valkey for a whole test session, shared by its workers.

The first worker that needs them starts them, and at its end waits until nobody uses them any more: the servers are its
children, and end with it however it ends. fsync is off here and nowhere else.
"""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.embedded import EmbeddedServers, Urls, running

SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "300",
}


@contextmanager
def shared_servers(folder: Path, on_start: Callable[[Urls], None]) -> Iterator[Urls]:
    """The session's servers, started if they do not run yet.

    Args:
        folder: a folder that all workers of the session know.
        on_start: called once with the new servers, before any other worker sees them.
    """
    folder.mkdir(exist_ok=True)
    state = folder / "state"
    with (
        (folder / "users").open("w") as users,
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
    ):
        with (folder / "start").open("w") as start:
            fcntl.flock(start, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            if urls := running(state):
                servers = None
            else:
                servers = EmbeddedServers(state, postgres_settings=SETTINGS)
                urls = runner.run(servers.start())
                on_start(urls)
        try:
            yield urls
        finally:
            if servers is not None:
                # The others may need longer for their last test than a test may take: theirs are bounded, this is not one.
                signal.setitimer(signal.ITIMER_REAL, 0)
                fcntl.flock(users, fcntl.LOCK_EX)
                runner.run(servers.stop())
                shutil.rmtree(state)
