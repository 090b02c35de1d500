"""One PostgreSQL and one Valkey for a whole test session, shared by its workers.

The first worker that needs them starts them, and at its end waits until nobody uses them any more: the servers are its
children, and end with it however it ends. Nothing here is durable, and only here: fsync is off, and the data live in
memory where there is room for them.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from runtime.embedded import EmbeddedServers, Urls, running

SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "300",
    # For the test that leaves a prepared transaction behind.
    "max_prepared_transactions": "2",
    # A test proves the password many times, and nobody attacks it.
    "scram_iterations": "1",
}
_MEMORY = Path("/dev/shm")
_MEMORY_BYTES = 2 << 30


@contextmanager
def shared_servers(folder: Path, on_start: Callable[[Urls], None]) -> Iterator[Urls]:
    """The session's servers, started if they do not run yet.

    Args:
        folder: a folder that all workers of the session know.
        on_start: called once with the new servers, before any other worker sees them.
    """
    folder.mkdir(exist_ok=True)
    state = folder / "data" / "state"
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
                _make_data_folder(state.parent)
                servers = EmbeddedServers(state, postgres_settings=SETTINGS)
                urls = runner.run(servers.start())
                _hash_password_again(urls.database)
                on_start(urls)
        try:
            yield urls
        finally:
            if servers is not None:
                # The others may need longer for their last test than a test may take: theirs are bounded, this is not one.
                signal.setitimer(signal.ITIMER_REAL, 0)
                fcntl.flock(users, fcntl.LOCK_EX)
                runner.run(servers.stop())
                shutil.rmtree(state.parent.resolve())


def _make_data_folder(place: Path) -> None:
    """Make the folder of the data, in memory if possible, and remove what killed sessions left in memory."""
    if not _MEMORY.is_dir():
        place.mkdir()
        return
    for left in _MEMORY.glob("ordinaut-tests-*"):
        if not Path("/proc", left.name.rpartition("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)
    if shutil.disk_usage(_MEMORY).free < _MEMORY_BYTES:
        place.mkdir()
        return
    folder = _MEMORY / f"ordinaut-tests-{os.getpid()}"
    folder.mkdir(mode=0o700)
    place.symlink_to(folder)


def _hash_password_again(url: str) -> None:
    """Give the user the password that it has, hashed as the settings say."""
    password = sql.Literal(urlsplit(url).password)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("alter role current_user password {}").format(password))
