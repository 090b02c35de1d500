"""Whatever happens to the folder that is watched, the next edit is seen."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from reconciler.reconcile import Reconciled
from reconciler.watch import SpecsWatch
from runtime.errors import NotFound, OrdinautError
from tests.support.probes import within

_PROJECT = "apiVersion: ordinaut/v1\nkind: Project\nname: home\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "specs"
    write(folder, "one")
    return folder


def write(folder: Path, description: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "ordinaut.yaml").write_text(f"{_PROJECT}description: {description}\n")


@pytest.fixture
async def outcomes(
    database: str, folder: Path
) -> AsyncIterator[asyncio.Queue[Reconciled | OrdinautError]]:
    """What a running watch tells."""
    told: asyncio.Queue[Reconciled | OrdinautError] = asyncio.Queue()
    watch = SpecsWatch(database, folder, "default", told.put_nowait)
    assert applied(await watch.begin())
    running = asyncio.create_task(watch.run())
    yield told
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def applied(outcome: Reconciled | OrdinautError) -> bool:
    return isinstance(outcome, Reconciled) and outcome.report is not None


async def is_applied(outcomes: asyncio.Queue[Reconciled | OrdinautError]) -> None:
    while not applied(await outcomes.get()):
        pass


async def test_a_folder_that_goes_and_comes_back_is_watched_again(
    outcomes: asyncio.Queue[Reconciled | OrdinautError], folder: Path
) -> None:
    shutil.rmtree(folder)
    assert isinstance(await within(outcomes.get(), "its absence is told"), NotFound)

    write(folder, "two")
    await within(is_applied(outcomes), "what came back is applied")
    write(folder, "three")
    await within(is_applied(outcomes), "an edit after that is applied")


async def test_a_folder_in_the_place_of_another_is_watched(
    outcomes: asyncio.Queue[Reconciled | OrdinautError], folder: Path
) -> None:
    other = folder.with_name("other")
    write(other, "two")
    folder.rename(folder.with_name("old"))
    other.rename(folder)

    await within(is_applied(outcomes), "the other folder is applied")
    write(folder, "three")
    await within(is_applied(outcomes), "an edit of it is applied")
