"""Schedulers that are driven step by step."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from runtime.clock import Clock
from runtime.scheduler import EndRuns, Scheduler
from runtime.starting import NoStarter, Starter
from runtime.store.pool import Pool
from runtime.turns import Turns
from runtime.wake import Bell

LEASE = timedelta(seconds=15)
RUNTIME = 7
"""The runtime that decides, in these tests."""


def make_scheduler(
    pool: Pool,
    clock: Clock,
    *,
    bell: Bell | None = None,
    work: Bell | None = None,
    turns: Turns | None = None,
    poll_seconds: float = 5.0,
    runtime_id: int = RUNTIME,
    end_runs: EndRuns | None = None,
    starter: Starter | None = None,
) -> Scheduler:
    """A scheduler of a runtime; what is not named is there and told nobody of."""
    work = work or Bell(clock)
    return Scheduler(
        pool,
        clock,
        bell or Bell(clock),
        work,
        poll_seconds,
        runtime_id=runtime_id,
        turns=turns or Turns(pool, clock, work, Bell(clock)),
        end_runs=end_runs or _nothing,
        starter=starter or NoStarter(),
        lease=LEASE,
    )


def _nothing(run_ids: Iterable[UUID], why: str) -> None:
    assert not list(run_ids), why
