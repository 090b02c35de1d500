"""Runs `ordinaut` as the separate process it is for its users: output, signals, exit status, and what it left behind."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.support.probes import eventually

ROOT = Path(__file__).parents[2]
_PROGRAM = (sys.executable, "-c", "import sys; from reconciler.cli import main; sys.exit(main())")
LEFT_SECONDS = 10.0
WAIT_SECONDS = 20.0
_PR_SET_CHILD_SUBREAPER = 36
OURS: set[int] = set()
"""Processes that tests started themselves, and end themselves: nobody left them behind."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command did.

    Attributes:
        status: exit status, negative for a signal.
        stdout: its results.
        stderr: its talk.
    """

    status: int
    stdout: str
    stderr: str


class RunningProcess:
    """One process, whose output goes to files: a pipe would stay open for as long as anything it left behind lives."""

    def __init__(
        self,
        command: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        stdout: IO[bytes],
        stderr: IO[bytes],
    ) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self._child = subprocess.Popen(
            command,
            cwd=cwd,
            env=_environment(cwd, env),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def stdout(self) -> str:
        """Its results so far."""
        return _written(self._stdout)

    @property
    def stderr(self) -> str:
        """Its talk so far."""
        return _written(self._stderr)

    async def line(self, text: str, *, seconds: float = WAIT_SECONDS) -> str:
        """The first line, of either output, that holds `text`; waits for it."""

        def found() -> str | None:
            has_ended = self._child.poll() is not None
            for line in (self.stdout + self.stderr).splitlines(keepends=True):
                if text in line and line.endswith("\n"):
                    return line
            assert not has_ended, f"it ended without saying {text!r}"
            return None

        try:
            return await eventually(found, f"the line {text!r}", seconds=seconds) or ""
        except AssertionError as error:
            raise AssertionError(f"{error}; it said: {self.stdout}{self.stderr}") from None

    def kill(self) -> None:
        """SIGKILL: it learns nothing and cleans up nothing."""
        self._child.kill()

    def terminate(self) -> None:
        """SIGTERM: it is asked to end."""
        self._child.terminate()

    def interrupt_group(self) -> None:
        """SIGINT to its whole process group, as Ctrl-C in a terminal does."""
        os.killpg(self._child.pid, signal.SIGINT)

    async def ended(self, *, seconds: float = WAIT_SECONDS) -> Finished:
        """Wait for its end."""
        what = f"the end of process {self.pid}"
        try:
            await eventually(lambda: self._child.poll() is not None, what, seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; it said: {self.stdout}{self.stderr}") from None
        return Finished(self._child.returncode, self.stdout, self.stderr)


@asynccontextmanager
async def started(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    program: tuple[str, ...] = _PROGRAM,
) -> AsyncIterator[RunningProcess]:
    """Run `ordinaut ARGUMENTS` (or another program) in a session of its own for the block.

    At the end it is killed if it still runs, and the test fails if any process it started outlives it.
    """
    _adopt_orphans()
    strangers = _children()
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = RunningProcess([*program, *arguments], cwd, env or {}, stdout, stderr)
        OURS.add(process.pid)
        try:
            yield process
        finally:
            process.kill()
            await process.ended()
            OURS.discard(process.pid)
            await nothing_left(strangers)


async def ordinaut(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, seconds: float = WAIT_SECONDS
) -> Finished:
    """Run `ordinaut ARGUMENTS` to its end."""
    async with started(*arguments, cwd=cwd, env=env) as process:
        return await process.ended(seconds=seconds)


async def nothing_left(strangers: set[int]) -> None:
    """Fail, after ending them, if processes were left behind beside `strangers`; they get a moment to end."""

    def left() -> set[int]:
        return {pid for pid in _children() - strangers - OURS if not _reap(pid)}

    try:
        await eventually(lambda: not left(), "the end of all children", seconds=LEFT_SECONDS)
    except AssertionError:
        raise AssertionError(f"processes were left behind: {_end(left())}") from None


def _written(file: IO[bytes]) -> str:
    # Reading at a place leaves the place alone where the process writes on: the two share it.
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode()


def _end(orphans: set[int]) -> list[str]:
    names = []
    for pid in orphans:
        names.append(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return names


def _environment(home: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the developer's settings; what measures coverage goes on to the process."""
    ours = os.environ  # noqa: TID251 - to keep most of it from the process
    measured = {name: value for name, value in ours.items() if name.startswith("COVERAGE")}
    return {
        "HOME": str(home),
        "PATH": ours["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        **measured,
        **extra,
    }


def _adopt_orphans() -> None:
    """Become the parent of whatever a process of ours leaves behind, so that it can be found."""
    assert ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def _children() -> set[int]:
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, parent, *_ = entry.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == os.getpid():
            found.add(int(entry.parent.name))
    return found


def _reap(pid: int) -> bool:
    """Whether this orphan has ended."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
