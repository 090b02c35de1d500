"""The composition root: from a configuration to a running runtime, and back in order.

Services start from the ground up (listening, writing, publishing, leases) to what takes work (scheduler, poller, worker), and stop
the other way round: first nothing new is taken, then what runs is awaited or handed back, then the last events go out.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psycopg
from redis.asyncio import Redis as AsyncRedis

from runtime.bus import open_bus
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.config import Config
from runtime.drifting import DriftWatch
from runtime.execution import Surroundings
from runtime.failing import Failing
from runtime.gate import Gate
from runtime.lease import LeaseKeeper
from runtime.logs import get_logger
from runtime.poller import Poller
from runtime.recorder import Recorder
from runtime.rederiving import Rederiver
from runtime.registry import Registry
from runtime.relay import Relay
from runtime.retention import Retention
from runtime.scheduler import Scheduler
from runtime.service import Service, ServiceGroup, stop_if_cancelled
from runtime.store.connect import unavailable
from runtime.store.due_work import Written
from runtime.store.pool import Pool, open_pool
from runtime.store.retention import make_partitions
from runtime.store.runtimes import (
    beat_runtime,
    register_runtime,
    stop_runtime,
    wake,
)
from runtime.tools.toolbox import Toolbox
from runtime.turns import Turns
from runtime.wake import Bell, Listener
from runtime.worker import Worker

_log = get_logger("app")
_BEAT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a runtime works: its servers and its folder.

    Attributes:
        database_url: PostgreSQL.
        redis_url: Redis or Valkey.
        folder: the project folder, which relative commands and files of the specs start from.
    """

    database_url: str
    redis_url: str
    folder: Path


class Heart:
    """Service: says that this runtime is alive, ends pauses in time, notices newer revisions."""

    name = "heart"

    def __init__(self, pool: Pool, registry: Registry, runtime_id: int, clock: Clock) -> None:
        self._pool = pool
        self._catalogue = registry
        self._runtime_id = runtime_id
        self._clock = clock
        self.draining = False

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            try:
                if await beat_runtime(self._pool, self._runtime_id, draining=self.draining):
                    await wake(self._pool)
                await self._catalogue.refresh()
            except psycopg.OperationalError as error:
                _log.warning("no heartbeat: %s", " ".join(str(error).split()))
            await self._clock.sleep(_BEAT_SECONDS)


class Runtime:
    """A started runtime process."""

    def __init__(
        self, group: ServiceGroup, worker: Worker, heart: Heart, clock: Clock, config: Config
    ) -> None:
        self._group = group
        self._worker = worker
        self._heart = heart
        self._clock = clock
        self._config = config

    @property
    def active(self) -> int:
        """How many runs are being executed."""
        return self._worker.active

    async def wait(self) -> None:
        """Wait until a service fails, which ends the runtime; raises what it raised."""
        await self._group.wait()

    async def drain(self) -> bool:
        """Take no more work, and give active runs the grace period; whether all of them finished."""
        self._heart.draining = True
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
    config: Config, place: Place, *, clock: Clock = SYSTEM_CLOCK
) -> AsyncIterator[Runtime]:
    """Start a runtime; leaving the block stops it, handing back what was not finished.

    Raises:
        DatabaseUnavailable: PostgreSQL cannot be reached.
    """
    async with AsyncExitStack() as stack:
        pool = await open_pool(place.database_url)
        stack.push_async_callback(pool.close)
        bus = open_bus(place.redis_url)
        stack.push_async_callback(bus.aclose)
        toolbox = await stack.enter_async_context(
            Toolbox((), clock, config.state_dir, project=place.folder)
        )
        registry = Registry(pool, toolbox, clock, place.folder)
        try:
            await make_partitions(pool)
            await registry.refresh()
            runtime_id = await register_runtime(
                pool, host=socket.gethostname(), pid=os.getpid(), version=version("ordinaut")
            )
        except psycopg.OperationalError as error:
            raise unavailable(place.database_url, error) from error
        stack.push_async_callback(_say_farewell, pool, runtime_id)
        ground = _Ground(config, place, clock, pool, bus, toolbox, registry, runtime_id)
        runtime, group = _assemble(ground)
        group.start()
        stack.push_async_callback(group.stop)
        yield runtime


async def _say_farewell(pool: Pool, runtime_id: int) -> None:
    try:
        await stop_runtime(pool, runtime_id)
    except psycopg.OperationalError as error:
        # Its heartbeat ends as well, and says the same a little later.
        _log.warning("stopped without saying so: %s", " ".join(str(error).split()))


@dataclass(frozen=True, slots=True)
class _Ground:
    """What the services of one process stand on."""

    config: Config
    place: Place
    clock: Clock
    pool: Pool
    bus: AsyncRedis
    toolbox: Toolbox
    registry: Registry
    runtime_id: int


def _after_ends(ground: _Ground) -> tuple[Failing, Gate, Callable[[Written], None]]:
    """Who has to look when runs are over, and what tells them."""
    failing = Failing(ground.pool, ground.clock)

    def after(written: Written) -> None:
        failing.pass_on(written.failing)
        if written.frees_slots:
            gate.call()

    poll = ground.config.poll.total_seconds()
    gate = Gate(ground.pool, ground.registry, ground.clock, poll, after)
    return failing, gate, after


def _poller(ground: _Ground, conditions: Bell, work: Bell, turns: Turns) -> Poller:
    return Poller(
        runtime_id=ground.runtime_id,
        pool=ground.pool,
        registry=ground.registry,
        tools=ground.toolbox,
        clock=ground.clock,
        bell=conditions,
        work=work,
        turns=turns,
        config=ground.config,
    )


def _assemble(ground: _Ground) -> tuple[Runtime, ServiceGroup]:
    config, clock, pool = ground.config, ground.clock, ground.pool
    schedules, conditions, work, outgoing = (Bell(clock) for _ in range(4))
    turns = Turns(pool, clock, work)
    failing, gate, after = _after_ends(ground)
    recorder = Recorder(pool, clock, outgoing, turns, after)
    leases = LeaseKeeper(pool, clock, config.lease)
    draw = random.Random()  # noqa: S311 - spreads retries, guards nothing
    worker = Worker(
        runtime_id=ground.runtime_id,
        pool=pool,
        registry=ground.registry,
        around=Surroundings(ground.toolbox, recorder, clock, draw),
        leases=leases,
        turns=turns,
        bell=work,
        gate=gate,
        config=config,
    )
    poller = _poller(ground, conditions, work, turns)
    heart = Heart(pool, ground.registry, ground.runtime_id, clock)
    services: tuple[Service, ...] = (
        Listener(
            ground.place.database_url,
            (schedules, conditions, work, outgoing),
            clock,
            ended=leases.hints,
        ),
        Relay(pool, ground.bus, config, clock, outgoing),
        turns,
        failing,
        recorder,
        leases,
        heart,
        Rederiver(pool, clock),
        DriftWatch(pool, clock),
        Retention(pool, clock, config),
        Scheduler(
            pool,
            clock,
            schedules,
            work,
            config.poll.total_seconds(),
            runtime_id=ground.runtime_id,
            turns=turns,
            end_runs=leases.end,
        ),
        poller,
        worker,
    )
    group = ServiceGroup(services)
    return Runtime(group, worker, heart, clock, config), group
