"""As root, as an ordinary user, in closed folders, and in folders that are not ours."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.clock import SYSTEM_CLOCK
from runtime.embedded import EmbeddedServers, running
from runtime.embedded.processes import Account, Program, ServerProcess
from runtime.embedded.state import StateFolder
from runtime.errors import EmbeddedError
from tests.runtime.embedded.servers import OWNER, ask, pids
from tests.support.probes import eventually
from tests.support.processes import ROOT

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
_NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder that everybody may enter; those of pytest are closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix="ordinaut-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@as_root
async def test_root_runs_the_servers_as_somebody_else(outside: Path) -> None:
    servers = EmbeddedServers(outside / "state")
    ours = os.getgroups()
    os.setgroups([12345])
    try:
        urls = await servers.start()
    finally:
        os.setgroups(ours)
    try:
        assert await ask(urls.database, "select 1") == 1
        for pid in pids(servers):
            status = _status(pid)
            assert status["Uid"] != ["0"] * 4
            assert status["Groups"] == []
            assert (int(status["CapPrm"][0], 16), status["NoNewPrivs"]) == (0, ["1"])
    finally:
        await servers.stop()


@as_root
async def test_folders_closed_to_the_servers_user_are_passed_and_stay_closed(
    outside: Path,
) -> None:
    closed = outside / "closed"
    closed.mkdir(mode=0o700)
    servers = EmbeddedServers(closed / "clone" / "state")

    async with servers as urls:
        assert await ask(urls.database, "select 1") == 1
        # Bit 2, CAP_DAC_READ_SEARCH, and nothing else: it may pass folders, and write nothing that is not its own.
        assert {_status(pid)["CapEff"][0] for pid in pids(servers)} == {f"{1 << 2:016x}"}
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@as_root
async def test_data_keep_their_owner_when_another_account_would_be_chosen_now(
    outside: Path,
) -> None:
    state = outside / "state"
    async with EmbeddedServers(state):
        pass
    for folder in ("postgres", "valkey"):
        for path in (state / folder, *(state / folder).rglob("*")):
            os.chown(path, _NOBODY.pw_uid, _NOBODY.pw_gid)

    servers = EmbeddedServers(state)
    async with servers as urls:
        assert await ask(urls.database, "select 1") == 1
        assert _status(pids(servers)[0])["Uid"][0] == str(_NOBODY.pw_uid)


@as_root
async def test_an_ordinary_user_runs_the_servers(outside: Path) -> None:
    home = outside / "home"
    home.mkdir()
    os.chown(home, _NOBODY.pw_uid, _NOBODY.pw_gid)
    for _ in range(2):
        owner = _owner_as_nobody(home / "state", outside)
        try:
            await eventually(lambda: running(home / "state"), "the servers", seconds=30)
            assert (home / "state" / "postgres").stat().st_uid == _NOBODY.pw_uid
        finally:
            await owner.stop(SYSTEM_CLOCK)
        assert owner.said().splitlines()[-1] == "stopped"


@as_root
async def test_an_ordinary_user_is_told_which_folder_cannot_be_written(outside: Path) -> None:
    owner = _owner_as_nobody(outside / "state", outside)

    assert await owner.ended(SYSTEM_CLOCK) == 1
    assert (
        f"ORD307: the state directory {outside}/state cannot be used: Permission denied"
        in owner.said()
    )


@as_root
async def test_an_ordinary_user_is_told_whose_folder_it_is(outside: Path) -> None:
    async with EmbeddedServers(outside / "state"):
        pass
    owner = _owner_as_nobody(outside / "state", outside)

    assert await owner.ended(SYSTEM_CLOCK) == 1
    assert "belongs to user 0, and we are" in owner.said()


async def test_a_path_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(EmbeddedError, match="cannot be used") as caught:
        await EmbeddedServers(tmp_path / "file" / "state").start()
    assert caught.value.code == "ORD307"
    assert "ORDINAUT_STATE_DIR" in caught.value.hint


async def test_a_folder_that_others_may_write_is_refused_and_stays_as_it_is(
    new_state: Path,
) -> None:
    new_state.mkdir()
    new_state.chmod(0o777)

    with pytest.raises(EmbeddedError, match="others may write"):
        await EmbeddedServers(new_state).start()
    assert stat.S_IMODE(new_state.stat().st_mode) == 0o777


async def test_a_folder_made_beforehand_keeps_its_mode(new_state: Path) -> None:
    new_state.mkdir()
    new_state.chmod(0o755)

    async with EmbeddedServers(new_state) as urls:
        assert await ask(urls.database, "select 1") == 1
    assert stat.S_IMODE(new_state.stat().st_mode) == 0o755


@as_root
def test_root_without_any_other_user_is_told_so(
    new_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody_there(name: str) -> pwd.struct_passwd:
        raise KeyError(name)

    monkeypatch.setattr(pwd, "getpwnam", nobody_there)

    with pytest.raises(EmbeddedError, match="refuses to run as root"):
        _ = StateFolder(new_state).account


def _owner_as_nobody(state: Path, logs: Path) -> ServerProcess:
    """The program runs as nobody; where this interpreter or checkout is closed to it, it may still read them."""
    program = Program(
        arguments=(sys.executable, *map(str, OWNER[1:]), str(state)),
        needs=(Path(sys.executable), ROOT / "runtime"),
        log=logs / "owner.log",
        stop_signals=((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0)),
    )
    return ServerProcess.start(program, Account(_NOBODY.pw_uid, _NOBODY.pw_gid))


def _status(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: values.split() for name, _, values in (line.partition(":") for line in lines)}
