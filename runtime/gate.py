"""The gate before concurrency keys: runs that need a slot of one wait here, outside the lanes that are claimed.

A slot is held by a run until it is over, over waits and changes of its runtime. Nobody frees one: it is free when the run
that holds it has no row in the queue any more. So the end of a run costs nothing here, whoever brings it about, and a
dead runtime's runs keep their slots until others have ended them. Whoever records the end of such a run looks here; for
ends that nobody saw, runtimes look now and then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

from runtime.clock import Clock
from runtime.core.expressions import ABSENT, Context
from runtime.core.identity import short_key
from runtime.core.program import Program
from runtime.errors import OrdinautError
from runtime.registry import Registry
from runtime.store.due_work import Written
from runtime.store.gate import (
    Gated,
    fail_gated_run,
    give_slots,
    list_gate_keys,
    list_unnamed_runs,
    name_slot_keys,
    pass_late_runs,
)
from runtime.store.pool import Pool

_BATCH: Final = 500


def _nothing(written: Written) -> None:
    """Nobody has to be told."""


class Gate:
    """Lets runs through that get a slot of their key. Any number of processes may have one.

    `after` is told of each run that ends here.
    """

    def __init__(
        self,
        pool: Pool,
        registry: Registry,
        clock: Clock,
        poll_seconds: float,
        after: Callable[[Written], None] = _nothing,
    ) -> None:
        self._pool = pool
        self._after = after
        self._registry = registry
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._looked_at = clock.monotonic()
        self._is_called = False

    def call(self) -> None:
        """Have it looked at soon: a slot may have been freed."""
        self._is_called = True

    async def answer(self) -> int:
        """Look if somebody called, or if nobody has looked for long; as `look`."""
        waited = self._clock.monotonic() - self._looked_at
        return await self.look() if self._is_called or waited >= self._poll_seconds else 0

    def pass_by(self) -> None:
        """Say that nobody is known to wait here now."""
        self._looked_at = self._clock.monotonic()

    async def look(self) -> int:
        """Let through whoever gets a slot, and whoever is not to begin at all; how many."""
        self._is_called = False
        self._looked_at = self._clock.monotonic()
        await self._name(await list_unnamed_runs(self._pool, _BATCH))
        limits = {
            key: await self._limit(task_uid, revision_id)
            for key, task_uid, revision_id in await list_gate_keys(self._pool)
        }
        passed = await pass_late_runs(self._pool) if limits else 0
        return passed + await give_slots(self._pool, limits)

    async def _name(self, unnamed: Sequence[Gated]) -> None:
        """Work out the keys of runs; one of which it cannot be done fails."""
        keys: dict[UUID, str] = {}
        for run in unnamed:
            try:
                program = await self._registry.program(run.task_uid, run.revision_id)
                keys[run.run_id] = slot_key(program, run)
            except OrdinautError as error:
                told = {"code": error.code, "message": f"concurrency.key: {error.message}"}
                self._after(await fail_gated_run(self._pool, run.run_id, told))
        if keys:
            await name_slot_keys(self._pool, keys)

    async def _limit(self, task_uid: int, revision_id: int) -> int:
        try:
            program = await self._registry.program(task_uid, revision_id)
        except OrdinautError:
            # Somebody broke its row since its key was worked out: the run will say so, once it is through.
            return 1
        return program.concurrency.limit if program.concurrency is not None else 1


def slot_key(program: Program, run: Gated) -> str:
    """The concurrency key of a run.

    Raises:
        ExpressionError: it names what this run does not have.
    """
    assert program.concurrency is not None  # noqa: S101 - only such runs stand at the gate
    key: Any = program.concurrency.key.render(
        Context(
            now=run.occurrence_for,
            params={**program.params, **(run.params or {})},
            event=ABSENT if run.event is None else run.event,
        )
    )
    return short_key(key if isinstance(key, str) else repr(key))
