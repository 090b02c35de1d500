"""Toolboxes on real servers, closed at the end of the test, with nothing left behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

import pytest

from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.tools.definition import ServerDefinition
from runtime.tools.redact import Redactor
from runtime.tools.toolbox import Toolbox
from tests.runtime.tools.servers import open_files
from tests.support.probes import eventually
from tests.support.processes import _children as our_children
from tests.support.processes import nothing_left

OpenToolbox = Callable[..., Coroutine[Any, Any, Toolbox]]


@pytest.fixture
async def open_toolbox(tmp_path: Path) -> AsyncIterator[OpenToolbox]:
    """Opens a toolbox over the given definitions."""
    strangers, files = our_children(), open_files()
    boxes: list[Toolbox] = []

    async def opened(
        *definitions: ServerDefinition, clock: Clock = SYSTEM_CLOCK, secrets: Iterable[str] = ()
    ) -> Toolbox:
        redact = Redactor(secrets)
        box = Toolbox(definitions, clock, tmp_path / "state", project=tmp_path, redact=redact)
        boxes.append(await box.__aenter__())
        return box

    yield opened
    for box in boxes:
        await box.stop()
    assert not list((tmp_path / "state" / "servers").glob("*")), "a record outlived its server"
    await nothing_left(strangers)
    await eventually(lambda: open_files() <= files, "every file of the servers closed")
