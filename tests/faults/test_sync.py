"""`ordinaut sync` as a process: killed or stopped anywhere, what is in force is the old commit whole or the new one whole."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.applying import everything
from tests.support.awkward_git import make_awkward
from tests.support.probes import eventually
from tests.support.processes import ordinaut, started
from tests.support.syncing import Origin, origin

__all__ = ["origin"]

_SECRET = "a secret of the forge"
_WAITING = (
    "select count(*) from pg_stat_activity"
    " where application_name = 'ordinaut sync' and wait_event_type = 'Lock'"
)


@pytest.fixture
def env(origin: Origin) -> Mapping[str, str]:
    return {"ORDINAUT_DATABASE_URL": origin.bench.url, "ORDINAUT_STATE_DIR": str(origin.state_dir)}


@pytest.mark.slow
@pytest.mark.parametrize("table", ["source_status", "spec", "outbox"])
async def test_a_look_that_is_killed_has_done_nothing_and_the_next_does_it(
    origin: Origin, env: Mapping[str, str], table: str
) -> None:
    """At its first statement, in the middle of applying, and just before the commit."""
    await origin.look()
    origin.push(one=None, three="")
    before = everything(origin.bench.connection)

    with origin.bench.other() as other, other.transaction():
        other.execute(f"lock table ordinaut.{table} in share mode".encode())
        if table == "source_status":
            other.execute(b"lock table ordinaut.source_status in access exclusive mode")
        async with started("sync", cwd=origin.clone.folder, env=env) as process:
            await eventually(lambda: origin.bench.row(_WAITING) == (1,), "it waits for the lock")
            process.kill()
            await process.ended()
    await eventually(lambda: origin.bench.row(_WAITING) == (0,), "its session is gone")

    assert everything(origin.bench.connection) == before
    once = await ordinaut("sync", "--once", cwd=origin.clone.folder, env=env)
    assert (once.status, once.stdout.splitlines()[-1].split()[0]) == (0, "Synced")
    assert origin.names == ["three", "two"]


@pytest.mark.slow
async def test_a_look_that_is_stopped_ends_at_once_and_has_done_nothing(
    origin: Origin, env: Mapping[str, str]
) -> None:
    with origin.bench.other() as other, other.transaction():
        other.execute(b"lock table ordinaut.outbox in share mode")
        async with started("sync", cwd=origin.clone.folder, env=env) as process:
            await eventually(lambda: origin.bench.row(_WAITING) == (1,), "it waits for the lock")
            process.terminate()
            stopped = await process.ended(seconds=5)

    assert (stopped.status, stopped.stderr.splitlines()[-1]) == (0, "stopped")
    assert origin.names == []


@pytest.mark.slow
async def test_a_look_that_is_stopped_while_git_works_ends_at_once_and_applies_nothing(
    origin: Origin, env: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = make_awkward(tmp_path, monkeypatch, '*" rev-parse "*":specs "', "sleep 60")
    async with started("sync", cwd=origin.clone.folder, env=env) as process:
        await eventually(git.asked.exists, "git is asked")
        process.terminate()
        stopped = await process.ended(seconds=5)

    assert (stopped.status, stopped.stderr.splitlines()[-1]) == (0, "stopped")
    assert origin.names == []


@pytest.mark.slow
async def test_a_signed_webhook_wakes_it_and_ctrl_c_ends_it(
    origin: Origin, env: Mapping[str, str], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(f"{_SECRET.replace(' ', '-')}\n")
    command = ("sync", "--listen", "127.0.0.1:0", "--webhook-secret-file", str(tmp_path / "secret"), "--interval", "1h")  # fmt: skip
    async with started(*command, cwd=origin.clone.folder, env=env) as process:
        port = int((await process.line("/wake")).rpartition(":")[2].partition("/")[0])
        await process.line("Synced")
        origin.push(three="")
        assert b" 403 " in await post(port, "another secret")
        assert b" 202 " in await post(port, _SECRET.replace(" ", "-"))
        await process.line("Applied as r2: 1 created.")

        process.interrupt_group()
        stopped = await process.ended()

    assert (stopped.status, stopped.stderr.splitlines()[-1]) == (0, "stopped")
    assert origin.names == ["one", "three", "two"]


async def post(port: int, secret: str) -> bytes:
    """The first line that is answered to a wake-up signed with a secret."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    digest = hmac.new(secret.encode(), b"{}", "sha256").hexdigest()
    head = f"POST /wake HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256={digest}\r\n"
    writer.write(f"{head}Content-Length: 2\r\n\r\n{{}}".encode())
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return answer
