"""Runs that somebody runs again: from the start, from one step on, or only what failed."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from runtime.actor import Actor
from runtime.core.overlap import admission
from runtime.core.rerunning import (
    Carried,
    carried_before,
    carried_despite,
    fitting,
    steps_by_name,
)
from runtime.errors import NotFound
from runtime.manual import RunRefused, refused, require_runtime
from runtime.store.reruns import FoundRun, create_rerun, find_rerun, list_step_outcomes
from runtime.store.rows import Connection


@dataclass(frozen=True, slots=True)
class Rerun:
    """What is asked for.

    Attributes:
        start: the step from which on all is done anew; None for all of it.
        only_failed: do only what failed, and what comes after it.
        latest: by the revision in force instead of the one that the run is pinned to.
        may_overlap: run it beside others, whatever the task's policy says.
        needs_runtime: refuse where no runtime is alive.
        trace_link: the span elsewhere that it is asked from, as `kept_link` keeps it.
    """

    start: str | None = None
    only_failed: bool = False
    latest: bool = False
    may_overlap: bool = False
    needs_runtime: bool = False
    trace_link: str | None = None


def rerun_run(connection: Connection, run_id: UUID, asked: Rerun, *, actor: Actor) -> UUID:
    """Queue a run again, linked to the one before and with the results of it that stay.

    Args:
        connection: the database, in autocommit mode.
        run_id: a run that is over.
        asked: how.
        actor: who asks.

    Raises:
        NotFound: ORD310, there is no such run or step, or the task is retired.
        RunRefused: ORD311.
    """
    found = find_rerun(connection, run_id)
    if found is None:
        raise NotFound(f"there is no run {run_id}", hint="`ordinaut runs` lists them")
    carried = _carried(connection, found, asked)
    if asked.needs_runtime:
        require_runtime(connection)
    policy = (found.body_in_force if asked.latest else found.body)["overlap"]
    new_id, fate = create_rerun(
        connection,
        found,
        latest=asked.latest,
        carried=carried,
        anew=not asked.only_failed,
        requested_by=actor,
        entry=admission("allow" if asked.may_overlap else policy),
        trace_link=asked.trace_link,
    )
    if fate in {"begin", "wait"}:
        return new_id
    raise refused(connection, found.task, fate, policy)


def _carried(connection: Connection, found: FoundRun, asked: Rerun) -> Carried:
    """Which results stay; refuses what cannot be run again so."""
    if found.state not in {"succeeded", "failed", "cancelled"}:
        raise RunRefused(
            f"run {found.run_id} of {found.task} is {found.state}, so it cannot be run again",
            hint="`ordinaut run` runs the task now"
            if found.state == "skipped"
            else "`ordinaut cancel` ends it",
        )
    before = steps_by_name(found.body)
    steps = steps_by_name(found.body_in_force) if asked.latest else before
    outcomes = list_step_outcomes(connection, found.run_id, before)
    if asked.only_failed:
        if found.state == "succeeded":
            raise RunRefused(
                f"run {found.run_id} of {found.task} succeeded, so nothing of it is left to be done",
                hint="without --failed all of it is done once more; --from names a step",
            )
        return fitting(carried_despite(before, outcomes), before, steps)
    if asked.start is None:
        return Carried()
    if asked.start not in steps:
        raise NotFound(
            f"{found.task} has no step {asked.start} to begin at",
            hint=f"it has {', '.join(steps)}",
        )
    carried = carried_before(steps, {n: o for n, o in outcomes.items() if n in steps}, asked.start)
    if isinstance(carried, str):
        raise RunRefused(
            f"step {asked.start} needs {carried}, which has no result in run {found.run_id}",
            hint=f"begin there: --from {carried}",
        )
    return fitting(carried, before, steps)
