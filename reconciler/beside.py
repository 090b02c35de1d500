"""A second process for half of a long computation, where a core would otherwise have nothing to do.

The process is a copy of this one, so what it works on needs no sending; only its answer does. It opens, writes and prints
nothing, and whatever ends it, an error of its own included, leaves the whole work to the one that asked.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, Final, NoReturn

from runtime.logs import get_logger

_log: Final = get_logger("beside")
_STOPS: Final = (signal.SIGINT, signal.SIGTERM)

Answer = Callable[[], bytes | None]
"""Waits for what the other process found out; None if it came to an end without that."""


def has_company() -> bool:
    """Whether a second process can be had, and would get a core of its own.

    A copy of a process with threads has their locks and not the threads that would open them again; elsewhere than on
    Linux, libraries are not made for being copied; and a process that was told to ignore its children cannot wait for one.
    """
    return (
        sys.platform == "linux"
        and threading.active_count() == 1
        and len(os.sched_getaffinity(0)) > 1
        and signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
    )


def _nothing() -> bytes | None:
    """There was no process that could have found out anything."""
    return None


@contextmanager
def beside(work: Callable[[], bytes]) -> Iterator[Answer]:
    """Let a copy of this process do some work meanwhile; only where `has_company`.

    Args:
        work: what is to be done there; a pure function of what is in memory.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    # The copy must not be told to stop before it is ready to die of it, instead of going back to where this one was.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        child = _forked()
        if child == 0:
            _work(work, reader, writer)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        if child is None:
            yield _nothing
            return
        try:
            yield lambda: _answer(stream, child)
        finally:
            # It may be over already, and then it is nobody else's number until it is waited for.
            os.kill(child, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(child, 0)


def _forked() -> int | None:
    """What `os.fork` gives; None where no more processes are allowed, or no more memory."""
    try:
        return os.fork()
    except OSError as error:
        _log.debug("there is no second process: %s", error)
        return None


def _answer(stream: BinaryIO, child: int) -> bytes | None:
    found = stream.read()
    ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    good = ended is not None and ended.si_code == os.CLD_EXITED and ended.si_status == 0
    return found if good else None


def _work(work: Callable[[], bytes], reader: int, writer: int) -> NoReturn:
    """What the copy does; it must never come back to what this process was in the middle of."""
    status = 1
    try:
        for number in _STOPS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
        os.close(reader)
        with os.fdopen(writer, "wb") as stream:
            stream.write(work())
        status = 0
    finally:
        os._exit(status)
