"""The state folders of these tests."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from runtime.embedded import EmbeddedServers


@pytest.fixture(scope="session")
def used_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder whose servers ran once and were stopped."""
    state = tmp_path_factory.mktemp("embedded") / "state"

    async def run_once() -> None:
        async with EmbeddedServers(state):
            pass

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(run_once())
    return state


@pytest.fixture
def state(used_state: Path, tmp_path: Path) -> Path:
    """A copy of it: making data takes several times as long as starting over them."""
    subprocess.run(["cp", "-a", used_state, tmp_path / "state"], check=True)
    return tmp_path / "state"


@pytest.fixture
def new_state(tmp_path: Path) -> Path:
    """Where a state folder may be made."""
    return tmp_path / "new"
