"""A bell wakes its one sleeper, once."""

from __future__ import annotations

import asyncio

import pytest

from runtime.wake import Bell
from tests.support.clock import FakeClock, settle


async def test_a_sleep_ends_when_it_is_rung_for_or_over_and_says_which(clock: FakeClock) -> None:
    bell = Bell(clock)
    rung = asyncio.create_task(bell.sleep(60))
    await settle()
    bell.ring()
    assert await rung

    over = asyncio.create_task(bell.sleep(60))
    await clock.advance(60)
    assert not await over


async def test_a_ring_while_nobody_sleeps_ends_the_next_sleep_and_only_that(
    clock: FakeClock,
) -> None:
    bell = Bell(clock)
    bell.ring()
    assert await bell.sleep(60)

    next_sleep = asyncio.create_task(bell.sleep(60))
    await settle()

    assert not next_sleep.done()
    bell.ring()
    assert await next_sleep


async def test_a_sleep_that_was_rung_for_leaves_nothing_behind_that_ends_the_next(
    clock: FakeClock,
) -> None:
    """The timer of the one before, which is cancelled, used to: and so on, with no pause."""
    bell = Bell(clock)
    ended = 0

    async def sleep_again_and_again() -> None:
        nonlocal ended
        while True:
            await bell.sleep(60)
            ended += 1

    sleeping = asyncio.create_task(sleep_again_and_again())
    await settle()
    bell.ring()

    await settle()

    assert ended == 1
    sleeping.cancel()
    await asyncio.gather(sleeping, return_exceptions=True)


async def test_a_sleep_without_a_limit_ends_when_it_is_rung_for(clock: FakeClock) -> None:
    bell = Bell(clock)
    sleeping = asyncio.create_task(bell.sleep(None))
    await clock.advance(10**6)
    assert not sleeping.done()

    bell.ring()

    assert await sleeping


@pytest.mark.parametrize("is_limited", [True, False])
async def test_a_sleep_can_be_made_shorter_and_not_longer(
    clock: FakeClock, is_limited: bool
) -> None:
    bell = Bell(clock)
    sleeping = asyncio.create_task(bell.sleep(60 if is_limited else None))
    await settle()
    for seconds in (20, 10, 30):
        bell.ring_in(seconds)
    await settle()

    await clock.advance(9)
    assert not sleeping.done()
    await clock.advance(1)
    assert not await sleeping
    assert clock.sleepers == 0


async def test_a_sleep_that_begins_later_is_over_by_then_and_the_one_after_lasts(
    clock: FakeClock,
) -> None:
    bell = Bell(clock)
    bell.ring_in(10)
    await clock.advance(4)
    first = asyncio.create_task(bell.sleep(60))
    await clock.advance(6)
    assert not await first

    second = asyncio.create_task(bell.sleep(60))
    await clock.advance(59)
    assert not second.done()
    await clock.advance(1)
    assert not await second


async def test_whoever_looked_since_sleeps_on_past_what_it_was_told_before(
    clock: FakeClock,
) -> None:
    bell = Bell(clock)
    bell.ring_in(10)
    bell.ring()
    assert await bell.sleep(60)

    sleeping = asyncio.create_task(bell.sleep(60))
    await clock.advance(59)
    assert not sleeping.done()
    sleeping.cancel()
    await asyncio.gather(sleeping, return_exceptions=True)
