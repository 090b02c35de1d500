"""`ordinaut web` as a process: it says where it is, answers, and ends when it is asked to."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
import pytest

from tests.support.cli import Cli
from tests.support.processes import started


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_it_is_asked_to_end(
    tmp_path: Path, database: str, by: signal.Signals
) -> None:
    env = {"ORDINAUT_DATABASE_URL": database}
    async with started("web", "--listen", "127.0.0.1:0", cwd=tmp_path, env=env) as process:
        line = await process.line('"url"')
        url = line.split('"url": "')[1].split('"')[0]
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/readyz")).status_code == 200
            assert (await client.get("/api/v1/status")).status_code == 401
        if by is signal.SIGTERM:
            process.terminate()
        else:
            process.interrupt_group()
        done = await process.ended()

    assert done.status == 0
    assert '"message": "stopped"' in done.stderr
    # Requests leave no line.
    assert len(done.stderr.splitlines()) == 2


def test_an_address_that_is_taken_or_none_is_told(cli: Cli, database: str) -> None:
    assert "is no address to listen on" in cli("web", "--listen", "nowhere").stderr
    assert "ORD306" in cli("web", "--listen", "203.0.113.1:1").stderr


def test_a_public_url_that_is_none_is_told(cli: Cli) -> None:
    refused = cli("web", "--public-url", "ordinaut.example")

    assert refused.status == 1
    assert "must be the URL that people reach it under" in refused.stderr
