"""Whatever happens to the folder that is watched, the next edit is seen."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from reconciler import reconcile
from reconciler.reconcile import Folder, Reconciled
from reconciler.watch import SpecsWatch
from runtime.errors import (
    Blocked,
    DatabaseUnavailable,
    NotFound,
    OrdinautError,
    SourceUnavailable,
    SpecError,
)
from runtime.store.connect import connect
from tests.support.clock import FakeClock
from tests.support.locks import somebody_is_blocked
from tests.support.probes import eventually, within
from tests.support.processes import started
from tests.support.proxy import Proxy

_PROJECT = "apiVersion: ordinaut/v1\nkind: Project\nname: home\n"
_TASK = (
    "apiVersion: ordinaut/v1\nkind: Task\nname: tea\nagent: cook\nschedule: {every: 1h}\n"
    "pipeline: [{id: rest, uses: ordinaut.sleep, with: {for: 1s}}]\n---\n"
    "apiVersion: ordinaut/v1\nkind: Agent\nname: cook\nscopes: [ordinaut.*]\n"
)
_DESCRIPTION: Final = "select body->>'description' from ordinaut.spec where kind = 'Project'"


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
    watch = SpecsWatch(Folder(database, folder, "default"), told.put_nowait)
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
        watch = SpecsWatch(Folder(network.url, folder, "default"), told.put_nowait, clock)
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
        watch = SpecsWatch(Folder(network.url, folder, "default"), told.put_nowait, clock)
        network.refuse()
        await watch.begin()
        running = asyncio.create_task(watch.run())
        await eventually(lambda: clock.sleepers == 1, "it waits")

        await network.resume()
        write(folder, "two")

        await within(is_applied(told), "the edit is applied")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_a_guard_refuses_is_told_with_its_plan_and_the_next_edit_is_seen(
    outcomes: asyncio.Queue[Reconciled | OrdinautError], folder: Path
) -> None:
    (folder / "tea.yaml").write_text(_TASK)
    await within(is_applied(outcomes), "the task is applied")
    (folder / "tea.yaml").write_text("")
    refused = await within(outcomes.get(), "the refusal is told")
    assert isinstance(refused, Reconciled)
    assert isinstance(refused.refusal, Blocked)
    assert refused.plan is not None
    assert refused.plan.summary.retire == 2

    (folder / "tea.yaml").write_text(_TASK)
    back = await within(outcomes.get(), "it is sound again")
    assert isinstance(back, Reconciled)
    assert (back.refusal, back.report, back.plan and back.plan.changes) == (None, None, ())


async def test_an_edit_during_an_apply_is_not_lost(
    outcomes: asyncio.Queue[Reconciled | OrdinautError], folder: Path, database: str
) -> None:
    async with await psycopg.AsyncConnection.connect(database) as other:
        await other.execute("lock table ordinaut.outbox in share mode")
        write(folder, "two")
        await somebody_is_blocked(database)
        write(folder, "three")
        await other.rollback()
        await within(is_applied(outcomes), "the first edit is applied")
        await within(is_applied(outcomes), "the second edit is applied")

        row = await (await other.execute(_DESCRIPTION)).fetchone()
    assert row == ("three",)


async def test_what_belongs_to_another_project_is_told_and_not_the_end(
    outcomes: asyncio.Queue[Reconciled | OrdinautError], folder: Path
) -> None:
    (folder / "tea.yaml").write_text(_TASK)
    await within(is_applied(outcomes), "the task is applied")
    (folder / "ordinaut.yaml").write_text(_PROJECT.replace("home", "office"))

    told = await within(outcomes.get(), "it is told")

    assert isinstance(told, Reconciled)
    assert isinstance(told.refusal, SpecError)
    assert {problem.code for problem in told.refusal.problems} == {"ORD204"}
    write(folder, "two")
    await within(is_applied(outcomes), "the next edit is applied")


async def test_a_preview_shows_each_save_and_writes_nothing(database: str, folder: Path) -> None:
    told: asyncio.Queue[Reconciled | OrdinautError] = asyncio.Queue()
    watch = SpecsWatch(Folder(database, folder, "default", applies=False), told.put_nowait)
    running = asyncio.create_task(watch.run())
    counts = []
    for step in ("nothing yet", "a save"):
        found = await within(told.get(), step)
        assert isinstance(found, Reconciled)
        assert found.plan is not None
        counts.append((found.plan.summary.create, found.report))
        (folder / "tea.yaml").write_text(_TASK)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert counts == [(1, None), (3, None)]
    async with await psycopg.AsyncConnection.connect(database) as connection:
        written = await connection.execute("select count(*) from ordinaut.revision")
        assert await written.fetchone() == (0,)


async def test_where_no_database_is_yet_everything_is_new(folder: Path) -> None:
    found = await SpecsWatch(Folder(None, folder, "default"), lambda _: None).look()

    assert isinstance(found, Reconciled)
    assert found.plan is not None
    assert found.plan.summary.create == 1


@pytest.mark.parametrize("moment", ["plan_specs", "apply_plan"])
def test_a_stop_during_a_look_leaves_the_old_state(
    database: str, folder: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """While files are compared there is no statement to end, and between two of them none either."""
    write(folder, "one")
    looked = Folder(database, folder, "default")
    real = getattr(reconcile, moment)

    def ends(*asked: Any) -> Any:
        looked.interrupt()
        return real(*asked)

    # To stand within a look.
    monkeypatch.setattr(reconcile, moment, ends)

    with pytest.raises(SourceUnavailable, match="stopped"):
        looked.look()
    with connect(database) as connection:
        assert connection.execute("select from ordinaut.revision").fetchall() == []


async def test_stopping_ends_what_waits_for_another_apply(
    outcomes: asyncio.Queue[Reconciled | OrdinautError], folder: Path, database: str
) -> None:
    env = {"ORDINAUT_DATABASE_URL": database, "ORDINAUT_STATE_DIR": str(folder.with_name("state"))}
    async with started("watch", cwd=folder.parent, env=env) as watch:
        await watch.line("nothing changed since the last apply")
        async with await psycopg.AsyncConnection.connect(database) as other:
            await other.execute("lock table ordinaut.outbox in share mode")
            write(folder, "two")
            await somebody_is_blocked(database, sessions=2)
            watch.interrupt_group()
            ended = await watch.ended(seconds=5)
            await other.rollback()
        await within(is_applied(outcomes), "the other watch applies it")

    assert (ended.status, ended.stderr) == (0, "stopped\n")
    assert "revision" not in ended.stdout
