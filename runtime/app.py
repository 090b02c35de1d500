"""The composition root: from a configuration to a running runtime, and back in order.

Services start from the ground up (listening, writing, publishing, leases) to what takes work (scheduler, poller, worker), and stop
the other way round: first nothing new is taken, then what runs is awaited or handed back, then the last events go out.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psycopg

from runtime.assembly import Assembled, Ground, assemble
from runtime.bus import open_bus
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.config import Config
from runtime.duties import EVERYTHING, Duty
from runtime.garbage import collecting_seldom
from runtime.keyring import Keyring
from runtime.logs import get_logger, name_process
from runtime.registry import NoServers, Registry
from runtime.service import ServiceGroup, until_first
from runtime.store.connect import unavailable
from runtime.store.events import load_callback_key
from runtime.store.pool import Pool, open_pool, open_side_pool
from runtime.store.retention import make_partitions
from runtime.store.runtimes import register_runtime, stop_runtime
from runtime.tools.toolbox import Toolbox
from runtime.watchdog import Watchdog

_log = get_logger("app")
# For connections that are being made while nobody answers.
_CLOSING_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a runtime works: its servers and its folder.

    Attributes:
        database_url: PostgreSQL.
        redis_url: Redis or Valkey; only a relay needs it.
        direct_url: PostgreSQL itself, where `database_url` leads through a pooler.
        folder: the project folder, which relative commands and files of the specs start from.
    """

    database_url: str
    redis_url: str | None
    folder: Path
    direct_url: str | None = None


class Runtime:
    """A started runtime process."""

    def __init__(
        self,
        group: ServiceGroup,
        watchdog: Watchdog,
        assembled: Assembled,
        clock: Clock,
        config: Config,
    ) -> None:
        self._group = group
        self._watchdog = watchdog
        self._worker = assembled.worker
        self._heart = assembled.heart
        self._clock = clock
        self._config = config

    @property
    def active(self) -> int:
        """How many runs are being executed."""
        return 0 if self._worker is None else self._worker.active

    async def wait(self) -> None:
        """Wait until a service fails or makes no progress, which ends the runtime; raises what it raised.

        Raises:
            ServiceEnded: it returned.
            ServiceStuck: it does nothing.
        """
        await until_first((self._group.wait(), self._watchdog.run()))

    @property
    def outdated(self) -> asyncio.Event:
        """Set when the schema became one that this program cannot work with: drain then."""
        return self._heart.outdated

    async def drain(self) -> bool:
        """Take no more work, and give active runs the grace period; whether all of them finished."""
        self._heart.draining = True
        if self._worker is None:
            return True
        drained = asyncio.ensure_future(self._worker.drain())
        patience = asyncio.ensure_future(self._clock.sleep(self._config.grace.total_seconds()))
        try:
            await asyncio.wait((drained, patience), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (drained, patience):
                task.cancel()
            await asyncio.gather(drained, patience, return_exceptions=True)
        return self._worker.active == 0


@asynccontextmanager
async def running(
    config: Config,
    place: Place,
    *,
    duties: frozenset[Duty] = EVERYTHING,
    clock: Clock = SYSTEM_CLOCK,
) -> AsyncIterator[Runtime]:
    """Start a runtime; leaving the block stops it, handing back what was not finished.

    Args:
        config: the settings.
        place: where it works.
        duties: what it does.
        clock: for waiting and deadlines.

    Raises:
        DatabaseUnavailable: PostgreSQL cannot be reached.
    """
    async with AsyncExitStack() as stack:
        pool, statements = await _open_pools(stack, config, place)
        bus = open_bus(place.redis_url) if place.redis_url and "relay" in duties else None
        if bus is not None:
            stack.push_async_callback(bus.aclose)
        keyring = Keyring(place.folder, clock, config.databases)
        stack.push_async_callback(keyring.close)
        toolbox = await stack.enter_async_context(
            Toolbox((), clock, config.state_dir, project=place.folder, redact=keyring.redact)
        )
        servers = toolbox if "worker" in duties else NoServers()  # who calls no tool starts none
        registry = Registry(pool, servers, clock, keyring)
        try:
            await make_partitions(pool)
            await registry.refresh()
            key = await load_callback_key(pool)
            runtime_id = await _announce(pool, duties)
        except psycopg.OperationalError as error:
            raise unavailable(place.database_url, error) from error
        stack.push_async_callback(_say_farewell, pool, runtime_id)
        ground = Ground(
            config,
            _listen_url(place, pool),
            clock,
            pool,
            statements,
            bus,
            place.redis_url,
            toolbox,
            registry,
            runtime_id,
            duties,
            key,
        )
        assembled = assemble(ground)
        group = ServiceGroup(assembled.services)
        group.start()
        stack.push_async_callback(group.stop)
        watchdog = Watchdog(group, assembled.wanted, clock, config.stall)
        stack.enter_context(collecting_seldom())
        yield Runtime(group, watchdog, assembled, clock, config)


async def _open_pools(stack: AsyncExitStack, config: Config, place: Place) -> tuple[Pool, Pool]:
    """Ours, and one for statements of steps; both are closed with the stack."""
    pool = await open_pool(place.database_url, silence=config.silence)
    patience = min(_CLOSING_SECONDS, config.silence.total_seconds())
    stack.push_async_callback(pool.close, patience)
    statements = await open_side_pool(place.database_url, "ordinaut statements", beside=pool)
    stack.push_async_callback(statements.close, patience)
    return pool, statements


async def _announce(pool: Pool, duties: frozenset[Duty]) -> int:
    runtime_id = await register_runtime(
        pool,
        host=socket.gethostname(),
        pid=os.getpid(),
        version=version("ordinaut"),
        duties=duties,
    )
    name_process(runtime=runtime_id)
    return runtime_id


def _listen_url(place: Place, pool: Pool) -> str | None:
    """Where hints are to be heard; a pooler passes none on."""
    if place.direct_url is None and pool.is_pooled:
        _log.warning(
            "database_url leads through a pooler, which passes no wake-ups on: until ORDINAUT_DIRECT_URL names PostgreSQL"
            " itself, what others bring about is noticed at the next poll"
        )
        return None
    return place.direct_url or place.database_url


async def _say_farewell(pool: Pool, runtime_id: int) -> None:
    try:
        await stop_runtime(pool, runtime_id)
    except psycopg.OperationalError as error:
        # Its heartbeat ends as well, and says the same a little later.
        _log.warning("stopped without saying so: %s", " ".join(str(error).split()))
