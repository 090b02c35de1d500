"""Whatever dies, and however, the next start finds the data and leaves strangers alone."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from runtime.clock import SYSTEM_CLOCK
from runtime.embedded import EmbeddedServers, running
from runtime.embedded.postgres import disown_stale_pid_file
from runtime.embedded.processes import (
    ProcessRecord,
    Program,
    ServerProcess,
    stop_orphan,
)
from runtime.embedded.state import StateFolder
from runtime.started import _elsewhere
from tests.runtime.embedded.servers import OWNER, ask, pids, remember, remembered
from tests.support.probes import eventually
from tests.support.processes import started

_KILL = ((signal.SIGKILL, 5.0),)


@pytest.fixture
def sleeping(tmp_path: Path, state: Path) -> Iterator[ServerProcess]:
    """A living process that is none of ours, of the user that PostgreSQL runs as."""
    program = Program(
        arguments=("/bin/sleep", "60"), needs=(), log=tmp_path / "log", stop_signals=_KILL
    )
    process = ServerProcess.start(program, StateFolder(state).account)
    yield process
    process._child.kill()
    process._child.wait()


async def test_killed_servers_recover(state: Path) -> None:
    servers = EmbeddedServers(state)
    async with servers as urls:
        await remember(urls, "kept")
        for pid in pids(servers):
            os.kill(pid, signal.SIGKILL)

    async with EmbeddedServers(state) as urls:
        assert await remembered(urls) == ("kept", "kept")


async def test_a_killed_owner_takes_its_servers_along(state: Path, tmp_path: Path) -> None:
    async with started(str(state), cwd=tmp_path, program=OWNER) as owner:
        await owner.line("ready")
        urls = running(state)
        assert urls is not None
        await remember(urls, "kept")
        records = _records(state)
        owner.kill()
        await eventually(lambda: not any(map(ProcessRecord.is_alive, records)), "the servers' end")

    assert "received fast shutdown request" in (state / "postgres.log").read_text()
    assert "Received SIGTERM" in (state / "valkey.log").read_text()
    async with EmbeddedServers(state) as urls:
        assert await remembered(urls) == ("kept", "kept")


async def test_everything_killed_at_once_recovers(state: Path, tmp_path: Path) -> None:
    async with started(str(state), cwd=tmp_path, program=OWNER) as owner:
        await owner.line("ready")
        urls = running(state)
        assert urls is not None
        await remember(urls, "kept")
        records = _records(state)
        os.kill(owner.pid, signal.SIGSTOP)
        for record in records:
            os.kill(record.pid, signal.SIGKILL)
        owner.kill()

    assert running(state) is None
    async with EmbeddedServers(state) as urls:
        assert await remembered(urls) == ("kept", "kept")


async def test_servers_that_survived_their_owner_are_stopped_first(state: Path) -> None:
    dead_owner = EmbeddedServers(state)
    urls = await dead_owner.start()
    await remember(urls, "kept")
    survivors = _records(state)
    dead_owner._state.unlock()

    async with EmbeddedServers(state) as urls:
        assert not any(map(ProcessRecord.is_alive, survivors))
        assert await remembered(urls) == ("kept", "kept")
    await dead_owner.stop()
    await dead_owner._postgres.stop()
    await dead_owner._valkey.stop()


async def test_a_session_that_outlives_its_postmaster_is_waited_for(state: Path) -> None:
    servers = EmbeddedServers(state)
    async with servers as urls:
        await remember(urls, "kept")
        connection = await psycopg.AsyncConnection.connect(urls.database)
        session = connection.info.backend_pid
        os.kill(session, signal.SIGSTOP)
        os.kill(pids(servers)[0], signal.SIGKILL)

    start = asyncio.ensure_future(servers.start())
    log = state / "postgres.log"
    await eventually(lambda: "pre-existing shared memory" in log.read_text(), "the refusal")
    assert not start.done()
    os.kill(session, signal.SIGCONT)
    assert await remembered(await start) == ("kept", "kept")
    await servers.stop()
    await connection.close()


async def test_ctrl_c_reaches_the_owner_and_not_the_servers(state: Path, tmp_path: Path) -> None:
    async with started(str(state), cwd=tmp_path, program=OWNER) as owner:
        await owner.line("ready")
        owner.interrupt_group()
        urls = running(state)
        assert urls is not None
        await remember(urls, "value")

        assert await remembered(urls) == ("value", "value")
        owner.terminate()
        assert (await owner.ended()).stdout.endswith("stopped\n")


async def test_a_pid_file_whose_number_is_a_stranger_s_now_is_seen_past(
    state: Path, sleeping: ServerProcess
) -> None:
    await _stop_badly(state)
    _rewrite_pid_file(state, sleeping.pid)

    async with EmbeddedServers(state) as urls:
        assert await ask(urls.database, "select 1") == 1
    assert sleeping.exit_status is None


async def test_a_pid_file_whose_number_is_a_zombie_s_is_seen_past(
    state: Path, sleeping: ServerProcess
) -> None:
    await _stop_badly(state)
    _rewrite_pid_file(state, sleeping.pid)
    os.kill(sleeping.pid, signal.SIGKILL)

    async with EmbeddedServers(state) as urls:
        assert await ask(urls.database, "select 1") == 1


async def test_the_pid_file_of_a_living_postmaster_stays_as_it_is(state: Path) -> None:
    async with EmbeddedServers(state):
        before = (state / "postgres" / "postmaster.pid").read_text()
        disown_stale_pid_file(state / "postgres")

        assert (state / "postgres" / "postmaster.pid").read_text() == before


async def test_a_record_whose_number_is_a_stranger_s_now_harms_nobody(
    tmp_path: Path, sleeping: ServerProcess
) -> None:
    record = tmp_path / "postgres.pid"
    ProcessRecord(sleeping.pid, "another boot 1").save(record)

    await stop_orphan(record, _KILL, SYSTEM_CLOCK)

    assert sleeping.exit_status is None
    assert not record.exists()


async def test_an_orphan_that_ignores_the_first_signal_gets_the_next(tmp_path: Path) -> None:
    script = "import signal; signal.signal(15, signal.SIG_IGN); print('deaf'); signal.pause()"
    async with started(script, cwd=tmp_path, program=(sys.executable, "-c")) as deaf:
        await deaf.line("deaf")
        orphan = ProcessRecord.of(deaf.pid)
        assert orphan is not None
        orphan.save(tmp_path / "record")

        await stop_orphan(tmp_path / "record", ((signal.SIGTERM, 0.1), *_KILL), SYSTEM_CLOCK)
        assert (await deaf.ended()).status == -signal.SIGKILL


@pytest.mark.parametrize("content", ["", "null", "[1]", '{"pid": 1}', "rubbish"])
def test_an_unreadable_record_is_no_record(tmp_path: Path, content: str) -> None:
    (tmp_path / "record").write_text(content)

    assert ProcessRecord.load(tmp_path / "record") is None


async def test_a_process_is_known_by_its_start(tmp_path: Path) -> None:
    async with started(
        "import signal; signal.pause()", cwd=tmp_path, program=(sys.executable, "-c")
    ) as process:
        record = ProcessRecord.of(process.pid)
        assert record is not None
        assert record.is_alive()
        assert not ProcessRecord(record.pid, record.started + "1").is_alive()
    assert not record.is_alive()


def test_without_proc_a_process_is_known_through_ps() -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as child:
        living = _elsewhere(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        zombie = _elsewhere(child.pid)

    assert living
    assert zombie is None
    assert _elsewhere(child.pid) is None


async def test_leftover_sockets_under_the_temporary_folder_are_removed(tmp_path: Path) -> None:
    state = tmp_path / ("x" * 100) / "state"
    async with started(str(state), cwd=tmp_path, program=OWNER) as owner:
        await owner.line("ready")
        owner.kill()
    before = Path((state / "sockets_at").read_text())
    assert before.is_dir()

    async with EmbeddedServers(state):
        assert not before.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
async def test_a_folder_that_became_somebody_else_s_is_not_removed(state: Path) -> None:
    async with EmbeddedServers(state):
        pass
    foreign = state.parent / "foreign"
    foreign.mkdir()
    os.chown(foreign, 12345, 12345)
    (state / "sockets_at").write_text(str(foreign))

    async with EmbeddedServers(state):
        assert foreign.is_dir()


async def _stop_badly(state: Path) -> None:
    servers = EmbeddedServers(state)
    async with servers:
        for pid in pids(servers):
            os.kill(pid, signal.SIGKILL)


def _rewrite_pid_file(state: Path, pid: int) -> None:
    path = state / "postgres" / "postmaster.pid"
    _, *rest = path.read_text().splitlines()
    path.write_text("\n".join([str(pid), *rest, ""]))


def _records(state: Path) -> list[ProcessRecord]:
    records = [ProcessRecord.load(state / name) for name in ("postgres.pid", "valkey.pid")]
    assert None not in records
    return [record for record in records if record is not None]
