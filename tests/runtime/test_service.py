"""Services start in order, stop in reverse, and stop even where a library swallows their cancellation."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from runtime.service import ServiceEnded, ServiceGroup, end_tasks, stop_if_cancelled
from tests.support.probes import within


class Recording:
    """A service that writes down what happens to it."""

    def __init__(self, name: str, story: list[str]) -> None:
        self.name = name
        self._story = story

    async def run(self) -> None:
        self._story.append(f"{self.name} starts")
        try:
            await asyncio.Event().wait()
        finally:
            self._story.append(f"{self.name} stops")


class Ending:
    """A service that ends by itself."""

    name = "ending"

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    async def run(self) -> None:
        if self._error is not None:
            raise self._error


class Deaf:
    """A service whose library swallows a cancellation now and then."""

    name = "deaf"

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()


async def test_services_start_in_order_and_stop_in_reverse() -> None:
    story: list[str] = []
    group = ServiceGroup([Recording("first", story), Recording("second", story)])

    group.start()
    await asyncio.wait([asyncio.ensure_future(group.wait())], timeout=0.01)
    await group.stop()

    assert story == ["first starts", "second starts", "second stops", "first stops"]


async def test_a_service_that_ends_by_itself_ends_the_group() -> None:
    group = ServiceGroup([Recording("other", []), Ending()])
    group.start()

    with pytest.raises(ServiceEnded, match="service ending ended by itself"):
        await within(group.wait(), "the group ends")
    await group.stop()


async def test_what_a_service_raises_is_raised_by_the_group() -> None:
    group = ServiceGroup([Ending(OSError("disk full"))])
    group.start()

    with pytest.raises(OSError, match="disk full"):
        await within(group.wait(), "the group ends")
    await group.stop()


async def test_a_group_stops_although_a_library_swallowed_the_cancellation() -> None:
    group = ServiceGroup([Deaf()])
    group.start()
    await asyncio.wait([asyncio.ensure_future(group.wait())], timeout=0.01)

    await within(group.stop(), "the deaf service stops", seconds=5)


async def test_stopping_twice_or_without_a_start_does_nothing() -> None:
    group = ServiceGroup([Recording("only", [])])

    await group.stop()
    group.start()
    await group.stop()
    await group.stop()


async def test_tasks_are_asked_again_until_they_have_ended() -> None:
    asked = 0

    async def stubborn() -> None:
        nonlocal asked
        while asked < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                asked += 1

    task = asyncio.create_task(stubborn())
    await asyncio.wait((task,), timeout=0.01)

    await within(end_tasks([task]), "the stubborn task ends")

    assert asked == 2
