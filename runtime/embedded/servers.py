"""The embedded servers of one machine: who may start them, how others find them, and how they end.

Theory of operation. Whoever runs the servers holds the lock of the state folder, so there is one owner at a time and
two servers never touch the same data. `ordinaut up` holds it for its life and says in `servers.json` how to reach the
servers; a command beside it uses those. Where none runs, a command holds the lock for its own short while and tells
nobody; a second command, or an `ordinaut up`, waits for it. After any crash the lock is free, and the next owner first
stops what still runs of the old servers: an adopted server would be nobody's child, and so outlive its next owner too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final

from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.embedded.postgres import PostgresServer
from runtime.embedded.processes import ProcessRecord
from runtime.embedded.state import Holder, StateFolder, Urls
from runtime.embedded.valkey import ValkeyServer
from runtime.errors import EmbeddedError

_LOOK_AGAIN_SECONDS: Final = 0.05
# How long a short command may hold the folder before we give up on it.
_TEMPORARY_SECONDS: Final = 30.0
_WATCH_SECONDS: Final = 1.0


class EmbeddedServers:
    """PostgreSQL and Valkey over one state folder, for as long as this process wants them.

    Use as an async context manager, or `start` and `stop`; stopping twice or without a start does nothing. Start from
    a thread that lives as long as the servers should (see `processes`).

    Args:
        state_dir: the state folder; made if missing.
        postgres_settings: PostgreSQL settings beside our own, as `postgres -c` takes them; with `listen_addresses`
            and `port` it also listens on TCP.
        clock: for waiting.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        postgres_settings: Mapping[str, str] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._state = StateFolder(state_dir)
        self._clock = clock
        self._postgres = PostgresServer(self._state, postgres_settings or {}, clock)
        self._valkey = ValkeyServer(self._state, clock)

    async def start(self) -> Urls:
        """Start both servers and let other processes find them.

        Raises:
            EmbeddedError: ORD307 a server could not be started; ORD308 another process runs them.
        """
        self._state.prepare()
        await _lock(self._state, self._clock)
        try:
            await self._valkey.recover()
            sockets = await _start_postgres(self._state, self._postgres)
            await self._valkey.start(sockets)
            urls = Urls(database=self._postgres.url(sockets), redis=self._valkey.url(sockets))
            self._state.save_urls(urls)
        except BaseException:
            await self.stop()
            raise
        return urls

    async def stop(self) -> None:
        """Stop the servers in bounded time and let go of the folder."""
        if self._state.is_locked:
            self._state.forget_urls()
            await self._valkey.stop()
            await _stop_postgres(self._state, self._postgres)

    async def watch(self) -> EmbeddedError:
        """Keep the logs bounded until a server ends without having been asked to; then say which.

        A program over these servers ends with that error. `start` may be called again after `stop`.
        """
        while True:
            for server in (self._postgres, self._valkey):
                if problem := server.problem():
                    return problem
            await self._clock.sleep(_WATCH_SECONDS)

    async def __aenter__(self) -> Urls:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()


def running(state_dir: Path) -> Urls | None:
    """The servers that an `ordinaut up` runs over this folder now; None if there is none."""
    state = StateFolder(state_dir)
    urls = state.load_urls()
    if urls is None:
        return None
    server = ProcessRecord.load(state.file(PostgresServer.record_name))
    return urls if server is not None and server.is_alive() else None


@contextmanager
def temporarily(state_dir: Path, *, clock: Clock = SYSTEM_CLOCK) -> Iterator[Urls]:
    """The running servers, or else PostgreSQL alone for as long as the block lasts.

    For short commands: others that need the folder wait for the end of the block. Not inside a running event loop.

    Raises:
        EmbeddedError: ORD307 PostgreSQL could not be started; ORD308 another process keeps the folder too long.
    """
    state = StateFolder(state_dir)
    state.prepare()
    postgres = PostgresServer(state, {}, clock)
    with asyncio.Runner() as runner:
        if urls := runner.run(_join_or_lock(state, clock)):
            yield urls
            return
        try:
            sockets = runner.run(_start_postgres(state, postgres))
            yield Urls(database=postgres.url(sockets), redis=None)
        finally:
            runner.run(_stop_postgres(state, postgres))


async def _start_postgres(state: StateFolder, postgres: PostgresServer) -> Path:
    await postgres.recover()
    sockets = state.make_socket_folder()
    await postgres.start(sockets)
    return sockets


async def _stop_postgres(state: StateFolder, postgres: PostgresServer) -> None:
    await postgres.stop()
    state.remove_socket_folder()
    state.unlock()


async def _lock(state: StateFolder, clock: Clock) -> None:
    until = clock.monotonic() + _TEMPORARY_SECONDS
    while holder := state.lock(is_temporary=False):
        if not holder.is_temporary or clock.monotonic() > until:
            raise _in_use(state, holder)
        await clock.sleep(_LOOK_AGAIN_SECONDS)


async def _join_or_lock(state: StateFolder, clock: Clock) -> Urls | None:
    """The running servers; None if there are none and we hold the lock."""
    until = clock.monotonic() + _TEMPORARY_SECONDS
    while (urls := running(state.root)) is None and (holder := state.lock(is_temporary=True)):
        if clock.monotonic() > until:
            raise _in_use(state, holder)
        await clock.sleep(_LOOK_AGAIN_SECONDS)
    return urls


def _in_use(state: StateFolder, holder: Holder) -> EmbeddedError:
    who = "another process" if holder.pid is None else f"process {holder.pid}"
    return EmbeddedError(
        f"{who} uses the state directory {state.root}",
        hint="stop it first, or set ORDINAUT_STATE_DIR to another folder",
        code="ORD308",
    )
