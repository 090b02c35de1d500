"""Runs that somebody cancels: whoever executes one is fenced off in the same moment, and told to stop."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from runtime.actor import Actor
from runtime.errors import OrdinautError
from runtime.store.cancelling import cancel_run as cancel
from runtime.store.rows import Connection
from runtime.store.runs import load_run
from schemas.run import CancelReport, RunReport

# A run moves once from the backlog to the queue, so the second look finds it, unless it ended meanwhile.
_LOOKS: Final = 3


class RunOver(OrdinautError):
    """The run is over, so nothing is left to be cancelled."""

    default_code = "ORD314"


def cancel_run(
    connection: Connection, run_id: UUID, *, reason: str, actor: Actor, at_once: bool = False
) -> CancelReport:
    """Cancel a run that is not over; of this and its end exactly one wins.

    One that has begun and has steps of `finally` goes on with these, and nothing cuts them off but `at_once`.

    Args:
        connection: the database, in autocommit mode.
        run_id: the run.
        reason: why; may be empty.
        actor: who asks.
        at_once: it ends where it is, without steps of `finally`.

    Raises:
        NotFound: ORD310, there is no such run.
        RunOver: ORD314, it ended otherwise before, or its steps did and those of `finally` go on.
    """
    run = load_run(connection, run_id)
    was = run.state
    for _ in range(_LOOKS):
        cancelled = cancel(connection, run_id, actor=actor, detail=reason, at_once=at_once)
        if cancelled is not None and cancelled.last == "goes on":
            return _going_on(load_run(connection, run_id))
        if cancelled is not None:
            return CancelReport(
                outcome="ending" if cancelled.last == "begins" else "cancelled",
                was=was,
                was_executed=cancelled.is_held,
                run=load_run(connection, run_id),
            )
        run = load_run(connection, run_id)
        if run.state == "cancelled":
            return CancelReport(outcome="unchanged", was=run.state, run=run)
        if run.is_over:
            break
    raise _over(run)


def _going_on(run: RunReport) -> CancelReport:
    """What a cancellation finds that comes while steps of `finally` run."""
    if run.reason is not None:
        return CancelReport(outcome="unchanged", was=run.state, run=run)
    raise RunOver(
        f"the steps of run {run.run_id} of {run.task} are over, and those of `finally` run",
        hint=f"`ordinaut cancel {run.run_id.hex[-8:]} --now` ends it without them",
    )


def _over(run: RunReport) -> RunOver:
    when = f" at {run.finished_at:%Y-%m-%d %H:%M:%S} UTC" if run.finished_at else ""
    return RunOver(
        f"run {run.run_id} of {run.task} is over: {run.state}{when}",
        hint=f"`ordinaut show {run.run_id.hex[-8:]}` tells what it did",
    )
