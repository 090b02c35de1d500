"""`ordinaut up` has a web side: a process that starts when it is asked, and lives as long as `up` does."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psycopg
import pytest

from runtime.addresses import DEFAULT_LISTEN, listening, listening_somewhere, url_of
from runtime.embedded.processes import ProcessRecord
from runtime.errors import ConfigError
from tests.support.cli import Cli
from tests.support.probes import eventually
from tests.support.processes import RunningProcess, started

pytestmark = pytest.mark.slow

_SPECS = "apiVersion: ordinaut/v1\nkind: Project\nname: home\n"


@pytest.fixture
async def up(tmp_path: Path, database: str, redis_url: str) -> AsyncIterator[RunningProcess]:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "all.yaml").write_text(_SPECS)
    env = {"ORDINAUT_DATABASE_URL": database, "ORDINAUT_REDIS_URL": redis_url}
    async with started("up", "--listen", "127.0.0.1:0", cwd=tmp_path, env=env) as process:
        await process.line("watching the specs")
        # What is called as ours in the working folder is not ours.
        (tmp_path / "reconciler.py").write_text("raise SystemExit(9)\n")
        yield process


async def address(up: RunningProcess) -> str:
    line = await up.line("dashboard and API at ")
    return line.split()[-1]


def children(process: RunningProcess) -> list[int]:
    """The numbers of its child processes."""
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(number) for number in found.split()]


async def gone(pid: int) -> None:
    await eventually(lambda: ProcessRecord.of(pid) is None, f"the end of process {pid}")


def sessions(database: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "select count(*) from pg_stat_activity where application_name like 'ordinaut web%' and datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])


async def test_it_starts_unasked_where_traces_are_sent(
    tmp_path: Path, database: str, redis_url: str
) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "all.yaml").write_text(_SPECS)
    env = {"ORDINAUT_DATABASE_URL": database, "ORDINAUT_REDIS_URL": redis_url}
    env["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
    async with started("up", "--listen", "127.0.0.1:0", cwd=tmp_path, env=env):
        await eventually(lambda: sessions(database) > 0, "a web side", seconds=40)


async def test_it_starts_when_it_is_asked_and_ends_with_the_rest(
    up: RunningProcess, database: str
) -> None:
    url = await address(up)
    before = children(up)
    assert sessions(database) == 0

    async with httpx.AsyncClient(timeout=20) as client:
        assert (await client.get(f"{url}/readyz")).text == "ok\n"
    [web] = set(children(up)) - set(before)
    up.interrupt_group()

    finished = await up.ended()
    assert finished.status == 0
    # Not a word of ours or of Python's: it ended as it should.
    assert finished.stderr.splitlines() == ["stopped"]
    await gone(web)


async def test_a_killed_one_is_started_again(up: RunningProcess) -> None:
    url = await address(up)
    before = children(up)
    async with httpx.AsyncClient(timeout=20) as client:
        await client.get(f"{url}/healthz")
        [web] = set(children(up)) - set(before)
        os.kill(web, signal.SIGKILL)
        await up.line("the web process ended by SIGKILL")
        assert (await client.get(f"{url}/healthz")).status_code == 200
    up.terminate()
    assert (await up.ended()).status == 0


async def test_it_does_not_outlive_a_killed_owner(up: RunningProcess) -> None:
    url = await address(up)
    before = children(up)
    async with httpx.AsyncClient(timeout=20) as client:
        await client.get(f"{url}/healthz")
    [web] = set(children(up)) - set(before)

    up.kill()

    await gone(web)


def test_where_nobody_said_where_to_listen_a_taken_port_is_passed_over() -> None:
    with listening_somewhere(None) as first, listening_somewhere(None) as second:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url_of(first))
        assert url_of(second) not in {url_of(first), f"http://{DEFAULT_LISTEN}"}


def test_where_somebody_said_where_a_taken_port_is_told() -> None:
    with listening("0") as taken, pytest.raises(ConfigError, match="cannot listen on"):
        listening_somewhere(url_of(taken).removeprefix("http://"))


async def test_a_link_leads_to_the_port_that_was_taken_and_no_further(
    up: RunningProcess, tmp_path: Path, database: str
) -> None:
    cli = Cli(
        {"ORDINAUT_DATABASE_URL": database, "ORDINAUT_STATE_DIR": str(tmp_path / ".ordinaut")}
    )
    where = await address(up)

    found = cli("dashboard").stdout
    up.terminate()
    await up.ended()
    later = cli("dashboard").stdout

    assert found.startswith(f"{where}/sign-in?link=")
    assert later.startswith(f"http://{DEFAULT_LISTEN}/sign-in?link=")
    assert not (tmp_path / ".ordinaut" / "web.json").exists()
