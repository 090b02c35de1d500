"""Service: claims ready runs, executes as many at once as it has slots, and drains when it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from runtime.budgets import run_budget, skipped_for_budget
from runtime.config import Config
from runtime.core.course import Failure
from runtime.core.floors import Floors
from runtime.core.outcomes import CallError
from runtime.core.program import Program
from runtime.core.shares import Shares
from runtime.errors import LeaseLost, OrdinautError, StoreError
from runtime.execution import Execution
from runtime.gate import Gate
from runtime.lease import LeaseKeeper, leases_of
from runtime.logs import about, get_logger
from runtime.progress import Progress
from runtime.quarantine import given_up, is_given_up, is_suspect
from runtime.recorder import Told
from runtime.registry import Registry
from runtime.service import end_tasks, stop_if_cancelled
from runtime.store.due_work import (
    LANES,
    Claim,
    Claimed,
    Report,
    claim_due,
    release_leases,
    seconds_until_ready,
    skip_late,
)
from runtime.store.pool import Pool
from runtime.store.recorded import NOTHING_RECORDED, Recorded, load_results
from runtime.store.runtimes import wake
from runtime.surroundings import Surroundings
from runtime.turns import Turns
from runtime.wake import SELDOM, Bell, until_next

_log = get_logger("worker")
_RETRY_SECONDS: Final = 0.5
# Claimed together: others of these are recorded, and other runs claimed, while some are executed.
_MOST_AT_ONCE: Final = 256
# Ends that are worth a statement of their own while the rest of what was claimed is being executed.
_WRITTEN_AT_ONCE: Final = 128
# Then others of this process have their turn.
_PAUSE_AFTER_SECONDS: Final = 0.005
_SUSPECT_WAIT: Final = timedelta(seconds=1)


class Worker:
    """Service: the slots of one runtime process."""

    name = "worker"

    def __init__(
        self,
        *,
        runtime_id: int,
        pool: Pool,
        registry: Registry,
        around: Surroundings,
        leases: LeaseKeeper,
        turns: Turns,
        bell: Bell,
        others: Bell,
        gate: Gate,
        config: Config,
    ) -> None:
        self._runtime_id = runtime_id
        self._pool = pool
        self._catalogue = registry
        self._around = around
        self._leases = leases
        self._turns = turns
        self._bell = bell
        self._others = others
        self._gate = gate
        self._config = config
        self._held: dict[UUID, Claim] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._floors = Floors()
        self._shares = Shares(LANES)
        self._ending = self._aside = 0
        self._wants_room = False
        # Whether the last claim left nothing that was ready.
        self._is_caught_up = False
        self._freed = Bell(around.clock)
        self._closed = False
        self._failures = 0

    async def run(self) -> None:
        try:
            while True:
                stop_if_cancelled()
                due_in = await self._look()
                await self._bell.sleep(
                    until_next(due_in, SELDOM * self._config.poll.total_seconds())
                )
        finally:
            await self._hand_back()

    async def drain(self) -> None:
        """Claim nothing more, and wait until no run is active; the caller bounds the wait."""
        self._closed = True
        while self._held:
            await self._freed.sleep(None)

    @property
    def active(self) -> int:
        """How many runs are being executed, or their ends recorded."""
        return len(self._held)

    async def run_once(self) -> int:
        """Claim what fits into the free slots and start it; returns how many runs were started."""
        limit = self._limit
        if limit <= 0 or self._closed:
            return 0
        asked_at = self._around.clock.monotonic()
        claimed = await self._claim(limit, asked_at)
        self._is_caught_up = len(claimed.claims) + len(claimed.late) < limit
        admitted, postponed = self._admit(claimed.claims)
        await self.begin(admitted, asked_at)
        if postponed:
            await release_leases(self._pool, leases_of(postponed), _SUSPECT_WAIT)
        if claimed.late:
            self._turns.skipped(await skip_late(self._pool, claimed.late))
        return len(admitted)

    def set_aside(self, most: int) -> int:
        """Keep free slots for runs that are leased as they are made; none while others may wait for one."""
        slots = min(most, self._limit) if self._is_caught_up and not self._closed else 0
        self._aside += slots
        return slots

    def give_back(self, slots: int) -> None:
        """These slots are kept no more."""
        self._aside -= slots
        if self._wants_room:
            self._bell.ring()

    async def begin(self, claims: Sequence[Claim], asked_at: float) -> None:
        """Execute runs of which we hold the lease, asked for at that monotonic time."""
        if not claims:
            return
        if self._closed:
            await release_leases(self._pool, leases_of(claims))
            return
        self._held.update((claim.run_id, claim) for claim in claims)
        await self.bring_near({(c.task_uid, c.revision_id) for c in claims})
        await self._begin_all(claims, asked_at)

    async def bring_near(self, keys: Collection[tuple[int, int]]) -> None:
        """Have these tasks at hand, by uid and revision, or else each run reads its own."""
        try:
            await self._catalogue.bring_near(keys)
        except psycopg.OperationalError as error:
            # As often as it takes.
            _log.warning("tasks not read yet: %s", " ".join(str(error).split()))

    async def _claim(self, limit: int, asked_at: float) -> Claimed:
        floors = self._floors.choose(asked_at)
        claimed = await claim_due(
            self._pool,
            runtime_id=self._runtime_id,
            limit=limit,
            lease=self._config.lease,
            floors=floors,
            shares=self._shares.choose(),
        )
        if not floors:
            self._floors.swept(asked_at, self._around.clock.monotonic())
        self._floors.claimed(claimed.places)
        self._shares.claimed(lane for lane, _ in claimed.places)
        return claimed

    @property
    def _free(self) -> int:
        return self._config.concurrency - len(self._held) - self._aside

    @property
    def _limit(self) -> int:
        return min(self._free, _MOST_AT_ONCE)

    def _admit(self, claims: Sequence[Claim]) -> tuple[list[Claim], list[Claim]]:
        """What may begin, and what must wait because another run under suspicion is being executed."""
        admitted: list[Claim] = []
        postponed: list[Claim] = []
        is_taken = any(map(is_suspect, self._held.values()))
        for claim in claims:
            (postponed if is_taken and is_suspect(claim) else admitted).append(claim)
            is_taken = is_taken or is_suspect(claim)
        return admitted, postponed

    async def _look(self) -> float | None:
        try:
            if self._closed:
                # Work that waits is for others now; looking at it would never end.
                return None
            if await self._gate.answer() > self._free:
                # More than there is room for here.
                await wake(self._pool)
            limit = self._limit
            # What is about to be free is waited for: then one claim does for all of it.
            self._wants_room = limit < min(self._ending, _MOST_AT_ONCE // 2)
            if self._wants_room:
                return None
            started = await self.run_once()
            self._failures = 0
            self._wants_room = self._free <= 0
            if self._wants_room:
                # What is left is for whoever has room; the others may sleep, as nobody rang for them. Said once: the hint
                # comes back here too, and would be answered by another for as long as there is no room.
                if started:
                    self._others.ring()
                return None
            return 0.0 if started == limit else await self._look_ahead()
        except (psycopg.OperationalError, PoolTimeout) as error:
            _log.warning("work not claimed: %s", " ".join(str(error).split()))
            self._failures += 1
            # First at once: most often one connection was lost, and the next is sound.
            return 0.0 if self._failures == 1 else _RETRY_SECONDS

    async def _look_ahead(self) -> float | None:
        """Seconds until something can be claimed; now, if the gate lets something through."""
        floors = self._floors.choose(self._around.clock.monotonic())
        ahead = await seconds_until_ready(self._pool, floors=floors)
        if not ahead.is_gated:
            self._gate.pass_by()
            return ahead.ready_in
        return 0.0 if await self._gate.look() else ahead.ready_in

    async def _begin_all(self, claims: Sequence[Claim], asked_at: float) -> None:
        """Begin what was claimed. The ends of runs that are over by that are written together."""
        clock = self._around.clock
        ends: list[tuple[Report, Told]] = []
        paused_at = clock.monotonic()
        for claim in claims:
            report = self._begin(claim, asked_at)
            if report is not None:
                ends.append((report, partial(self._told, claim, asked_at)))
            if len(ends) >= _WRITTEN_AT_ONCE:
                self._hand_over(ends)
                ends = []
            if clock.monotonic() - paused_at > _PAUSE_AFTER_SECONDS:
                await clock.sleep(0)
                paused_at = clock.monotonic()
        self._hand_over(ends)

    def _hand_over(self, ends: Sequence[tuple[Report, Told]]) -> None:
        self._ending += len(ends)
        self._around.recorder.hand_over(ends)

    def _begin(self, claim: Claim, asked_at: float) -> Report | None:
        """Execute a run as far as nothing has to be waited for; its last report, or else a task does the rest."""
        program = self._catalogue.at_hand(claim.task_uid, claim.revision_id)
        if program is None or not self._is_begun_at_once(claim, program):
            self._go_on(claim, self._execute(claim), asked_at)
            return None
        try:
            execution = self._execution(claim, program)
            report = execution.begin()
        except Exception as error:  # noqa: BLE001 - one run that cannot be executed must not stop the others
            self._go_on(claim, self._fail(claim, error), asked_at)
            return None
        if report is None:
            self._go_on(claim, self._watched(claim, execution.go_on), asked_at)
        # One that is over needs nobody who stops it should its lease be lost: the report will be refused.
        return report

    def _is_begun_at_once(self, claim: Claim, program: Program) -> bool:
        """Whether nothing has to be read or asked for it, and no record of it be looked at."""
        is_bounded = run_budget(self._catalogue.live, program.agent) is not None
        has_secrets = self._catalogue.has_secrets(program.project, program.secrets)
        return claim.attempt == 1 and _is_fresh(claim) and has_secrets and not is_bounded

    def _told(self, claim: Claim, asked_at: float, problem: BaseException | None) -> None:
        """What became of the last report of a run."""
        self._ending -= 1
        if isinstance(problem, StoreError):
            self._go_on(claim, self._fail(claim, problem), asked_at)
            return
        if isinstance(problem, LeaseLost):
            _log.warning(problem.message)
        self._let_go(claim)

    def _go_on(self, claim: Claim, rest: Coroutine[Any, Any, None], asked_at: float) -> None:
        """Have a task do the rest of a run, for as long as its lease is ours."""
        with about(run_id=claim.run, task=claim.task, revision=claim.revision_id):
            task = asyncio.create_task(rest, name=f"run {claim.run_id}")
        self._tasks.add(task)
        self._leases.hold(claim.run_id, claim.lease_epoch, task, asked_at)
        task.add_done_callback(partial(self._done, claim))

    def _done(self, claim: Claim, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._leases.drop(claim.run_id, claim.lease_epoch)
        self._let_go(claim)

    def _let_go(self, claim: Claim) -> None:
        if self._held.get(claim.run_id) is claim:
            del self._held[claim.run_id]
        self._freed.ring()
        if self._wants_room:
            self._bell.ring()

    async def _execute(self, claim: Claim) -> None:
        begin = self._give_up if is_given_up(claim) else self._begin_late
        await self._watched(claim, partial(begin, claim))

    async def _begin_late(self, claim: Claim) -> None:
        program, recorded = await self._prepare(claim)
        live, around = self._catalogue.live, self._around
        if (
            skipped := await skipped_for_budget(live, around, claim, program, recorded)
        ) is not None:
            self._turns.skipped(skipped)
            self._gate.call()
            return
        await self._execution(claim, program, recorded).run()

    async def _give_up(self, claim: Claim) -> None:
        """Go on with what comes finally, unless that is to blame."""
        report = given_up(claim, *await self._prepare(claim))
        await self._around.recorder.record(report)
        if report.move == "keep":
            await self._begin_late(claim)

    async def _watched(self, claim: Claim, rest: Callable[[], Awaitable[None]]) -> None:
        try:
            await rest()
        except LeaseLost as error:
            _log.warning(error.message)
        except Exception as error:  # noqa: BLE001 - one run that cannot be executed must not stop the others
            await self._fail(claim, error)

    def _execution(
        self, claim: Claim, program: Program, recorded: Recorded = NOTHING_RECORDED
    ) -> Execution:
        secrets = self._catalogue.secrets(program.project, program.secrets)
        live = self._catalogue.live
        return Execution(self._around, claim, program, live, secrets, recorded=recorded)

    async def _prepare(self, claim: Claim) -> tuple[Program, Recorded]:
        """What a run needs to begin; asked for again for as long as we hold it, should the database be away."""
        while True:
            try:
                program = await self._catalogue.program(claim.task_uid, claim.revision_id)
                await self._catalogue.collect_secrets(program.project, program.secrets)
                if _is_fresh(claim):
                    return program, NOTHING_RECORDED
                return program, await load_results(self._pool, claim.run_id)
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("run %s not begun: %s", claim.run_id, " ".join(str(error).split()))
            await self._around.clock.sleep(_RETRY_SECONDS)

    async def _fail(self, claim: Claim, error: Exception) -> None:
        """A run that cannot be executed fails with the reason; the others go on."""
        _log.error("run %s failed in the runtime itself", claim.run_id, exc_info=error)
        await self._report(claim, _reason(error))

    async def _report(self, claim: Claim, error: CallError) -> None:
        seconds = (claim.claimed_at - claim.started_at).total_seconds()
        report = Progress(claim, claim.task).finished(seconds, Failure(error))
        # Even this may be refused; then the lease ends, and the run is tried again.
        with contextlib.suppress(StoreError, LeaseLost):
            await self._around.recorder.record(report)

    async def _hand_back(self) -> None:
        """Stop what still runs and release the leases, so that others need not wait for them to expire."""
        self._closed = True
        held = leases_of(self._held.values())
        await end_tasks(self._tasks)
        if held:
            with contextlib.suppress(psycopg.Error, PoolTimeout):
                await release_leases(self._pool, held)


def _is_fresh(claim: Claim) -> bool:
    """Whether this is the first lease of the run, so that nothing is on record; one that is run again may have results."""
    return claim.lease_epoch == 1 and claim.trigger != "rerun"


def _reason(error: Exception) -> CallError:
    if isinstance(error, OrdinautError):
        return CallError(error.code, error.message, error.hint)
    return CallError("ORD505", f"{type(error).__name__}: {error}")
