"""Runtimes that are driven by hand: every claim, every firing, every answer of a tool is a step of the test."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from runtime.arrivals import Arrivals
from runtime.attention import Attention
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.core.outcomes import CallOutcome
from runtime.gate import Gate
from runtime.keyring import Keyring
from runtime.lease import LeaseKeeper
from runtime.quarantine import is_suspect
from runtime.recorder import Recorder
from runtime.registry import NoServers, Registry
from runtime.scheduler import Look
from runtime.service import end_tasks
from runtime.store.answers import Answers
from runtime.store.budgets import Budgets
from runtime.store.due_work import Claim, Report
from runtime.store.pool import Pool
from runtime.store.rates import Rates
from runtime.surroundings import Surroundings
from runtime.turns import Turns
from runtime.wake import Bell
from runtime.worker import Worker
from tests.support.clock import FakeClock, settle
from tests.support.probes import within
from tests.support.scheduling import make_scheduler
from tests.support.scripted_tools import ScriptedTools

LEASE: Final = timedelta(seconds=15)
Place = tuple[str, int]
"""A step, and which of its items; 0 where it has none."""


class Waiting(NamedTuple):
    """A call that waits for the test's answer."""

    run_id: UUID
    place: Place
    word: str
    answer: asyncio.Future[CallOutcome]


class PatientTools(ScriptedTools):
    """Every call waits until the test answers it."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Waiting] = []

    async def call(
        self, name: str, arguments: Mapping[str, Any], *given: Any, run: str = "", **more: Any
    ) -> CallOutcome:
        future: asyncio.Future[CallOutcome] = asyncio.get_running_loop().create_future()
        place = str(arguments["step"]), int(arguments.get("item", 0))
        one = Waiting(UUID(run), place, str(arguments.get("word", "")), future)
        self.waiting.append(one)
        try:
            return await future
        finally:
            if one in self.waiting:
                self.waiting.remove(one)

    def answer(self, run_id: UUID, place: Place, outcome: CallOutcome, *, nth: int = 0) -> None:
        """Let a call come back; of several of the same step and item the n-th, in the order in which they were made."""
        found = [one for one in self.waiting if (one.run_id, one.place) == (run_id, place)][nth]
        self.waiting.remove(found)
        found.answer.set_result(outcome)


class _WatchedWorker(Worker):
    """Keeps what it begins."""

    begun: list[Claim]

    def _begin(self, claim: Claim, asked_at: float) -> Report | None:
        self.begun.append(claim)
        return super()._begin(claim, asked_at)


class DrivenRuntime:
    """The parts of one runtime process; only its recorder runs by itself."""

    def __init__(
        self,
        number: int,
        pool: Pool,
        clock: FakeClock,
        *,
        concurrency: int = 2,
        lease: timedelta = LEASE,
    ) -> None:
        bell = Bell(clock)
        config = Config(concurrency=concurrency, lease=lease)
        self._pool = pool
        self.number = number
        self.tools = PatientTools()
        self.attention = Attention(pool, clock, bell, 5.0)
        self.turns = Turns(pool, clock, bell, Bell(clock))
        self.leases = LeaseKeeper(pool, clock, config.lease)
        self.arrivals = Arrivals(pool, clock, bell, self.turns)
        recorder = Recorder(pool, clock, bell, self.turns)
        registry = Registry(pool, NoServers(), clock, Keyring(Path(), clock))
        self.gate = Gate(pool, registry, clock, 5)
        self.worker = _WatchedWorker(
            runtime_id=number,
            pool=pool,
            registry=registry,
            around=Surroundings(
                self.tools,
                recorder,
                pool,
                Rates(pool),
                Budgets(pool),
                clock,
                random.Random(number),
                self.arrivals,
                self.attention,
                b"key",
                Answers(pool),
            ),
            leases=self.leases,
            turns=self.turns,
            bell=bell,
            others=Bell(clock),
            gate=self.gate,
            config=config,
        )
        self.begun = self.worker.begun = []
        self.scheduler = make_scheduler(
            pool,
            clock,
            turns=self.turns,
            runtime_id=number,
            end_runs=self.leases.end,
            starter=self.worker,
        )
        self._recording = asyncio.create_task(recorder.run())

    @property
    def room(self) -> int:
        """How many runs it may claim."""
        return self.worker._free

    @property
    def room_ahead(self) -> int:
        """How many runs it may begin as they are made: none while others may wait."""
        return max(0, self.room) if self.worker._is_caught_up else 0

    @property
    def suspects(self) -> int:
        """How many runs it executes that lost their runtimes before."""
        return sum(map(is_suspect, self.worker._held.values()))

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is asked of the database, and every run that is executed here waits for the answer of a tool."""
        stats = self._pool.get_stats()
        is_asking = stats["pool_available"] < stats["pool_size"] or stats.get("requests_waiting")
        waiting = {one.run_id for one in self.tools.waiting}
        is_busy = self.worker._ending or len(self.worker._tasks) > len(waiting)
        return not (is_asking or is_busy)

    async def fire_foreseen(self) -> None:
        """Write what was decided ahead and whose instant has come."""
        scheduler = self.scheduler
        if scheduler._foreseen and scheduler._server.left_until(scheduler._foreseen[0].at) <= 0:
            await scheduler._fire(scheduler._next_instant(), Look())

    async def look_around(self) -> None:
        """Look into the backlog wherever that is called for."""
        while self.turns._told:
            await self.turns.look()

    async def vanish(self) -> None:
        """End as a process does that is killed: nothing is handed back, and nothing more is written."""
        await end_tasks(self.worker._tasks)
        self._recording.cancel()
        await asyncio.gather(self._recording, return_exceptions=True)


async def quiet(*runtimes: DrivenRuntime) -> None:
    """Wait until everything that runs in them waits for the test: no task has anything to do, and none asks the database."""

    async def until_quiet() -> None:
        await settle()
        while not all(runtime.is_quiet for runtime in runtimes):
            await SYSTEM_CLOCK.sleep(0.0005)
            await settle()

    await within(until_quiet(), "the runtimes are quiet")
