"""Whoever is asked to stop stops, whatever a library does with the question."""

from __future__ import annotations

import asyncio

import pytest

from runtime.cancellation import heeding_cancellation
from tests.support.probes import within


async def test_a_cancellation_that_wait_for_swallows_is_heeded() -> None:
    answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        with heeding_cancellation():
            await asyncio.wait_for(answer, 60)
        await asyncio.Event().wait()

    task = asyncio.create_task(work())
    while not answer._callbacks:
        await asyncio.wait((task,), timeout=0.01)
    # Both in one turn of the loop: this is what it takes.
    answer.set_result(1)
    task.cancel()

    await within(asyncio.wait((task,)), "the end")
    assert task.cancelled()


async def test_an_error_does_not_hide_a_cancellation() -> None:
    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        with heeding_cancellation():
            task.cancel()
            raise ValueError

    task = asyncio.create_task(work())

    await within(asyncio.wait((task,)), "the end")
    assert task.cancelled()


async def test_who_cleans_up_after_a_cancellation_is_left_in_peace() -> None:
    cleaned: list[bool] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            with heeding_cancellation():
                cleaned.append(True)
            cleaned.append(True)

    task = asyncio.create_task(work())
    await asyncio.wait((task,), timeout=0.01)
    task.cancel()

    await within(asyncio.wait((task,)), "the end")
    assert cleaned == [True, True]


async def test_an_error_alone_goes_on() -> None:
    with pytest.raises(ValueError, match="mine"), heeding_cancellation():
        raise ValueError("mine")
