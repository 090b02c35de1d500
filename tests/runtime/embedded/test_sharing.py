"""One owner at a time; commands find its servers, or run their own for a moment, one after the other."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtime.embedded import EmbeddedServers, running, temporarily
from runtime.embedded.state import StateFolder
from runtime.errors import EXIT_LOCKED, EmbeddedError
from tests.runtime.embedded.servers import OWNER, ask, remember, remembered
from tests.support.probes import eventually, within
from tests.support.processes import ROOT, ordinaut, started

_COMMAND = """
import sys; sys.path.insert(0, sys.argv[2])
from pathlib import Path; import psycopg
from runtime.embedded import temporarily
with temporarily(Path(sys.argv[1])) as urls, psycopg.connect(urls.database, autocommit=True) as connection:
    connection.execute("create table if not exists seen (value integer)")
    print("began", flush=True)
    before = connection.execute("select count(*) from seen").fetchone()[0]
    connection.execute("select pg_sleep(0.2)")
    connection.execute("insert into seen values (%s)", (before,))
    print("wrote", before, flush=True)
"""


async def test_a_second_owner_is_refused_and_told_who_the_first_is(
    state: Path, tmp_path: Path
) -> None:
    async with started(str(state), cwd=tmp_path, program=OWNER) as owner:
        await owner.line("ready")

        with pytest.raises(EmbeddedError, match=f"process {owner.pid} uses") as caught:
            await EmbeddedServers(state).start()
        assert caught.value.code == "ORD308"
        assert running(state) is not None


async def test_an_owner_refused_leaves_the_first_one_s_servers_alone(state: Path) -> None:
    async with EmbeddedServers(state) as urls:
        second = EmbeddedServers(state)
        with pytest.raises(EmbeddedError):
            await second.start()
        await second.stop()

        await remember(urls, "value")
        assert await remembered(urls) == ("value", "value")


async def test_a_command_finds_the_running_servers(state: Path) -> None:
    assert running(state) is None
    async with EmbeddedServers(state) as urls:
        assert running(state) == urls
    assert running(state) is None


async def test_servers_that_died_are_not_found(state: Path) -> None:
    servers = EmbeddedServers(state)
    async with servers:
        servers._postgres.process._child.kill()
        await eventually(lambda: running(state) is None, "the end of PostgreSQL")


def test_a_folder_that_is_a_file_has_no_servers(new_state: Path) -> None:
    new_state.write_text("")

    assert running(new_state) is None


async def test_a_command_beside_an_owner_uses_its_servers(state: Path) -> None:
    async with EmbeddedServers(state) as urls:
        assert await asyncio.to_thread(_temporary_urls, state) == urls
        assert await ask(urls.database, "select 1") == 1


async def test_a_command_that_stays_keeps_no_owner_out(state: Path, tmp_path: Path) -> None:
    env = {"ORDINAUT_STATE_DIR": str(state)}
    servers = EmbeddedServers(state)
    await servers.start()
    migrated = await ordinaut("migrate", cwd=tmp_path, env=env)
    assert migrated.status == 0, migrated.stderr
    async with started("logs", "--follow", cwd=tmp_path, env=env) as following:
        await ordinaut("emit", "orders.paid", cwd=tmp_path, env=env)
        await following.line("event.arrived")
        await servers.stop()
        # It looks for servers that run, and starts none.
        await following.line("no `ordinaut up` runs")
        async with EmbeddedServers(state):
            await following.line("answers again")


async def test_what_stays_has_nothing_to_look_at_where_nothing_runs(
    state: Path, tmp_path: Path
) -> None:
    env = {"ORDINAUT_STATE_DIR": str(state)}

    found = await ordinaut("top", cwd=tmp_path, env=env)

    assert found.status == EXIT_LOCKED
    assert "ORD301: no `ordinaut up` runs over" in found.stderr


def test_a_command_alone_runs_postgresql_for_its_own_while(state: Path) -> None:
    with temporarily(state) as urls:
        assert urls.redis is None
        assert asyncio.run(ask(urls.database, "select 1")) == 1
        assert running(state) is None

    assert not (state / "postgres" / "postmaster.pid").exists()
    assert not StateFolder(state).lock(is_temporary=True)


def test_a_command_that_fails_stops_its_server_too(state: Path) -> None:
    with pytest.raises(KeyboardInterrupt), temporarily(state):
        raise KeyboardInterrupt

    assert not (state / "postgres" / "postmaster.pid").exists()


async def test_commands_at_once_take_turns(state: Path, tmp_path: Path) -> None:
    program = (sys.executable, "-c", _COMMAND, str(state), str(ROOT))
    async with (
        started(cwd=tmp_path, program=program) as first,
        started(cwd=tmp_path, program=program) as second,
        started(cwd=tmp_path, program=program) as third,
    ):
        finished = await asyncio.gather(first.ended(), second.ended(), third.ended())

    assert [(each.status, each.stderr) for each in finished] == [(0, "")] * 3
    assert sorted(each.stdout for each in finished) == [f"began\nwrote {n}\n" for n in range(3)]


async def test_an_owner_waits_for_a_command(state: Path, tmp_path: Path) -> None:
    program = (sys.executable, "-c", _COMMAND, str(state), str(ROOT))
    async with started(cwd=tmp_path, program=program) as command:
        await command.line("began")
        async with EmbeddedServers(state) as urls:
            assert await ask(urls.database, "select count(*) from seen") == 1
        assert (await command.ended()).status == 0


async def test_a_command_waits_for_an_owner_that_is_starting(new_state: Path) -> None:
    servers = EmbeddedServers(new_state)
    start = asyncio.ensure_future(servers.start())
    await eventually((new_state / "lock").exists, "the lock")
    found = await within(
        asyncio.to_thread(_temporary_urls, new_state), "the owner's servers", seconds=30
    )

    assert found == await start
    await servers.stop()


async def test_waiting_ends(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.embedded.servers._TEMPORARY_SECONDS", 0.1)
    holder = StateFolder(state)
    holder.prepare()
    assert holder.lock(is_temporary=True) is None

    with pytest.raises(EmbeddedError, match="uses the state directory") as caught:
        await EmbeddedServers(state).start()
    assert caught.value.code == "ORD308"
    with pytest.raises(EmbeddedError) as caught:
        await asyncio.to_thread(_temporary_urls, state)
    assert caught.value.code == "ORD308"
    holder.unlock()
    holder.unlock()


def test_the_name_of_a_dead_holder_is_not_believed(state: Path) -> None:
    first, second, third = (StateFolder(state) for _ in range(3))
    first.prepare()
    assert first.lock(is_temporary=False) is None
    written = (state / "lock").read_text()
    (state / "lock").write_text(written.replace('"started": "', '"started": "before '))

    holder = second.lock(is_temporary=True)
    assert holder is not None
    assert (holder.pid, holder.is_temporary) == (None, True)
    (state / "lock").write_text("")
    assert third.lock(is_temporary=True) == holder
    first.unlock()


def _temporary_urls(state: Path) -> object:
    with temporarily(state) as urls:
        return urls


def test_any_number_of_processes_may_prepare_a_folder_at_once(tmp_path: Path) -> None:
    """One command in twenty that came beside another was told that the folder could not be used."""
    with ThreadPoolExecutor(8) as many:
        for attempt in range(50):
            at_once = threading.Barrier(8)

            def prepare(folder: Path, at_once: threading.Barrier = at_once) -> None:
                at_once.wait()
                StateFolder(folder).prepare()

            list(many.map(prepare, [tmp_path / str(attempt)] * 8))

    assert sorted(path.name for path in (tmp_path / "0").iterdir()) == [".gitignore"]
