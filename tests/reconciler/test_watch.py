"""Whatever happens to the folder that is watched, the next edit is seen."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from reconciler.reconcile import Reconciled
from reconciler.watch import SpecsWatch
from runtime.errors import DatabaseUnavailable, NotFound, OrdinautError
from tests.support.clock import FakeClock
from tests.support.probes import eventually, within
from tests.support.proxy import Proxy

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


async def test_a_look_that_the_database_missed_is_repeated_without_an_edit_and_told_once(
    database: str, folder: Path, clock: FakeClock
) -> None:
    told: asyncio.Queue[Reconciled | OrdinautError] = asyncio.Queue()
    async with Proxy(database) as network:
        watch = SpecsWatch(network.url, folder, "default", told.put_nowait, clock)
        network.refuse()
        assert isinstance(await watch.begin(), DatabaseUnavailable)
        running = asyncio.create_task(watch.run())

        for pause in (1, 2):
            await eventually(lambda: clock.sleepers == 1, "it waits")
            await clock.advance(pause)
        await eventually(lambda: clock.sleepers == 1, "it waits again")
        assert told.empty()
        await network.resume()
        await clock.advance(4)

        assert applied(await within(told.get(), "it is applied"))
        write(folder, "two")
        await within(is_applied(told), "the next edit is applied")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_an_edit_does_not_wait_for_the_next_try(
    database: str, folder: Path, clock: FakeClock
) -> None:
    told: asyncio.Queue[Reconciled | OrdinautError] = asyncio.Queue()
    async with Proxy(database) as network:
        watch = SpecsWatch(network.url, folder, "default", told.put_nowait, clock)
        network.refuse()
        await watch.begin()
        running = asyncio.create_task(watch.run())
        await eventually(lambda: clock.sleepers == 1, "it waits")

        await network.resume()
        write(folder, "two")

        await within(is_applied(told), "the edit is applied")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
