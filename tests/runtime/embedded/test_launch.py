"""The wrapper that becomes a server drops what it does not need, and starts nothing unasked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.embedded import launch
from runtime.embedded.processes import Program, ServerProcess
from tests.support.processes import ROOT

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has anything to leave")
_ANOTHER = 12345
_SHOW = "cat /proc/self/status"


def run(
    options: dict[str, object], *program: str, word: bytes = launch.GO
) -> subprocess.CompletedProcess[str]:
    """Run the wrapper; as a module of the package, so that coverage knows it."""
    given = {"uid": None, "gid": None, "needs": [], "death_signal": 9, **options}
    return subprocess.run(
        [sys.executable, "-m", launch.__name__, json.dumps(given), *program],
        input=word.decode(),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def test_it_becomes_the_program() -> None:
    done = run({}, "/bin/echo", "hello")

    assert (done.returncode, done.stdout) == (0, "hello\n")


def test_the_program_reads_nothing_from_us() -> None:
    assert run({}, "/bin/cat", word=launch.GO + b"secret").stdout == ""


def test_without_the_word_nothing_starts() -> None:
    done = run({}, "/bin/echo", "hello", word=b"")

    assert (done.returncode, done.stdout) == (1, "")
    assert "is gone" in done.stderr


def test_a_wrapper_that_ended_before_the_word_is_no_surprise(tmp_path: Path) -> None:
    program = Program(arguments=("/bin/true",), needs=(), log=tmp_path / "log", stop_signals=())
    with subprocess.Popen(["/bin/true"], stdin=subprocess.PIPE) as child:
        child.wait()
        ServerProcess(program, child, 0)._give_the_word(tmp_path / "record")

    assert not (tmp_path / "record").exists()


def test_a_setting_the_kernel_refuses_is_named() -> None:
    done = run({"death_signal": 12345}, "/bin/true")

    assert done.returncode == 1
    assert "prctl(1) failed: Invalid argument" in done.stderr


@as_root
def test_open_paths_need_no_capability() -> None:
    status = run({"uid": 0, "gid": 0, "needs": ["/bin/cat"]}, "/bin/cat", "/proc/self/status")

    assert "CapAmb:\t0000000000000000" in status.stdout
    assert "NoNewPrivs:\t1" in status.stdout


@as_root
def test_a_closed_folder_needs_the_right_to_pass_it(tmp_path: Path) -> None:
    closed = _closed_folder(tmp_path)

    status = run({"uid": 0, "gid": 0, "needs": [str(closed)]}, "/bin/cat", "/proc/self/status")
    assert f"CapAmb:\t{1 << 2:016x}" in status.stdout


@as_root
def test_a_closed_program_needs_the_right_to_execute_it(tmp_path: Path) -> None:
    closed = _closed_folder(tmp_path) / "program"
    closed.write_text("")
    closed.chmod(0o700)
    os.chown(closed, _ANOTHER, _ANOTHER)

    status = run({"uid": 0, "gid": 0, "needs": [str(closed)]}, "/bin/cat", "/proc/self/status")
    assert f"CapAmb:\t{(1 << 1) + (1 << 2):016x}" in status.stdout


@as_root
def test_a_path_that_no_capability_opens_is_named(tmp_path: Path) -> None:
    no_program = tmp_path / "no_program"
    no_program.write_text("")

    done = run({"uid": 0, "gid": 0, "needs": [str(no_program)]}, "/bin/true")
    assert done.returncode == 1
    assert f"permission denied: user 0 does not reach {no_program}" in done.stderr


@as_root
def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    closed = _closed_folder(tmp_path)

    done = run({"uid": 0, "gid": 0, "needs": [str(closed)]}, "/no/such/program")
    assert done.returncode == 1
    assert "No such file or directory" in done.stderr


def _closed_folder(parent: Path) -> Path:
    folder = parent / "closed"
    folder.mkdir(mode=0o700)
    os.chown(folder, _ANOTHER, _ANOTHER)
    return folder
