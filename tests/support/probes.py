"""Waiting for what happens, instead of for time to pass."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

from runtime.clock import SYSTEM_CLOCK

DEADLINE_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.01

T = TypeVar("T")


async def within(awaitable: Awaitable[T], what: str, *, seconds: float = DEADLINE_SECONDS) -> T:
    """The result of `awaitable`; fails the test, naming `what`, if it is not there in time."""
    try:
        async with asyncio.timeout(seconds) as deadline:
            return await awaitable
    except TimeoutError:
        if not deadline.expired():
            raise
        raise AssertionError(f"not within {seconds} s: {what}") from None


async def eventually(
    condition: Callable[[], T | Awaitable[T]], what: str, *, seconds: float = DEADLINE_SECONDS
) -> T:
    """Ask again until the answer is true, and return it. Only for what other processes do: inside this one, await."""

    async def asked() -> T:
        while True:
            answer = condition()
            if inspect.isawaitable(answer):
                answer = await answer
            if answer:
                return answer
            await SYSTEM_CLOCK.sleep(_LOOK_AGAIN_SECONDS)

    return await within(asked(), what, seconds=seconds)


class Probes:
    """Records what the code under test reports, and lets a test await it.

    Pass it where the code takes a probe: a callable that gets a name and facts.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, object]]] = []
        self._changed = asyncio.Event()

    def __call__(self, name: str, **facts: object) -> None:
        self.seen.append((name, facts))
        self._changed.set()

    def count(self, name: str) -> int:
        """How often `name` was reported."""
        return sum(seen == name for seen, _ in self.seen)

    async def reached(
        self, name: str, *, times: int = 1, seconds: float = DEADLINE_SECONDS
    ) -> dict[str, object]:
        """Wait until `name` was reported `times` times since the start; the facts of that report."""

        async def counted() -> dict[str, object]:
            while self.count(name) < times:
                self._changed.clear()
                await self._changed.wait()
            return [facts for seen, facts in self.seen if seen == name][times - 1]

        return await within(counted(), f"{times} x {name}", seconds=seconds)
