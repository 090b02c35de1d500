"""One tool server process: started in a group of its own, watched, and ended together with everything it started.

Promises: its exit is noticed at once, also while nobody talks to it; its stderr is always drained, and the last 4 KB of
it are kept without secrets; after `stop` or `kill` no process of its group is left and every pipe is closed, whatever
the server does. A process that left the group on purpose (`setsid`) is beyond reach.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from runtime.clock import Clock
from runtime.core.storable import storable_text
from runtime.errors import ToolServerError
from runtime.logs import get_logger
from runtime.tools.definition import UNCONFINED, Sandbox
from runtime.tools.launch import launched
from runtime.tools.orphans import ServerRecords
from runtime.tools.redact import Redactor
from runtime.tools.waiting import time_limit

_log = get_logger("child")
# The pace of the protocol's shutdown: end of input, then SIGTERM, then SIGKILL, this far apart.
GRACE_SECONDS: Final = 2.0
STDERR_BYTES: Final = 4096
_READ_AHEAD_BYTES: Final = 262_144
_POLL_SECONDS: Final = 0.1
_REAP_SECONDS: Final = 1.0
# Everything it wrote is in the pipe by then; only a process that left the group could keep the pipe open.
_LAST_WORDS_SECONDS: Final = 0.5


class StderrTail(asyncio.Protocol):
    """Drains a pipe and keeps its end."""

    def __init__(self, redact: Redactor) -> None:
        self._redact = redact
        self._tail = b""
        self._cut = False
        self._line = b""
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if _log.isEnabledFor(logging.DEBUG):
            self._say(data)
        whole = self._tail + data
        self._cut |= len(whole) > STDERR_BYTES
        self._tail = whole[-STDERR_BYTES:]

    def _say(self, data: bytes) -> None:
        """Log each line that is complete, at the level debug."""
        *lines, rest = (self._line + data).split(b"\n")
        # One that is longer is not said at all: a secret may stand where it was cut.
        self._line = rest[: STDERR_BYTES + 1]
        for line in lines:
            if len(line) <= STDERR_BYTES and (said := self._shown(line)):
                _log.debug("%s", said)

    def _shown(self, line: bytes) -> str:
        return self._redact(storable_text(line.decode(errors="replace"))).strip()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Called by the event loop when nobody can write any more."""
        self.ended.set()

    def text(self) -> str:
        """The end of what was written, secrets blotted out."""
        shown = storable_text(self._tail.decode(errors="replace"))
        if self._cut:
            # A letter may have been cut in two.
            return self._redact.after_cut(shown.lstrip("\ufffd")).strip()
        return self._redact(shown).strip()


