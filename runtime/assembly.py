"""Which services a runtime process has, and how they ring for each other.

What this process does not do, another does: then what would have rung a bell here is cried out to all of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from redis.asyncio import Redis as AsyncRedis

from runtime.arrivals import Arrivals
from runtime.attention import Attention
from runtime.clock import Clock
from runtime.config import Config
from runtime.crier import SELDOM_SECONDS, Crier
from runtime.drifting import DriftWatch
from runtime.duties import Duty
from runtime.failing import Failing
from runtime.following import Follower
from runtime.gate import Gate
from runtime.hearing import Hearing
from runtime.heart import Heart
from runtime.lateness import Lateness
from runtime.lease import LeaseKeeper
from runtime.poller import Poller
from runtime.recorder import Recorder
from runtime.rederiving import Rederiver
from runtime.registry import Registry
from runtime.relay import Relay
from runtime.retention import Retention
from runtime.scheduler import Scheduler
from runtime.service import Service
from runtime.starting import NoStarter
from runtime.store.answers import Answers
from runtime.store.budgets import Budgets
from runtime.store.cancelling import ENDED
from runtime.store.drift import RESTORED
from runtime.store.due_work import Written
from runtime.store.pool import Pool
from runtime.store.rates import Rates
from runtime.store.runtimes import EVENTS, HEARD, RELATED, WORK, Beat
from runtime.streams import Streams
from runtime.surroundings import Surroundings
from runtime.tools.toolbox import Toolbox
from runtime.turns import Turns
from runtime.wake import SELDOM, Bell, Listener
from runtime.worker import Worker


@dataclass(frozen=True, slots=True)
class Ground:
    """What the services of one process stand on.

    Attributes:
        listen_url: where hints of the database can be heard, if anywhere.
        bus: of a relay.
    """

    config: Config
    listen_url: str | None
    clock: Clock
    pool: Pool
    statements: Pool
    bus: AsyncRedis | None
    bus_url: str | None
    toolbox: Toolbox
    registry: Registry
    runtime_id: int
    duties: frozenset[Duty]
    callback_key: bytes


@dataclass(frozen=True, slots=True)
class Assembled:
    """The services of one process, in the order in which they start; and those that are spoken to.

    Attributes:
        wanted: for each service that must never stand still, whether there is something for it to do.
    """

    services: tuple[Service, ...]
    wanted: Mapping[str, Callable[[], bool]]
    heart: Heart
    worker: Worker | None


class _Bells:
    """Who rings for whom."""

    def __init__(self, ground: Ground) -> None:
        clock, pool, duties = ground.clock, ground.pool, ground.duties
        self.schedules, self.conditions, work, events = (Bell(clock) for _ in range(4))
        self.restored = Bell(clock)
        self.gate: Gate | None = None
        self.answers = Bell(clock)
        self.emitted = Bell(clock)
        self.heard = Bell(clock)
        self.streams = Bell(clock)
        self.sleepers = (
            self.schedules,
            self.conditions,
            self.answers,
            self.emitted,
            self.heard,
            self.streams,
            work,
            events,
        )
        self.named = {
            WORK: work,
            EVENTS: events,
            RESTORED: self.restored,
            RELATED: self.emitted,
            HEARD: self.heard,
        }
        self.crier_of_ends = Crier(pool, clock, ENDED)
        self.crier_of_work = Crier(pool, clock, WORK, pause_seconds=SELDOM_SECONDS)
        self.criers = [self.crier_of_ends, self.crier_of_work]
        self.work = work if "worker" in duties else self._cried(ground, WORK)
        self.events = events if "relay" in duties else self._cried(ground, EVENTS)
        self.related = self.emitted if "worker" in duties else self._cried(ground, RELATED)

    def missed(self, beat: Beat) -> None:
        """Ring for whoever of this process has something to do; other processes look for themselves."""
        if beat.are_schedules_due:
            self.schedules.ring()
        if beat.is_gate_busy and self.gate is not None:
            self.gate.call()
        if beat.is_work_ready or beat.is_gate_busy:
            self.named[WORK].ring()
        if beat.are_events_left:
            self.named[EVENTS].ring()

    def wanted(self) -> dict[str, Callable[[], bool]]:
        """Whether a service was rung for and has not come yet. The heart comes by itself."""
        rung = {
            Scheduler.name: self.schedules,
            Worker.name: self.named[WORK],
            Relay.name: self.named[EVENTS],
            Poller.name: self.conditions,
        }

        def is_rung(bell: Bell) -> Callable[[], bool]:
            return lambda: bell.is_rung

        return {Heart.name: lambda: True, **{name: is_rung(bell) for name, bell in rung.items()}}

    def _cried(self, ground: Ground, hint: str) -> Bell:
        crier = Crier(ground.pool, ground.clock, hint)
        self.criers.append(crier)
        return crier.bell


def assemble(ground: Ground) -> Assembled:
    """The services for these duties."""
    bells = _Bells(ground)
    turns = Turns(ground.pool, ground.clock, bells.work, bells.related)
    leases = LeaseKeeper(ground.pool, ground.clock, ground.config.lease)
    follower = Follower(ground.registry, ground.clock)
    heart = Heart(
        ground.pool,
        ground.runtime_id,
        ground.clock,
        poll_seconds=ground.config.poll.total_seconds(),
        missed=bells.missed,
        newest=follower.tell,
    )
    named = {ENDED: leases.hints, **bells.named}
    services: list[Service] = [*bells.criers]
    if ground.listen_url is not None:
        listener = Listener(ground.listen_url, bells.sleepers, ground.clock, named=named)
        services.insert(0, listener)
    worker = None
    if ground.bus is not None:
        relay_bell = bells.named[EVENTS]
        services.append(Relay(ground.pool, ground.bus, ground.config, ground.clock, relay_bell))
        services.append(_streams(ground, bells))
    services.append(turns)
    if "worker" in ground.duties:
        worker, below = _working(ground, bells, leases, turns)
        services += below
    services += [follower, heart]
    if "scheduler" in ground.duties:
        services += _scheduling(ground, bells, leases, turns, worker)
    if worker is not None:
        services += [_poller(ground, bells, turns), worker]
    here = {service.name for service in services}
    wanted = {name: is_wanted for name, is_wanted in bells.wanted().items() if name in here}
    return Assembled(tuple(services), wanted, heart, worker)


def _scheduling(
    ground: Ground, bells: _Bells, leases: LeaseKeeper, turns: Turns, worker: Worker | None
) -> tuple[Service, ...]:
    def end_runs(run_ids: Iterable[UUID], why: str) -> None:
        if run_ids := tuple(run_ids):
            leases.end(run_ids, why)
            # Others may execute some of them, or wait for some.
            bells.crier_of_ends.bell.ring()
            bells.related.ring()

    scheduler = Scheduler(
        ground.pool,
        ground.clock,
        bells.schedules,
        bells.work,
        ground.config.poll.total_seconds(),
        runtime_id=ground.runtime_id,
        turns=turns,
        end_runs=end_runs,
        starter=worker or NoStarter(),
        lease=ground.config.lease,
    )
    return (
        Rederiver(ground.pool, ground.clock),
        Lateness(ground.pool, ground.clock),
        DriftWatch(ground.pool, ground.clock, bells.restored),
        Retention(ground.pool, ground.clock, ground.config),
        scheduler,
    )


def _after_writes(
    ground: Ground, bells: _Bells, turns: Turns, arrivals: Arrivals
) -> tuple[Failing, Gate, Callable[[Written], None]]:
    """Who has to look when runs are over or told of events, and what tells them."""
    failing = Failing(ground.pool, ground.clock)

    def after(written: Written) -> None:
        failing.pass_on(written.failing)
        if written.frees_slots:
            gate.call()
            bells.work.ring()
        if written.ready_in is not None:
            # The worker may have looked before, and sleep for longer.
            bells.work.ring_in(written.ready_in)
        if written.rouses:
            bells.emitted.ring()
        arrivals.wrote()

    def after_gate(written: Written) -> None:
        turns.pass_on(written.turns)
        after(written)

    # The heart sees who stands at the gate; by itself it is looked at seldom.
    poll_seconds = SELDOM * ground.config.poll.total_seconds()
    gate = bells.gate = Gate(ground.pool, ground.registry, ground.clock, poll_seconds, after_gate)
    return failing, gate, after


def _working(
    ground: Ground, bells: _Bells, leases: LeaseKeeper, turns: Turns
) -> tuple[Worker, tuple[Service, ...]]:
    """The worker, and what it stands on."""
    arrivals = Arrivals(ground.pool, ground.clock, bells.emitted, turns, bells.heard)
    attention = Attention(
        ground.pool, ground.clock, bells.answers, ground.config.poll.total_seconds()
    )
    failing, gate, after = _after_writes(ground, bells, turns, arrivals)
    recorder = Recorder(ground.pool, ground.clock, bells.events, turns, after)
    draw = random.Random()  # noqa: S311 - spreads retries, guards nothing
    worker = Worker(
        runtime_id=ground.runtime_id,
        pool=ground.pool,
        registry=ground.registry,
        around=Surroundings(
            ground.toolbox,
            recorder,
            ground.statements,
            Rates(ground.pool),
            Budgets(ground.pool),
            ground.clock,
            draw,
            arrivals,
            attention,
            ground.callback_key,
            Answers(ground.pool),
            ground.config.web_url,
        ),
        leases=leases,
        turns=turns,
        bell=bells.work,
        others=bells.crier_of_work.bell,
        gate=gate,
        config=ground.config,
    )
    return worker, (failing, recorder, arrivals, _hearing(ground, bells, turns), attention, leases)


def _hearing(ground: Ground, bells: _Bells, turns: Turns) -> Hearing:
    return Hearing(
        ground.pool,
        ground.clock,
        bells.heard,
        turns,
        begun=lambda _: bells.work.ring(),
        related=bells.related,
    )


def _streams(ground: Ground, bells: _Bells) -> Streams:
    assert ground.bus_url is not None  # noqa: S101 - there is a bus
    return Streams(
        ground.pool,
        ground.registry,
        ground.bus_url,
        ground.clock,
        bells.streams,
        consumer=f"runtime-{ground.runtime_id}",
    )


def _poller(ground: Ground, bells: _Bells, turns: Turns) -> Poller:
    return Poller(
        runtime_id=ground.runtime_id,
        pool=ground.pool,
        registry=ground.registry,
        tools=ground.toolbox,
        clock=ground.clock,
        bell=bells.conditions,
        work=bells.work,
        related=bells.related,
        turns=turns,
        config=ground.config,
    )
