"""The service that pulls: it looks again by the clock and when woken, backs off, and says each thing once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from reconciler.sync import Look
from reconciler.syncing import BranchSync
from runtime.actor import Actor
from runtime.errors import DatabaseUnavailable, SourceUnavailable
from runtime.store.sources import approve_plan, list_sources
from tests.support.clock import FakeClock
from tests.support.probes import eventually, within
from tests.support.proxy import Proxy
from tests.support.syncing import PROJECT, Origin, origin, stands

__all__ = ["origin"]

# Looks go through threads and processes, which the fake clock does not count.
_MINUTE = 60.0


class Told:
    """What a service tells, and how often it has looked."""

    def __init__(self) -> None:
        self.looks: asyncio.Queue[Look] = asyncio.Queue()
        self.ended = 0
        self.last: Look

    async def rests(self, clock: FakeClock, looks: int) -> None:
        """Wait until it has looked so often, and waits for the next time."""
        await eventually(lambda: self.ended == looks and clock.sleepers == 1, "it rests")

    async def next(self) -> Look:
        return await within(self.looks.get(), "it tells")


@asynccontextmanager
async def pulling(
    origin: Origin, clock: FakeClock, **subject: str
) -> AsyncIterator[tuple[BranchSync, Told]]:
    told = Told()
    service = origin.sync(clock=clock, tell=told.looks.put_nowait, **subject)
    look = service.look

    async def counted() -> Look:
        found = await look()
        told.ended += 1
        told.last = found
        return found

    service.look = counted  # type: ignore[method-assign]  # to know when it is over
    running = asyncio.create_task(service.run())
    try:
        yield service, told
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_it_looks_again_after_each_interval_and_tells_what_is_new(
    origin: Origin, clock: FakeClock
) -> None:
    async with pulling(origin, clock) as (_, told):
        assert stands(await told.next()) == ("Synced", "applied")
        await told.rests(clock, 1)
        await clock.advance(_MINUTE)
        await told.rests(clock, 2)
        assert told.looks.empty()

        origin.push(three="")
        await clock.advance(_MINUTE)

        assert stands(await told.next()) == ("Synced", "applied")
    assert origin.names == ["one", "three", "two"]


async def test_it_looks_at_once_when_it_is_woken(origin: Origin, clock: FakeClock) -> None:
    async with pulling(origin, clock) as (service, told):
        await told.next()
        await told.rests(clock, 1)
        origin.push(three="")

        service.wake()

        assert stands(await told.next()) == ("Synced", "applied")


async def test_it_looks_at_once_when_somebody_decides_about_what_waits(
    origin: Origin, clock: FakeClock
) -> None:
    async with pulling(origin, clock) as (service, told):
        await told.next()
        origin.push(one=None, two=None)
        service.wake()
        assert stands(await told.next()) == ("NeedsApproval", "guard")
        listener = asyncio.create_task(service.hears(origin.bench.url).run())
        await told.rests(clock, 3)
        (found,) = list_sources(origin.bench.connection)

        approve_plan(origin.bench.connection, found, actor=Actor("bob@desk"), reason="")

        assert stands(await told.next()) == ("Synced", "applied")
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


async def test_a_look_that_is_asked_for_during_a_look_is_not_lost(
    origin: Origin, clock: FakeClock
) -> None:
    told = Told()
    service = origin.sync(clock=clock, tell=told.looks.put_nowait)
    fetched, go_on = asyncio.Event(), asyncio.Event()
    fetch = service._mirror.fetch

    async def slow() -> str:
        head = await fetch()
        fetched.set()
        await go_on.wait()
        return head

    service._mirror.fetch = slow  # type: ignore[method-assign]  # to stand between a fetch and what follows
    running = asyncio.create_task(service.run())
    await within(fetched.wait(), "the first fetch")
    origin.push(three="")
    service.wake()
    go_on.set()

    await told.next()
    assert stands(await told.next()) == ("Synced", "applied")
    assert origin.names == ["one", "three", "two"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_while_the_repository_is_away_it_asks_ever_more_seldom_and_tells_once(
    origin: Origin, clock: FakeClock
) -> None:
    async with pulling(origin, clock) as (service, told):
        await told.next()
        await told.rests(clock, 1)
        away = origin.clone.folder.with_name("away")
        origin.clone.folder.rename(away)
        service.wake()
        assert isinstance((await told.next()).error, SourceUnavailable)
        for looks, pause in enumerate((5, 10, 20, 40, 80, 160, 300, 300), start=2):
            await told.rests(clock, looks)
            assert 0.8 * pause <= service._pause(told.last) <= pause
            await clock.advance(pause)
        await told.rests(clock, 10)
        assert told.looks.empty()

        away.rename(origin.clone.folder)
        await clock.advance(300)

        assert stands(await told.next()) == ("Synced", "current")
        await told.rests(clock, 11)
        assert 0.8 * _MINUTE <= service._pause(told.last) <= _MINUTE


async def test_it_looks_when_a_freeze_is_over(origin: Origin, clock: FakeClock) -> None:
    frozen = "guards: {freeze: [{rrule: FREQ=DAILY;BYHOUR=8, timezone: UTC, duration: 30s}]}\n"
    origin.clone.write({"specs/ordinaut.yaml": PROJECT + frozen})
    origin.clone.commit()
    await origin.look()
    await clock.attach(origin.bench.url)
    origin.push(three="")
    async with pulling(origin, clock) as (_, told):
        assert stands(await told.next()) == ("OutOfSync", "frozen")
        await told.rests(clock, 1)
        await clock.advance(30)

        assert stands(await told.next()) == ("Synced", "applied")


async def test_a_database_that_is_away_is_told_and_found_again(
    origin: Origin, clock: FakeClock
) -> None:
    async with Proxy(origin.bench.url) as network:
        network.refuse()
        async with pulling(origin, clock, conninfo=network.url) as (_, told):
            assert isinstance((await told.next()).error, DatabaseUnavailable)
            await told.rests(clock, 1)
            await network.resume()
            await clock.advance(5)

            assert stands(await told.next()) == ("Synced", "applied")


async def test_a_look_that_waits_for_the_database_ends_when_it_is_cancelled(
    origin: Origin, clock: FakeClock
) -> None:
    with origin.bench.other() as other, other.transaction():
        other.execute("lock table ordinaut.revision in access exclusive mode")
        async with pulling(origin, clock):
            waiting = "select count(*) from pg_stat_activity where application_name = 'ordinaut sync' and wait_event_type = 'Lock'"
            await eventually(lambda: origin.bench.row(waiting) == (1,), "it waits for the lock")
        await eventually(lambda: origin.bench.row(waiting) == (0,), "it waits no more", seconds=2)