class Child:
    """A running server process. Made by `start`.

    Attributes:
        pid: its number, which is also that of its group.
        exited: set when it has ended.
        stdin: what it reads; writing never blocks, the rest waits in memory.
        stdout: what it writes.
    """

    stdin: asyncio.WriteTransport
    stdout: asyncio.StreamReader

    def __init__(
        self, process: subprocess.Popen[bytes], records: ServerRecords, redact: Redactor
    ) -> None:
        self.pid = process.pid
        self.exited = asyncio.Event()
        self._process = process
        self._records = records
        self._stderr = StderrTail(redact)
        self._files = [file for file in (process.stdin, process.stdout, process.stderr) if file]
        self._pipes: list[asyncio.BaseTransport] = []
        self._pidfd: int | None = None
        self._poll: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        sandbox: Sandbox = UNCONFINED,
        records: ServerRecords,
        redact: Redactor,
        clock: Clock,
    ) -> Child:
        """Start a server.

        Args:
            command: absolute path of the program, and its arguments.
            cwd: the folder it runs in.
            env: its whole environment.
            sandbox: what it may do.
            records: where the process is noted while it lives.
            redact: what blots its stderr.
            clock: for waiting.

        Raises:
            ToolServerError: ORD401, the system refused.
        """
        process = _spawn(command, cwd, env, sandbox)
        child = cls(process, records, redact)
        try:
            records.add(process.pid, [redact(part) for part in command])
            await child._connect(clock)
        except BaseException:
            child.kill()
            raise
        return child

    @property
    def exit_code(self) -> int | None:
        """Its exit code, negative for the signal that ended it; None while it runs."""
        return self._process.returncode

    def alive(self) -> bool:
        """Whether it runs, asked of the system at this very moment."""
        if not self.exited.is_set() and self._has_ended():
            self._bury()
        return not self.exited.is_set()

    def last_words(self) -> str:
        """The end of what it wrote to stderr."""
        return self._stderr.text()

    def note(self, text: bytes) -> None:
        """Keep something with its stderr that it wrote elsewhere."""
        self._stderr.data_received(text)

    async def ending(self, clock: Clock) -> None:
        """Wait, not for long, until it has ended and all that it wrote to stderr has been read."""
        with contextlib.suppress(TimeoutError):
            async with time_limit(clock, _LAST_WORDS_SECONDS):
                await self.exited.wait()
                await self._stderr.ended.wait()

    async def stop(self, clock: Clock) -> None:
        """End it: close its input, then SIGTERM to the group, then SIGKILL, `GRACE_SECONDS` apart."""
        try:
            self.stdin.close()
            for step in (signal.SIGTERM, signal.SIGKILL):
                try:
                    async with time_limit(clock, GRACE_SECONDS):
                        await self.exited.wait()
                    break
                except TimeoutError:
                    self._signal_group(step)
            await self.ending(clock)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it and its group now, and let go of everything. Safe to call twice, from anywhere, and when cancelled."""
        self._signal_group(signal.SIGKILL)
        if not self.exited.is_set():
            # A killed process is gone within milliseconds, unless the kernel itself holds it.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_REAP_SECONDS)
            self._bury()
        for pipe in self._pipes:
            if isinstance(pipe, asyncio.WriteTransport) and pipe.get_write_buffer_size():
                pipe.abort()  # what was not written yet will never be read
            elif not pipe.is_closing():
                pipe.close()
        for file in self._files:
            file.close()

    async def _connect(self, clock: Clock) -> None:
        loop = asyncio.get_running_loop()
        self.stdout = asyncio.StreamReader(_READ_AHEAD_BYTES)
        reader = asyncio.StreamReaderProtocol(self.stdout)
        # A file belongs to its transport from here on, which closes it.
        transport: asyncio.BaseTransport
        transport, _ = await loop.connect_read_pipe(lambda: self._stderr, self._files.pop())
        self._pipes.append(transport)
        transport, _ = await loop.connect_read_pipe(lambda: reader, self._files.pop())
        self._pipes.append(transport)
        self.stdin, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self._files.pop())
        self._pipes.append(self.stdin)
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):
            self._poll = asyncio.create_task(self._poll_exit(clock))
        else:
            loop.add_reader(self._pidfd, self.alive)

    async def _poll_exit(self, clock: Clock) -> None:
        """Notice the exit where the system cannot tell us (macOS, old kernels)."""
        while self.alive():
            await clock.sleep(_POLL_SECONDS)

    def _has_ended(self) -> bool:
        """Whether it has ended, without reaping it: until then its number and its group's cannot be used again."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            return os.waitid(os.P_PID, self.pid, options) is not None
        except ChildProcessError:  # somebody else reaped it
            return True

    def _bury(self) -> None:
        """Reap it, after everything it left running in its group."""
        self._signal_group(signal.SIGKILL)
        self._process.poll()
        self.exited.set()
        self._records.remove(self.pid)
        if self._pidfd is not None:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        if self._poll is not None:
            self._poll.cancel()

    def _signal_group(self, number: signal.Signals) -> None:
        if not self.exited.is_set():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)


def _confinement(sandbox: Sandbox) -> Iterator[str]:
    """As `runtime.tools.launch` takes it."""
    if sandbox.user is not None:
        yield f"user={sandbox.user}"
    if not sandbox.network:
        yield "network=none"
    if sandbox.open_files is not None:
        yield f"open_files={sandbox.open_files}"


def _spawn(
    command: Sequence[str], cwd: Path, env: Mapping[str, str], sandbox: Sandbox
) -> subprocess.Popen[bytes]:
    if not cwd.is_dir():
        raise ToolServerError(
            f"the folder {str(cwd)!r} to run in does not exist", hint="Create it, or correct cwd."
        )
    try:
        return subprocess.Popen(  # noqa: S603 - running the servers that the specs name is the purpose
            launched(command, _confinement(sandbox)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=cwd,
            env=env,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise ToolServerError(f"{command[0]} could not be started: {error}") from error
