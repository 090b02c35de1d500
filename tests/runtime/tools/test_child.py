"""Server processes: what they are given, and that they end with us, whatever happens."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from runtime.clock import SYSTEM_CLOCK
from runtime.config import base_environment
from runtime.errors import ToolServerError
from runtime.started import started
from runtime.tools import launch
from runtime.tools.child import STDERR_BYTES, Child, StderrTail
from runtime.tools.definition import ServerDefinition, StdioTransport
from runtime.tools.orphans import ServerRecords, reap_orphans
from runtime.tools.redact import BLOT, Redactor
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.servers import SUPPORT, group_of, is_alive, kill, kill_and_wait, raw
from tests.support.probes import eventually
from tests.support.processes import ROOT, RunningProcess, _children, nothing_left
from tests.support.processes import started as program_started


async def test_only_a_few_variables_and_the_declared_ones_reach_a_server(
    open_toolbox: OpenToolbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ORDINAUT_DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("LANG", "C.UTF-8")
    box = await open_toolbox(raw(env={"DECLARED": "yes", "LANG": "de_DE.UTF-8"}))

    seen = (await box.call("raw.environment", {})).value

    allowed = {*base_environment(), "DECLARED", "LC_CTYPE"}  # Python itself may add LC_CTYPE
    assert set(seen["env"]) <= allowed
    assert (seen["env"]["DECLARED"], seen["env"]["LANG"]) == ("yes", "de_DE.UTF-8")
    assert seen["cwd"] == str(tmp_path)


async def test_a_server_runs_in_its_folder_and_a_missing_one_is_told(
    open_toolbox: OpenToolbox, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    script = str(SUPPORT / "raw_server.py")
    box = await open_toolbox(
        ServerDefinition(
            key="here",
            transport=StdioTransport("python", (script,), cwd="here"),
            protocol="legacy",
        ),
        ServerDefinition(key="there", transport=StdioTransport("python", (script,), cwd="there")),
    )

    assert (await box.call("here.environment", {})).value["cwd"] == str(tmp_path / "here")
    missing = await box.call("there.environment", {})
    assert missing.error is not None
    assert missing.error.message == (
        f"there could not be started: the folder {str(tmp_path / 'there')!r} to run in does not exist"
    )
    assert missing.error.detail == "Create it, or correct cwd."


async def test_a_file_that_is_no_program_is_told(
    open_toolbox: OpenToolbox, tmp_path: Path
) -> None:
    (tmp_path / "notes").write_text("not a program")
    (tmp_path / "notes").chmod(0o755)
    box = await open_toolbox(ServerDefinition(key="x", transport=StdioTransport("./notes")))

    outcome = await box.call("x.y", {})

    assert outcome.error is not None
    assert (
        outcome.error.detail
        == f"{tmp_path / 'notes'} cannot be executed: Exec format error\n[exit code 1]"
    )


async def run(
    folder: Path,
    *command: str,
    env: Mapping[str, str] | None = None,
    redact: Redactor | None = None,
) -> Child:
    return await Child.start(
        [sys.executable, *command],
        cwd=folder,
        env=env or {},
        records=ServerRecords(folder / "records"),
        redact=redact or Redactor(),
        clock=SYSTEM_CLOCK,
    )


async def test_an_exit_is_noticed_by_itself_and_the_record_goes_with_it(tmp_path: Path) -> None:
    child = await run(tmp_path, "-c", "input()")
    record = json.loads((tmp_path / "records" / f"{child.pid}.json").read_text())
    assert (record["pid"], record["pgid"], record["started"]) == (
        child.pid,
        child.pid,
        started(child.pid),
    )
    assert record["command"] == [sys.executable, "-c", "input()"]

    kill(child.pid)
    async with asyncio.timeout(5):
        await child.exited.wait()

    assert child.exit_code == -9
    assert not child.alive()
    assert not list((tmp_path / "records").iterdir())
    child.kill()
    child.kill()


async def test_an_exit_is_noticed_where_the_system_has_no_pidfd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(pid: int) -> int:
        raise OSError("not implemented")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    child = await run(tmp_path, "-c", "input()")

    kill(child.pid)
    async with asyncio.timeout(5):
        await child.exited.wait()

    await child.stop(SYSTEM_CLOCK)
    assert child.exit_code == -9


async def test_a_process_that_somebody_else_reaped_counts_as_ended(tmp_path: Path) -> None:
    child = await run(tmp_path, "-c", "input()")

    kill_and_wait(child.pid)
    reap(child.pid)

    assert not child.alive()
    await child.stop(SYSTEM_CLOCK)


def reap(pid: int) -> None:
    os.waitpid(pid, 0)


async def test_a_record_that_cannot_be_written_leaves_no_process(tmp_path: Path) -> None:
    records = ServerRecords(tmp_path / "records")
    (tmp_path / "records").rmdir()
    strangers = _children()

    with pytest.raises(FileNotFoundError):
        await Child.start(
            [sys.executable, "-c", "input()"],
            cwd=tmp_path,
            env={},
            records=records,
            redact=Redactor(),
            clock=SYSTEM_CLOCK,
        )

    await nothing_left(strangers)


async def test_a_command_that_the_system_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(ToolServerError, match="could not be started: embedded null byte"):
        await run(tmp_path, "-c", "\0")


def test_the_end_of_stderr_is_kept_without_any_part_of_a_secret() -> None:
    secret = "0123456789abcdef"
    for cut in range(len(secret) + 2):
        tail = StderrTail(Redactor([secret]))
        tail.data_received(b"begin " + secret.encode())
        tail.data_received(b"x" * (STDERR_BYTES - 20 + cut))
        tail.data_received(b"end")

        shown = tail.text()

        assert STDERR_BYTES - 2 * len(secret) <= len(shown) <= STDERR_BYTES + len(BLOT)
        assert shown.endswith("xend")
        assert not [part for n in range(len(secret) - 3) if (part := secret[n : n + 4]) in shown]


def test_a_short_stderr_is_kept_whole() -> None:
    tail = StderrTail(Redactor(["secret"]))
    tail.data_received(b"a secret \xff \0 here\n")

    assert tail.text() == "a [redacted] \ufffd \ufffd here"


def test_whole_lines_of_stderr_are_logged_when_asked_for_without_any_secret(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("ordinaut"), "propagate", True)
    caplog.set_level(logging.INFO, "ordinaut")
    tail = StderrTail(Redactor(["0123456789abcdef"]))
    tail.data_received(b"unheard\n")
    caplog.set_level(logging.DEBUG, "ordinaut")
    for part in (
        b"one 01234567",
        b"89abcdef\ntwo",
        b" more\n",
        b"x" * STDERR_BYTES,
        b"yy\n",
        b"end",
    ):
        tail.data_received(part)

    assert [record.getMessage() for record in caplog.records] == ["one [redacted]", "two more"]


LEFT = """
import asyncio, sys
from datetime import timedelta
from pathlib import Path
from runtime.clock import SYSTEM_CLOCK
from runtime.tools.toolbox import Toolbox
from tests.runtime.tools.servers import raw

