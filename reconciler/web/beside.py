"""Service: the web side of `ordinaut up`, a process of its own that starts when somebody first asks it for something.

We listen, and the process takes over what comes: so the address is there at once, nothing is paid for what nobody looks at,
and whoever asks while it starts, or starts again, waits for a moment and is refused nothing. It lives as long as we do, however
we end: it reads its settings from a pipe, and when nobody holds the other end any more, it ends too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
from datetime import timedelta
from typing import Final

from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.config import Config
from runtime.core.pauses import doubled_pause
from runtime.core.spans import rough_span
from runtime.logs import get_logger
from runtime.service import stop_if_cancelled

_FIRST_WAIT_SECONDS: Final = 1.0
_LONGEST_WAIT_SECONDS: Final = 60.0
_FAREWELL_SECONDS: Final = 5.0
_log = get_logger("web")


class WebBeside:
    """Service: runs the web side in a child process, from the first request on.

    Args:
        config: the settings, with the addresses of the servers.
        listener: where requests come in; stays open.
        clock: for pauses.
    """

    name = "web"

    def __init__(
        self, config: Config, listener: socket.socket, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._config = config
        self._listener = listener
        self._clock = clock

    async def run(self) -> None:
        failures = 0
        while True:
            stop_if_cancelled()
            if self._config.traces_url is None:
                # Who sends traces has something to do though nobody asks.
                await self._asked()
            started_at = self._clock.monotonic()
            code = await self._serve()
            lived = self._clock.monotonic() - started_at
            failures = 1 if lived > _LONGEST_WAIT_SECONDS else failures + 1
            wait = doubled_pause(
                failures, first=_FIRST_WAIT_SECONDS, longest=_LONGEST_WAIT_SECONDS
            )
            how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
            span = rough_span(timedelta(seconds=wait))
            _log.error(
                "the web process ended %s; started again in %s, when it is asked", how, span
            )
            await self._clock.sleep(wait)

    async def _asked(self) -> None:
        """Wait for somebody who connects; nobody is let in here."""
        comes = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._listener, comes.set)
        try:
            await comes.wait()
        finally:
            loop.remove_reader(self._listener)

    async def _serve(self) -> int:
        """Run the process to its end; its exit code, negative for a signal."""
        fd = self._listener.fileno()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            # Without -P, a folder `reconciler` where we work would be taken for ours.
            *("-P", "-m", "reconciler.web", str(fd)),
            stdin=subprocess.PIPE,
            pass_fds=[fd],
            # Ctrl-C is for us; we end it when its time has come.
            start_new_session=True,
        )
        assert process.stdin is not None  # noqa: S101 - asked for as a pipe
        try:
            process.stdin.write(json.dumps(self._config.as_flags()).encode() + b"\n")
            return await process.wait()
        finally:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End it, first as a request, and close the pipe."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_FAREWELL_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
    assert process.stdin is not None  # noqa: S101 - asked for as a pipe
    process.stdin.close()
