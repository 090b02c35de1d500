"""Runs that somebody asks for: refused while that would break a promise of the task, queued and followed otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from runtime.actor import Actor
from runtime.clock import SystemClock
from runtime.core.overlap import admission
from runtime.errors import NotFound, OrdinautError
from runtime.lookup import resolve_task
from runtime.store.rows import Connection
from runtime.store.runs import (
    Dedupe,
    FoundTask,
    count_live_runtimes,
    create_manual_run,
    load_run,
    run_progress,
)
from schemas.run import RunReport, StepReport

_LOOK_AGAIN_SECONDS: Final = 0.05
_BESIDE: Final = "wait for it, or run beside it with --overlap"


class RunRefused(OrdinautError):
    """The run that was asked for cannot be started."""

    default_code = "ORD311"


def request_run(
    connection: Connection,
    label: str,
    params: Mapping[str, Any],
    dedupe: Dedupe | None = None,
    *,
    event: Mapping[str, Any] | None = None,
    may_overlap: bool,
    needs_runtime: bool,
    actor: Actor,
    trace_link: str | None = None,
) -> tuple[UUID, bool]:
    """Queue a run of a task, as its overlap policy lets it in: to begin, to wait for its turn, or in another's place.

    Args:
        connection: the database, in autocommit mode.
        label: the task.
        params: values that take the place of the task's own for this run.
        event: what its steps are told as `${event}`, for a task that else an event or a condition starts.
        dedupe: who asks again with the same key gets the same run, whatever became of it.
        may_overlap: whether it may run beside another run of the task, whatever the task's policy says.
        needs_runtime: refuse where no runtime is alive.
        actor: who asks.
        trace_link: the span elsewhere that it is asked from, as `kept_link` keeps it.

    Returns:
        the run, and whether it is a new one.

    Raises:
        NotFound: ORD310, there is no such task in force, or it has no such parameter.
        RunRefused: ORD311.
    """
    task = resolve_task(connection, label)
    if task.retired_at is not None:
        raise _retired(task, label)
    known = task.body["params"]
    if unknown := sorted(set(params) - set(known)):
        raise NotFound(
            f"task {label} has no parameter {unknown[0]}",
            hint=f"it has {', '.join(sorted(known))}" if known else "it has none",
        )
    if needs_runtime:
        require_runtime(connection)
    policy = task.body["overlap"]
    run_id, fate = create_manual_run(
        connection,
        task,
        params=params,
        requested_by=actor,
        entry=admission("allow" if may_overlap else policy),
        dedupe=dedupe,
        event=event,
        trace_link=trace_link,
    )
    if fate in {"begin", "wait", "repeated"}:
        return run_id, fate != "repeated"
    raise refused(connection, label, fate, policy)


def require_runtime(connection: Connection) -> None:
    """Refuse to wait for a run that nobody would execute.

    Raises:
        RunRefused: ORD311.
    """
    if not count_live_runtimes(connection):
        raise RunRefused(
            "no runtime is alive, so nobody would run it",
            hint="start one with `ordinaut up` or `ordinaut runtime`; without --wait the run is queued until then",
        )


def refused(connection: Connection, label: str, fate: str, policy: str) -> OrdinautError:
    """Why a run was not let in, for whoever asked for it."""
    if fate == "retired":
        return _retired(resolve_task(connection, label), label)
    if fate == "overlap_queue_full":
        message = f"as many runs of {label} wait as may: its overlap policy is {policy}"
    else:
        message = f"another run of {label} is active, and its overlap policy is {policy}"
    return RunRefused(message, hint=_BESIDE)


def _retired(task: FoundTask, label: str) -> NotFound:
    return NotFound(
        f"task {label} was retired at {task.retired_at:%Y-%m-%d %H:%M} UTC",
        hint="its runs are kept; to run it again, apply specs that have it",
    )


def follow_run(
    connection: Connection, run_id: UUID, clock: SystemClock, on_step: Callable[[StepReport], None]
) -> RunReport:
    """Wait until a run is over; tells of each step once, as soon as it has ended.

    Raises:
        NotFound: ORD310, there is no such run, or no more.
    """
    told: set[str] = set()
    seen: object = ()
    while True:
        progress = run_progress(connection, run_id)
        if progress != seen:
            seen = progress
            run = load_run(connection, run_id)
            for step in run.steps:
                if step.outcome is not None and step.step not in told:
                    told.add(step.step)
                    on_step(step)
            if run.is_over:
                return run
        clock.wait(_LOOK_AGAIN_SECONDS)
