"""Processes under test are heard, ended, and found when they are left behind."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.probes import Probes, eventually, within
from tests.support.processes import started

_PYTHON = (sys.executable, "-c")
_WAITS = "import signal; print('waiting'); signal.pause()"
_LEAVES_ONE_BEHIND = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)"


async def test_lines_are_awaited_on_either_output(tmp_path: Path) -> None:
    script = "import sys; print('one'); print('two', file=sys.stderr); print('three')"

    async with started(script, cwd=tmp_path, program=_PYTHON) as process:
        assert await process.line("two") == "two\n"
        finished = await process.ended()

    assert (finished.status, finished.stdout, finished.stderr) == (0, "one\nthree\n", "two\n")


async def test_a_process_that_ends_without_the_line_fails_at_once(tmp_path: Path) -> None:
    async with started("print('no')", cwd=tmp_path, program=_PYTHON) as process:
        with pytest.raises(AssertionError, match="ended without saying"):
            await process.line("yes")


async def test_each_signal_arrives(tmp_path: Path) -> None:
    for send, number in (
        ("kill", signal.SIGKILL),
        ("terminate", signal.SIGTERM),
        ("interrupt_group", signal.SIGINT),
    ):
        async with started(_WAITS, cwd=tmp_path, program=_PYTHON) as process:
            await process.line("waiting")
            getattr(process, send)()
            assert (await process.ended()).status == -number


async def test_a_process_still_running_at_the_end_is_killed(tmp_path: Path) -> None:
    async with started(_WAITS, cwd=tmp_path, program=_PYTHON) as process:
        await process.line("waiting")

    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


async def test_a_child_left_behind_fails_the_test_and_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.processes.LEFT_SECONDS", 0.1)

    with pytest.raises(AssertionError, match="left behind"):
        async with started(_LEAVES_ONE_BEHIND, cwd=tmp_path, program=_PYTHON) as process:
            left = int(await process.line(""))

    with pytest.raises(ProcessLookupError):
        os.kill(left, 0)


async def test_nothing_of_the_environment_leaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDINAUT_DATABASE_URL", "postgresql://the-developers-own")
    script = "import os; print(os.environ.get('ORDINAUT_DATABASE_URL'), os.environ['EXTRA'])"

    async with started(script, cwd=tmp_path, program=_PYTHON, env={"EXTRA": "1"}) as process:
        assert (await process.ended()).stdout == "None 1\n"


async def test_what_never_happens_is_named() -> None:
    with pytest.raises(AssertionError, match=r"not within 0.05 s: a miracle"):
        await eventually(lambda: False, "a miracle", seconds=0.05)


async def test_the_deadline_is_told_from_a_timeout_of_the_awaited() -> None:
    async def fails() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await within(fails(), "anything")


async def test_a_probe_is_awaited_by_name_and_count() -> None:
    probes = Probes()
    probes("claimed", run=1)
    probes("renewed")
    probes("claimed", run=2)

    assert await probes.reached("claimed", times=2) == {"run": 2}
    assert probes.count("renewed") == 1
    with pytest.raises(AssertionError, match="3 x claimed"):
        await probes.reached("claimed", times=3, seconds=0.05)
