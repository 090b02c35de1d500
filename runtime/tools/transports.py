"""Connections to tool servers, as the SDK's `Client` takes them: an async context manager that yields two streams.

For stdio this does not wrap the SDK's `stdio_client`, because that keeps from us everything a dependable pool needs: the
process number and exit code, an exit noticed while no call is under way, the process group while background children
still run, and a write that cannot block (there, a server that stops reading its input stops the clock of the call's
timeout as well). What it costs is the hundred lines below. Those over HTTP are in `runtime.tools.over_http` and
`runtime.tools.sse`.
"""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

import anyio
from mcp.client._transport import ReadStream, WriteStream
from mcp.shared.message import SessionMessage

from runtime.clock import Clock
from runtime.config import base_environment
from runtime.tools.child import Child
from runtime.tools.definition import (
    StdioTransport,
    resolve_command,
)
from runtime.tools.framing import Framer, Line
from runtime.tools.messages import fault_of, message_of
from runtime.tools.orphans import ServerRecords
from runtime.tools.redact import Redactor
from runtime.tools.waiting import cancel_all, time_limit

Streams = tuple[ReadStream[SessionMessage | Exception], WriteStream[SessionMessage]]
# A tool list is not bounded by what a single result may have, and a result comes twice: as text and as structure.
_SMALLEST_MESSAGE_LIMIT: Final = 4_194_304
_MESSAGE_TO_RESULT: Final = 4
_CHUNK_BYTES: Final = 65_536
# How long answers that a server wrote before it ended may take to come out of the pipe.
_LAST_ANSWERS_SECONDS: Final = 0.5
_NOTED_BYTES: Final = 200
_MAX_NOTED: Final = 5


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What connections need beside a definition: the clock, the project folder, where processes are recorded, where logins are
    kept, and what blots secrets out of all that servers say.
    """

    clock: Clock
    project: Path
    records: ServerRecords
    logins: Path
    redact: Redactor


class Connection(Protocol):
    """A live connection, besides being what `Client` enters."""

    pid: int | None
    """Number of the server process, if it is ours."""

    async def __aenter__(self) -> Streams: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...

    def alive(self) -> bool:
        """Whether the other side may still answer."""
        ...

    def last_words(self) -> str:
        """What the server wrote to stderr and how it ended; empty if nothing is known."""
        ...


class StdioConnection:
    """A server process, spoken to over its stdin and stdout: one JSON-RPC message a line."""

    def __init__(
        self,
        transport: StdioTransport,
        surroundings: Surroundings,
        *,
        limit: int,
        on_gone: Callable[[], None],
    ) -> None:
        self.pid: int | None = None
        self._transport = transport
        self._surroundings = surroundings
        self._framer = Framer(limit)
        self._limit = limit
        self._on_gone = on_gone
        self._child: Child | None = None
        self._open = False
        self._noted = 0
        self._tasks: list[asyncio.Task[None]] = []
        incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        outgoing = anyio.create_memory_object_stream[SessionMessage](0)
        self._to_session, self._session_reads = incoming
        self._session_writes, self._from_session = outgoing

    async def __aenter__(self) -> Streams:
        """Start the server.

        Raises:
            ToolServerError: ORD401.
        """
        try:
            self._child = child = await self._start()
        except BaseException:
            self._close_streams()
            raise
        self.pid = child.pid
        self._open = True
        self._tasks = [
            asyncio.create_task(self._read(child)),
            asyncio.create_task(self._write(child)),
            asyncio.create_task(self._mourn(child)),
        ]
        return self._session_reads, self._session_writes

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """End the server and everything it started."""
        if self._child is None:
            return
        child, self._open = self._child, False
        try:
            # The SDK may be leaving because a scope around it was cancelled; the server must still be ended in order.
            with anyio.CancelScope(shield=True):
                await child.stop(self._surroundings.clock)
                await cancel_all(*self._tasks)
        finally:
            child.kill()
            self._close_streams()

    def alive(self) -> bool:
        """Whether the process runs and its stdout is open."""
        return self._open and self._child is not None and self._child.alive()

    def last_words(self) -> str:
        """The end of stderr, then the exit code."""
        if self._child is None:
            return ""
        code = self._child.exit_code
        ending = [f"[exit code {code}]"] if code is not None else []
        return "\n".join(filter(None, [self._child.last_words(), *ending]))

    async def _start(self) -> Child:
        project, user = self._surroundings.project, self._transport.sandbox.user
        env = base_environment() | _home_of(user) | dict(self._transport.env)
        program = resolve_command(
            self._transport.command, project=project, search_path=env.get("PATH", os.defpath)
        )
        return await Child.start(
            [program, *self._transport.args],
            cwd=(project / (self._transport.cwd or "")).absolute(),
            env=env,
            sandbox=self._transport.sandbox,
            records=self._surroundings.records,
            redact=self._surroundings.redact,
            clock=self._surroundings.clock,
        )

    async def _read(self, child: Child) -> None:
        try:
            while chunk := await child.stdout.read(_CHUNK_BYTES):
                for line in self._framer.feed(chunk):
                    message = self._parse(child, line)
                    if message is not None:
                        await self._to_session.send(message)
            # The end of stdout comes first; whoever is told of it will ask how the server ended.
            await child.ending(self._surroundings.clock)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # the session is being left; whoever leaves it ends the server
        finally:
            self._to_session.close()
            if self._open:
                self._open = False
                self._on_gone()

    async def _write(self, child: Child) -> None:
        async for message in self._from_session:
            text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            child.stdin.write(text.encode() + b"\n")

    async def _mourn(self, child: Child) -> None:
        """After the server's end, wait for its last answers, but not for a stranger who still holds its stdout."""
        await child.exited.wait()
        reading = self._tasks[0]
        try:
            async with time_limit(self._surroundings.clock, _LAST_ANSWERS_SECONDS):
                await asyncio.wait({reading})
        except TimeoutError:
            reading.cancel()

    def _parse(self, child: Child, line: Line) -> SessionMessage | None:
        """The message that a line is; None for the noise that servers print beside it."""
        if not line.text.lstrip().startswith(b"{"):
            if line.text.strip():
                self._note_noise(child, line)
            return None
        message = message_of(line)
        if message is None and not line.oversize:
            self._note_noise(child, line)
        return message or fault_of(line, self._limit)

    def _note_noise(self, child: Child, line: Line) -> None:
        """Show what should not be on stdout, but let no flood of it wash away what is on stderr."""
        self._noted += 1
        if self._noted <= _MAX_NOTED:
            child.note(b"[stdout] " + line.text[:_NOTED_BYTES] + b"\n")

    def _close_streams(self) -> None:
        for stream in (
            self._to_session,
            self._session_reads,
            self._session_writes,
            self._from_session,
        ):
            stream.close()


def _home_of(user: str | None) -> dict[str, str]:
    """What programs ask of their user in the environment; nothing for ours, or for nobody, of whom the start will tell."""
    try:
        entry = pwd.getpwnam(user) if user is not None else None
    except KeyError:
        entry = None
    if entry is None:
        return {}
    return {"HOME": entry.pw_dir, "LOGNAME": entry.pw_name, "USER": entry.pw_name}
