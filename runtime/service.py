"""Everything long-lived is a service: it runs until it is cancelled, and says who it is.

A group starts services in order and stops them in reverse. A service that ends by itself, or fails, ends the group: a
runtime whose relay died must stop and be restarted rather than limp on.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Collection, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final, Protocol
from weakref import WeakKeyDictionary

from runtime.errors import EXIT_STUCK, OrdinautError

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
# What does not end when it is cancelled is left behind: the process is ending.
_END_SECONDS: Final = 10.0
_turns: WeakKeyDictionary[asyncio.Task[Any], int] = WeakKeyDictionary()


class Service(Protocol):
    """A part of the program that runs until it is cancelled."""

    @property
    def name(self) -> str:
        """What logs call it."""
        ...

    async def run(self) -> None:
        """Work until cancelled; clean up on the way out."""
        ...


def stop_if_cancelled() -> None:
    """Raise the cancellation that a library has swallowed; and count the turn, by which a watchdog sees progress.

    A cancellation that arrives together with an answer can get lost on its way through a client library, and the loop of a
    service would then go on for ever. So every turn of such a loop begins here; calls that are known to lose one are wrapped
    besides, in `heeding_cancellation`, as the rest of a turn may take long.

    Raises:
        CancelledError: this task was asked to stop.
    """
    task = asyncio.current_task()
    if task is None:
        return
    if task.cancelling():
        raise asyncio.CancelledError
    _turns[task] = _turns.get(task, 0) + 1


async def end_tasks(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks until all of them have ended; what they raise on the way out is not raised here."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        # Said again after a while, for the same reason as above.
        _, pending = await asyncio.wait(pending, timeout=1.0)


class ServiceEnded(OrdinautError):
    """A service returned although nobody asked it to stop."""

    default_code = "ORD316"


class ServiceStuck(OrdinautError):
    """A service makes no progress although there is something for it to do."""

    default_code = "ORD316"
    exit_code: ClassVar[int] = EXIT_STUCK


class ServiceGroup:
    """Runs services side by side; `stop` ends them one by one, the last started first."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = tuple(services)
        self._tasks: list[asyncio.Task[None]] = []
        self._is_stopping = False

    def start(self) -> None:
        """Start every service, in order."""
        self._is_stopping = False
        self._tasks = [
            asyncio.create_task(service.run(), name=service.name) for service in self._services
        ]

    async def wait(self) -> None:
        """Wait until any service ends, which none should.

        Raises:
            ServiceEnded: it returned.
            Exception: whatever it raised.
        """
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        ended = next(iter(done))
        # One that was cancelled, and not by us, is as dead as one that failed.
        if self._is_stopping or not ended.cancelled():
            ended.result()
        raise ServiceEnded(f"service {ended.get_name()} ended by itself")

    def turns(self, name: str) -> int:
        """How many turns the service of this name has taken; 0 if there is none."""
        return sum(_turns.get(task, 0) for task in self._tasks if task.get_name() == name)

    async def stop(self) -> None:
        """Cancel every service, the last started first, and wait for each; errors on the way out are not raised."""
        self._is_stopping = True
        for task in reversed(self._tasks):
            task.cancel()
            done, _ = await asyncio.wait((task,), timeout=_END_SECONDS)
            await asyncio.gather(*done, return_exceptions=True)
        self._tasks = []


async def run_until_stopped(services: Sequence[Service]) -> None:
    """Run services until SIGTERM or Ctrl-C, or until one fails.

    Raises:
        Exception: what a service raised.
    """
    group = ServiceGroup(services)
    with _signals() as asked:
        group.start()
        try:
            await until_first((asked.wait(), group.wait()))
        finally:
            await group.stop()


async def until_first(endings: Iterable[Coroutine[Any, Any, object]]) -> None:
    """Wait until the first of these is over, and cancel the others; raises what it raised."""
    tasks = [asyncio.ensure_future(ending) for ending in endings]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _signals() -> Iterator[asyncio.Event]:
    """An event that is set by whoever asks the process to stop."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for number in _SIGNALS:
        loop.add_signal_handler(number, asked.set)
    try:
        yield asked
    finally:
        for number in _SIGNALS:
            with contextlib.suppress(ValueError):
                loop.remove_signal_handler(number)
