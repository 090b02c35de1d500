"""Server processes: started through `launch`, known again after any crash, stopped in bounded time.

A process is known by its number together with its start time, so a number that meanwhile belongs to somebody else is
never taken for ours, and nothing foreign is ever signalled.

Theory of operation. A server runs in a session of its own: Ctrl-C in a terminal reaches us and not it. It is tied to
the *thread* that started it (PR_SET_PDEATHSIG, Linux): when that thread ends without `stop`, the kernel sends the
server its first stop signal. So start servers from a thread that lives as long as they should, in a program: the main
thread. Where that does not exist (macOS) the server survives its owner; the next start finds its record and stops it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from runtime.clock import Clock
from runtime.embedded import launch
from runtime.files import write_private
from runtime.started import started

StopSignals = Sequence[tuple[signal.Signals, float]]

_LOOK_AGAIN_SECONDS = 0.01
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT
_LOG_BYTES = 8 << 20
_LOG_TAIL_BYTES = 1 << 20
# The servers get nothing of our environment: no PG* variable, no library path, one locale.
_ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """One process of one boot.

    Attributes:
        pid: its number.
        started: when it started, in a form that only equality is asked of.
    """

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has this number now; None if none has, or only a zombie."""
        start = started(pid)
        return None if start is None else cls(pid, start)

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """What `save` wrote; None if there is nothing readable."""
        try:
            return cls(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def save(self, path: Path) -> None:
        """Write the record for the owner who comes after a crash."""
        write_private(path, json.dumps(asdict(self)))

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return ProcessRecord.of(self.pid) == self


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged user that root runs the servers as: PostgreSQL refuses to be root."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, and how it is asked to stop.

    Attributes:
        arguments: the program's path and its arguments.
        needs: paths that the user it runs as must reach.
        log: where standard output and error are appended.
        stop_signals: each with the seconds it is given before the next; the last is SIGKILL.
    """

    arguments: tuple[str, ...]
    needs: tuple[Path, ...]
    log: Path
    stop_signals: StopSignals


class ServerProcess:
    """One running program of ours."""

    def __init__(self, program: Program, child: subprocess.Popen[bytes], log_start: int) -> None:
        self._program = program
        self._child = child
        self._log_start = log_start

    @classmethod
    def start(cls, program: Program, account: Account | None, record: Path | None = None) -> Self:
        """Start `program` as `account` (None: as ourselves), recorded in the file `record` before its first step."""
        options = {
            "uid": account and account.uid,
            "gid": account and account.gid,
            "needs": [str(path) for path in program.needs],
            "death_signal": program.stop_signals[0][0],
        }
        wrapper = (sys.executable, "-I", "-S", launch.__file__, json.dumps(options))
        cut_log(program.log)
        with os.fdopen(os.open(program.log, _APPEND, 0o600), "ab") as log:
            log_start = log.tell()
            child = subprocess.Popen(  # noqa: S603 - an argument list of our own, without a shell
                [*wrapper, *program.arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=_ENVIRONMENT,
                start_new_session=True,
            )
        process = cls(program, child, log_start)
        process._give_the_word(record)
        return process

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def exit_status(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._child.poll()

    def said(self, lines: int = 12) -> str:
        """The last lines that this process wrote to its log."""
        with self._program.log.open("rb") as log:
            # A log shorter than it was at the start has been cut since, and all of it is ours.
            is_whole = os.fstat(log.fileno()).st_size >= self._log_start
            log.seek(self._log_start if is_whole else 0)
            text = log.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    async def ended(self, clock: Clock) -> int:
        """Wait for the end; the exit status."""
        while (status := self.exit_status) is None:
            await clock.sleep(_LOOK_AGAIN_SECONDS)
        return status

    async def stop(self, clock: Clock) -> None:
        """Send each stop signal in turn until the process has ended; a second call does nothing."""
        for number, grace in self._program.stop_signals:
            if self.exit_status is not None:
                return
            self._child.send_signal(number)
            await _wait(lambda: self.exit_status is not None, grace, clock)

    def _give_the_word(self, record: Path | None) -> None:
        assert self._child.stdin is not None  # noqa: S101 - asked for as a pipe
        identity = ProcessRecord.of(self._child.pid)
        if record is not None and identity is not None:
            identity.save(record)
        # If it ended before it was asked to begin, its log says why, and `exit_status` that it did.
        with suppress(BrokenPipeError), self._child.stdin as word:
            word.write(launch.GO)


async def stop_orphan(record: Path, stop_signals: StopSignals, clock: Clock) -> None:
    """Stop the process that an owner which died left behind, if it still runs, and forget it."""
    orphan = ProcessRecord.load(record)
    for number, grace in stop_signals:
        if orphan is None or not orphan.is_alive():
            break
        os.kill(orphan.pid, number)
        await _wait(lambda: not orphan.is_alive(), grace, clock)
    forget(record)


def forget(record: Path) -> None:
    """Remove the record of a process that ended."""
    record.unlink(missing_ok=True)


def cut_log(log: Path) -> None:
    """Empty a log that grew too long, keeping its last part beside it; a server that appends to it goes on."""
    if not log.exists() or log.stat().st_size <= _LOG_BYTES:
        return
    with log.open("rb") as file:
        file.seek(-_LOG_TAIL_BYTES, os.SEEK_END)
        tail = file.read()
    write_private(log.with_suffix(".old"), tail)
    os.truncate(log, 0)


async def _wait(done: Callable[[], bool], seconds: float, clock: Clock) -> None:
    until = clock.monotonic() + seconds
    while not done() and clock.monotonic() < until:
        await clock.sleep(_LOOK_AGAIN_SECONDS)
