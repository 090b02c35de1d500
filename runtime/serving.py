"""A runtime for as long as nobody stops it: SIGTERM or Ctrl-C drains it, a second one ends it at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from runtime.app import Place, Runtime, running
from runtime.config import Config
from runtime.core.spans import rough_span
from runtime.duties import DUTIES, EVERYTHING, Duty
from runtime.logs import get_logger
from runtime.service import Service, ServiceGroup, ServiceStuck, until_first
from runtime.store.migrate import outdated
from runtime.watchdog import LoopGuard

_log = get_logger("serving")
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


async def serve(
    config: Config,
    place: Place,
    beside: Sequence[Service] = (),
    *,
    duties: frozenset[Duty] = EVERYTHING,
    quiet: bool = False,
) -> bool:
    """Run a runtime until a signal or a failure.

    Args:
        config: the settings.
        place: where it works.
        beside: services that live as long as the runtime.
        duties: what it does.
        quiet: the program around it tells of itself.

    Returns:
        Whether it stopped with nothing left running.

    Raises:
        SchemaMismatch: ORD303 a newer program migrated the database; what was under way is finished or handed back.
        OrdinautError: it could not start, or one of its services failed.
    """
    with _signals() as asked, LoopGuard(config.stall) as guard:
        told = logging.DEBUG if quiet else logging.INFO
        async with running(config, place, duties=duties) as runtime:
            _log.log(told, "started: %s", _taken(config, duties))
            group = ServiceGroup(beside)
            group.start()
            try:
                await _until_asked(runtime, group, asked[0], has_group=bool(beside))
                whole = await _drain(runtime, config, asked[1], told=told)
            except ServiceStuck:
                guard.expect_end()
                raise
            finally:
                await group.stop()
        _log.log(told, "stopped" if whole else "stopped: what was not finished is handed back")
        if runtime.outdated.is_set():
            raise outdated()
        return whole


def _taken(config: Config, duties: frozenset[Duty]) -> str:
    """What this runtime does."""
    runs = f"takes up to {config.concurrency} runs at once"
    if duties == EVERYTHING:
        return runs
    named = " and ".join(duty for duty in DUTIES if duty in duties)
    return f"{named} only, {runs}" if "worker" in duties else f"{named} only"


async def _until_asked(
    runtime: Runtime, group: ServiceGroup, asked: asyncio.Event, *, has_group: bool
) -> None:
    endings: list[Coroutine[Any, Any, object]] = [
        asked.wait(),
        runtime.wait(),
        runtime.outdated.wait(),
    ]
    if has_group:
        endings.append(group.wait())
    await until_first(endings)


async def _drain(
    runtime: Runtime, config: Config, asked_again: asyncio.Event, *, told: int
) -> bool:
    if runtime.active:
        _log.warning(
            "stopping: %s %s to finish; ask again to hand back now",
            "1 active run has" if runtime.active == 1 else f"{runtime.active} active runs have",
            rough_span(config.grace),
        )
    else:
        _log.log(told, "stopping: no run is active")
    draining = asyncio.ensure_future(runtime.drain())
    hurry = asyncio.ensure_future(asked_again.wait())
    await asyncio.wait((draining, hurry), return_when=asyncio.FIRST_COMPLETED)
    for ending in (draining, hurry):
        ending.cancel()
    await asyncio.gather(draining, hurry, return_exceptions=True)
    return runtime.active == 0


@contextmanager
def _signals() -> Iterator[tuple[asyncio.Event, asyncio.Event]]:
    """Two events: the first request to stop, and any later one."""
    loop = asyncio.get_running_loop()
    first, again = asyncio.Event(), asyncio.Event()

    def ask() -> None:
        (again if first.is_set() else first).set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, ask)
    try:
        yield first, again
    finally:
        for number in _SIGNALS:
            with contextlib.suppress(ValueError):
                loop.remove_signal_handler(number)
