"""`ordinaut up` with its own servers: what was recorded survives every end, and no end leaves a process behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Final

import psycopg
import pytest

from runtime.embedded import running
from runtime.embedded.processes import ProcessRecord
from tests.faults.site import SERVER, Site
from tests.support.probes import eventually
from tests.support.processes import RunningProcess, ordinaut, started

_ENV: Final = {"ORDINAUT_LEASE": "3s"}
_SPECS: Final = """\
apiVersion: ordinaut/v1
kind: Project
name: home
---
apiVersion: ordinaut/v1
kind: ToolServer
name: diary
protocol: legacy
stdio: {command: python, args: [SERVER, diary, gate]}
---
apiVersion: ordinaut/v1
kind: Agent
name: writer
scopes: [diary.*]
---
apiVersion: ordinaut/v1
kind: Task
name: entries
agent: writer
schedule: {manual: true}
pipeline:
  - {id: first, uses: diary.enter, with: {name: first}}
  - {id: second, uses: diary.wait, with: {name: second}}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A project folder."""
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "all.yaml").write_text(_SPECS.replace("SERVER", str(SERVER)))
    return tmp_path


async def called(home: Path, *names: str) -> None:
    """Wait until exactly these entries are in the diary."""
    diary = home / "diary"
    await eventually(
        lambda: diary.exists() and diary.read_text().split() == list(names), f"{names}", seconds=20
    )


def kill_everything(home: Path, up: RunningProcess) -> None:
    """SIGKILL to `up` and both servers, so that none of them sees another end."""
    os.kill(up.pid, signal.SIGSTOP)
    for name in ("postgres.pid", "valkey.pid"):
        record = ProcessRecord.load(home / ".ordinaut" / name)
        assert record is not None
        os.kill(record.pid, signal.SIGKILL)
    up.kill()


async def results(home: Path) -> list[tuple[object, ...]]:
    """What the embedded database holds of steps."""
    urls = running(home / ".ordinaut")
    assert urls is not None
    async with await psycopg.AsyncConnection.connect(urls.database) as connection:
        cursor = await connection.execute(
            "select step, outcome, lease_epoch from ordinaut.step_result order by finished_at"
        )
        return await cursor.fetchall()


@pytest.mark.slow
async def test_everything_killed_in_the_middle_of_a_step_recovers(home: Path) -> None:
    """Asserts: `up`, PostgreSQL and Valkey are killed (-9) in the middle of a step. The next `up` finishes the run, with
    the first step called once and one result a step; Ctrl-C ends it with 0. A third finds the same data, applies
    nothing, and SIGTERM ends it with 0. None leaves a process behind.
    """
    async with started("up", cwd=home, env=_ENV) as up:
        await up.line("watching the specs")
        assert (await ordinaut("run", "entries", cwd=home)).status == 0
        await called(home, "first", "second")
        kill_everything(home, up)

    async with started("up", cwd=home, env=_ENV) as up:
        await called(home, "first", "second", "second")
        (home / "gate").touch()
        await up.line("ordinaut show")
        assert await results(home) == [("first", "ok", 1), ("second", "ok", 2)]
        up.interrupt_group()
        assert (await up.ended()).status == 0

    async with started("up", cwd=home, env=_ENV) as up:
        await up.line("nothing changed since the last apply")
        await up.line("watching the specs")
        assert "succeeded" in (await ordinaut("show", "last", cwd=home)).stdout
        assert await results(home) == [("first", "ok", 1), ("second", "ok", 2)]
        up.terminate()
        assert (await up.ended()).status == 0
    assert running(home / ".ordinaut") is None


async def test_ctrl_c_lets_a_run_finish(home: Path, site: Site) -> None:
    """Asserts: Ctrl-C during a step; the run finishes, and `up` ends with 0."""
    async with started("up", cwd=home, env=site.env) as up:
        await up.line("watching the specs")
        await ordinaut("run", "entries", cwd=home, env=site.env)
        await called(home, "first", "second")
        up.interrupt_group()
        await up.line("stopping: 1 active run has")
        (home / "gate").touch()
        assert (await up.ended()).status == 0

    assert await site.states() == {"succeeded": 1}


async def test_a_second_ctrl_c_hands_back_at_once(home: Path, site: Site) -> None:
    """Asserts: a second Ctrl-C ends `up` long before the grace is over, with 1 and a word about unfinished runs; the run
    waits for the next runtime, and has lost no attempt.
    """
    async with started("up", cwd=home, env=site.env | {"ORDINAUT_GRACE": "10m"}) as up:
        await up.line("watching the specs")
        await ordinaut("run", "entries", cwd=home, env=site.env)
        await called(home, "first", "second")
        up.interrupt_group()
        await up.line("stopping: 1 active run has 10 min to finish")
        up.interrupt_group()
        ended = await up.ended()

    assert (ended.status, "unfinished runs were handed back" in ended.stderr) == (1, True)
    waiting = await site.rows("select lease_until = '-infinity', attempt from ordinaut.due_work")
    assert waiting == [(True, 0)]
