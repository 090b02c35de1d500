"""Runs a program for its answer: bounded in time and in size, and gone with everything it started if it does not end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runtime.clock import Clock
from runtime.tools.launch import launched
from runtime.tools.waiting import time_limit

_CHUNK: Final = 65_536
_SAID_BYTES: Final = 16_384


@dataclass(frozen=True, slots=True)
class Answer:
    """How a program ended.

    Attributes:
        code: its exit code; minus the number of the signal that ended it.
        printed: its standard output; one byte more than was allowed if there was more, and then it was ended.
        said: the last 16 KB of its standard error.
    """

    code: int
    printed: bytes
    said: bytes


async def ask_program(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str],
    clock: Clock,
    seconds: float,
    most: int,
) -> Answer:
    """Run a program that is given nothing to read, in a group of its own that does not outlive us.

    Args:
        command: the absolute path of the program, and its arguments.
        cwd: the folder it runs in; ours if there is none.
        env: its whole environment.
        clock: for waiting.
        seconds: the longest time it may take.
        most: the most bytes it may print.

    Raises:
        TimeoutError: it took longer.
        OSError: it cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *launched(command),
        cwd=cwd,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with time_limit(clock, seconds):
            printed, said = await asyncio.gather(_printed(process, most), _said(process))
            return Answer(await process.wait(), printed, said)
    finally:
        if process.returncode is None:
            _kill(process)
            await process.wait()


async def _printed(process: asyncio.subprocess.Process, most: int) -> bytes:
    assert process.stdout is not None  # noqa: S101 - a pipe, as asked for above
    printed = bytearray()
    while len(printed) <= most and (chunk := await process.stdout.read(_CHUNK)):
        printed += chunk
    if len(printed) > most:
        _kill(process)
    return bytes(printed[: most + 1])


async def _said(process: asyncio.subprocess.Process) -> bytes:
    assert process.stderr is not None  # noqa: S101 - as above
    said = b""
    while chunk := await process.stderr.read(_CHUNK):
        said = (said + chunk)[-_SAID_BYTES:]
    return said


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