async def main():
    async with Toolbox([raw("deaf", "litter", lifecycle="always")], SYSTEM_CLOCK, Path(sys.argv[1])) as box:
        await box.tools("raw")
        print("pid", box.status()[0].pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@asynccontextmanager
async def left(tmp_path: Path) -> AsyncIterator[tuple[RunningProcess, int]]:
    """A runtime, and the process id of its server."""
    async with program_started(
        cwd=tmp_path,
        program=(sys.executable, "-c", LEFT, str(tmp_path)),
        env={"PYTHONPATH": str(ROOT)},
    ) as runtime:
        yield runtime, int((await runtime.line("pid")).split()[1])


async def test_a_killed_runtime_takes_its_servers_along_and_the_next_one_drops_their_records(
    tmp_path: Path,
) -> None:
    records = tmp_path / "servers"
    async with left(tmp_path) as (runtime, server):
        litter = [pid for pid in group_of(server) if pid != server]
        runtime.kill()
        await eventually(lambda: not is_alive(server), "the server went with the runtime")
        assert [path.name for path in records.iterdir()] == [f"{server}.json"]
        for pid in litter:
            kill(pid)  # the documented limit

        assert reap_orphans(records) == []

    assert list(records.iterdir()) == []


async def test_an_interrupted_runtime_ends_its_servers(tmp_path: Path) -> None:
    async with left(tmp_path) as (runtime, server):
        runtime.interrupt_group()
        await runtime.ended()

        assert group_of(server) == []


async def test_orphans_of_a_dead_runtime_are_killed_and_everybody_else_is_left_alone(
    tmp_path: Path,
) -> None:
    children = [await run(tmp_path, "-c", "input()") for _ in range(4)]
    orphan, other_start, other_owner, _ = children
    records = tmp_path / "records"

    def rewrite(child: Child, **changes: object) -> None:
        path = records / f"{child.pid}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    dead = {"pid": os.getpid(), "started": "another/1"}
    rewrite(orphan, owner=dead)
    rewrite(other_start, owner=dead, started="another/2")
    rewrite(other_owner, owner={"pid": 4_000_000, "started": None}, started=None)
    (records / "1.json").write_text("{")
    (records / "2.json").write_text("[1]")
    (records / "3.json").write_text('{"pid": 3}')

    killed = reap_orphans(records)

    assert killed == [orphan.pid]
    await eventually(lambda: not is_alive(orphan.pid), "the orphan is gone")
    assert [is_alive(child.pid) for child in children] == [False, True, True, True]
    assert [path.name for path in records.iterdir()] == [f"{children[3].pid}.json"]
    for child in children:
        await child.stop(SYSTEM_CLOCK)


def test_a_process_is_named_by_its_start_as_well() -> None:
    assert started(os.getpid()) == started(os.getpid())
    assert started(1) != started(os.getpid())
    assert started(4_000_001) is None


def test_a_zombie_has_ended() -> None:
    pid = os.spawnv(os.P_NOWAIT, sys.executable, ["python", "-c", ""])
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    assert started(pid) is None
    reap(pid)


@pytest.mark.parametrize(
    ("parent", "program", "said"),
    [
        ("gone", sys.executable, ""),
        ("here", "/dev/null", "/dev/null cannot be executed: Permission denied\n"),
    ],
)
def test_what_cannot_run_or_has_no_parent_any_more_ends_at_once(
    parent: str, program: str, said: str
) -> None:
    number = "1" if parent == "gone" else str(os.getpid())
    command = [
        sys.executable,
        "-m",
        launch.__name__,
        number,
        "--",
        program,
        "-c",
        "print('it runs')",
    ]

    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)
