"""Tools that operate: run, wait, cancel, snooze and decide, as the commands of these names do.

A dry run goes the same way to the end, and its transaction is taken back: so it tells what would happen, and what would be refused.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from reconciler.mcp.bounding import summary_of
from reconciler.mcp.calling import Call
from reconciler.mcp.offering import offers
from runtime.approving import decide_step
from runtime.cancelling import cancel_run as cancel
from runtime.core.pauses import doubled_pause
from runtime.errors import OrdinautError
from runtime.lookup import resolve_run
from runtime.manual import request_run
from runtime.overrides import snooze_task as snooze
from runtime.store.runs import Dedupe, load_run, run_progress
from schemas.mcp_writing import (
    ApprovalDecided,
    CancelRun,
    DecideApproval,
    RunCancelled,
    RunNow,
    RunStarted,
    RunWaited,
    SnoozeTask,
    StepMark,
    TaskPutOff,
    WaitRun,
)
from schemas.run import RunReport
from schemas.wishes import Decision

_DAY: Final = timedelta(days=1)
_FIRST_LOOK_SECONDS: Final = 0.05
_LONGEST_LOOK_SECONDS: Final = 1.0
_OVER: Final = frozenset({"succeeded", "failed", "cancelled", "skipped"})


class KeyTaken(OrdinautError):
    """The idempotency key stands for another run."""

    default_code = "ORD329"


@offers("operate", title="Run a task now")
def run_now(call: Call, wish: RunNow) -> RunStarted:
    """Run a task now, whatever its schedule says. It returns at once: wait_run waits for the run. Give an idempotency_key, and
    asking again after an answer was lost starts no second run; steps of Ordinaut have one anyway."""
    key = wish.idempotency_key or call.key
    dedupe = None if key is None else Dedupe(f"mcp {call.caller.name} {key}", _DAY)
    with call.writing(dry_run=wish.dry_run) as connection:
        run_id, is_new = request_run(
            connection,
            wish.task,
            wish.params,
            dedupe,
            event=wish.event,
            may_overlap=wish.overlap,
            needs_runtime=False,
            actor=call.caller.actor(wish.reason),
            trace_link=call.trace_link,
        )
        run = load_run(connection, run_id)
    if not is_new and ((run.params or {}), run.event) != (wish.params, wish.event):
        raise KeyTaken(
            f"this idempotency_key stands for run {run.run_id}, which has other params or another event",
            hint="take a new key for each run that is wanted",
        )
    return RunStarted(dry_run=wish.dry_run, is_new=is_new, run=summary_of(run))


@offers("read", title="Wait for a run")
async def wait_run(call: Call, wish: WaitRun) -> RunWaited:
    """Wait until a run is over, for 55 seconds at most, and tell where it and its steps stand. If it is not over then, ask again."""
    clock = call.desk.clock
    until = clock.monotonic() + wish.seconds
    run_id, looks = await run_in_threadpool(_meant, call, wish.run), 0
    while not await run_in_threadpool(_is_over, call, run_id):
        left = until - clock.monotonic()
        if left <= 0:
            break
        looks += 1
        pause = doubled_pause(looks, first=_FIRST_LOOK_SECONDS, longest=_LONGEST_LOOK_SECONDS)
        await clock.sleep(min(pause, left))
    run = await run_in_threadpool(_story, call, run_id)
    steps = tuple(StepMark(step=one.step, state=one.state) for one in run.steps)
    return RunWaited(is_over=run.is_over, run=summary_of(run), steps=steps)


@offers("operate", title="Cancel a run", idempotent=True, destructive=True)
def cancel_run(call: Call, wish: CancelRun) -> RunCancelled:
    """End a run before it is over: whoever executes it is told to stop, and steps of `finally` still run unless at_once is true.
    What its steps have done stays done."""
    with call.writing(dry_run=wish.dry_run) as connection:
        report = cancel(
            connection,
            resolve_run(connection, wish.run),
            reason=wish.reason,
            actor=call.caller.actor(wish.reason),
            at_once=wish.at_once,
        )
    return RunCancelled(
        dry_run=wish.dry_run,
        outcome=report.outcome,
        was=report.was,
        was_executed=report.was_executed,
        run=summary_of(report.run),
    )


@offers("operate", title="Snooze a task", idempotent=True)
def snooze_task(call: Call, wish: SnoozeTask) -> TaskPutOff:
    """Leave out what a task would do until a time, or for a span such as `2h`. It ends by itself; git is not changed, and every
    plan shows it."""
    with call.writing(dry_run=wish.dry_run) as connection:
        report = snooze(
            connection,
            wish.task,
            until=wish.until,
            reason=wish.reason,
            actor=call.caller.actor(wish.reason),
        )
    return TaskPutOff(**dict(report), dry_run=wish.dry_run)


@offers("approve", title="Decide about a step")
def decide_approval(call: Call, wish: DecideApproval) -> ApprovalDecided:
    """Let a step go on that asks for a decision, or not, for a person who said so. Whoever asked for the run or for one that led to
    it, or is the agent that it works for, cannot."""
    decision = Decision(approved=wish.approved, reason=wish.reason, item=wish.item, data=wish.data)
    with call.writing(dry_run=wish.dry_run) as connection:
        run_id = resolve_run(connection, wish.run)
        decided = decide_step(
            connection, run_id, wish.step, decision, by=call.caller.actor(wish.reason)
        )
    return ApprovalDecided(**dict(decided), dry_run=wish.dry_run)


def _meant(call: Call, reference: str) -> UUID:
    with call.reading() as connection:
        return resolve_run(connection, reference)


def _is_over(call: Call, run_id: UUID) -> bool:
    with call.reading() as connection:
        progress = run_progress(connection, run_id)
    # One that is gone is told of as such by whoever looks for it.
    return progress is None or progress[0] in _OVER


def _story(call: Call, run_id: UUID) -> RunReport:
    with call.reading() as connection:
        return load_run(connection, run_id)
