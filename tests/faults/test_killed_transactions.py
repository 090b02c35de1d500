"""A runtime that is killed around a transactional step: what the statement did counts once, and only with its record."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.faults.site import Site
from tests.support.locks import hold_commits, somebody_waits_for_the_lock
from tests.support.processes import RunningProcess

BOOK = {
    "id": "book",
    "uses": "ordinaut.sql",
    "effect": "transactional",
    "with": {"statement": "insert into entry (run) values ($1)", "parameters": ["${run.id}"]},
}


@pytest.fixture
async def held(site: Site) -> psycopg.AsyncConnection:
    """A table of entries that steps may use, and a session that can hold advisory lock 42."""
    await site.connection.execute("create table public.entry (run text)")
    await site.connection.execute("grant insert, select on public.entry to ordinaut_sql")
    return site.connection


async def kill(runtime: RunningProcess) -> None:
    runtime.kill()
    assert (await runtime.ended()).status == -9


async def kill_and_go_on(site: Site, held: psycopg.AsyncConnection, run_id: UUID) -> None:
    """Kill a runtime when its statement waits for the lock, let that go, and have another runtime finish the run."""
    async with site.runtime() as runtime:
        await somebody_waits_for_the_lock(held)
        await kill(runtime)
    await held.execute("select pg_advisory_unlock(42)")
    async with site.runtime():
        assert await site.ended(run_id) == ["succeeded"]


async def recorded(site: Site) -> tuple[Any, Any]:
    """How many entries and how many results there are."""
    entries = await site.value("select count(*) from public.entry")
    return entries, await site.value("select count(*) from ordinaut.step_result")


async def test_killed_before_the_commit_nothing_was_done(
    site: Site, held: psycopg.AsyncConnection
) -> None:
    """Asserts: the runtime is killed while its statement works. Nothing of it is kept, and the next runtime does it once."""
    await held.execute("select pg_advisory_lock(42)")
    statement = "insert into entry (run) select $1 from pg_advisory_xact_lock(42)"
    slow = {**BOOK, "with": {"statement": statement, "parameters": ["${run.id}"]}}
    run_id = await site.queue(await site.install(slow))
    await kill_and_go_on(site, held, run_id)

    assert await recorded(site) == (1, 1)
    assert await site.results() == [("book", "ok", 2)]


async def test_killed_while_it_commits_what_was_committed_is_not_done_again(
    site: Site, held: psycopg.AsyncConnection
) -> None:
    """Asserts: the runtime is killed while PostgreSQL commits. The commit is completed without it, and the next runtime finds
    the result on record.
    """
    await hold_commits(held)
    run_id = await site.queue(await site.install(BOOK))
    await kill_and_go_on(site, held, run_id)

    assert await recorded(site) == (1, 1)
    assert await site.results() == [("book", "ok", 1)]
