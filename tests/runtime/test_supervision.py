"""A parent and its children, without anything heavy in them: who is started when, told what, and killed when."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.support.probes import eventually
from tests.support.processes import RunningProcess, started

_PROGRAM = """
import os, signal, sys
from datetime import timedelta
from runtime import supervision
from runtime.logs import configure_logs

supervision._FIRST_WAIT_SECONDS = 0.01
supervision._FAREWELL = timedelta(0)
configure_logs("info", as_json=False)
child = supervision.supervise(2, timedelta(seconds=float(sys.argv[1])))
if isinstance(child, bool):
    print("all well" if child else "not all well", flush=True)
    sys.exit()
told, patience = 0, int(sys.argv[2])
def tell(*_):
    global told
    told += 1
    print(f"{child.number} is told {told}", flush=True)
    if told == patience:
        sys.exit()
signal.signal(signal.SIGTERM, tell)
print(f"{child.number} begins", flush=True)
if child.number == int(sys.argv[3]):
    sys.exit(7)
os.read(child.lifeline, 1)
print(f"{child.number} is alone", flush=True)
"""
_NEVER = 99

Start = Callable[..., AbstractAsyncContextManager[RunningProcess]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start a parent whose children end when they have been told so often, and of which one is frail."""

    def program(
        patience: int, *, grace: float = 60.0, frail: int = 0
    ) -> AbstractAsyncContextManager[RunningProcess]:
        arguments = (str(grace), str(patience), str(frail))
        return started(cwd=tmp_path, program=(sys.executable, "-c", _PROGRAM, *arguments))

    return program


async def both_begin(parent: RunningProcess) -> None:
    for number in (1, 2):
        await parent.line(f"{number} begins")


async def test_ctrl_c_is_passed_on_once(start: Start) -> None:
    async with start(1) as parent:
        await both_begin(parent)

        parent.interrupt_group()

        ended = await parent.ended()
    assert sorted(ended.stdout.splitlines()[-3:]) == ["1 is told 1", "2 is told 1", "all well"]


async def test_each_request_is_passed_on_and_who_outlives_the_parent_learns_of_it(
    start: Start,
) -> None:
    async with start(_NEVER) as parent:
        await both_begin(parent)
        for count in (1, 2):
            parent.terminate()
            await parent.line(f"1 is told {count}")
            await parent.line(f"2 is told {count}")
        parent.kill()
        await eventually(lambda: parent.stdout.count("is alone") == 2, "the children learn of it")


async def test_those_who_do_not_end_are_killed_after_the_grace_period(start: Start) -> None:
    async with start(_NEVER, grace=0.1) as parent:
        await both_begin(parent)

        parent.terminate()

        ended = await parent.ended()
    assert ended.stdout.endswith("not all well\n")
    assert "processes that do not end are killed" in ended.stderr


async def test_one_that_ends_by_itself_is_started_again_after_pauses_that_double(
    start: Start,
) -> None:
    async with start(1, frail=2) as parent:
        await parent.line("process 2 ended with exit code 7; started again in 0 s")
        await eventually(lambda: parent.stdout.count("2 begins") >= 4, "four beginnings")
        parent.terminate()
        ended = await parent.ended()
    assert ended.stdout.endswith("all well\n")
