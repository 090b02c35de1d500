"""Tools that look at runs: lists of them, the story of one, its events, and why it failed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Final

from reconciler.mcp.bounding import shortened_events, shortened_run, shortened_step, summary_of
from reconciler.mcp.calling import Call
from reconciler.mcp.offering import UnfitArguments, offers
from runtime.errors import NotFound
from runtime.explaining import explain_task
from runtime.listing import page_of_events, page_of_runs
from runtime.lookup import resolve_run, resolve_task
from runtime.store.event_pages import Sought
from runtime.store.overrides import find_pause
from runtime.store.rows import Connection
from runtime.store.runs import find_task, load_run
from runtime.store.runs import list_runs as list_found_runs
from schemas.codes import CODES
from schemas.mcp import (
    ExplainFailure,
    FailureAnswer,
    GetRun,
    GetRunLogs,
    ListRuns,
    LogRows,
    RunAnswer,
    RunRows,
)
from schemas.override import Pause
from schemas.run import RunReport, StepReport

_LOOKED_BACK: Final = 100
_FINE: Final = frozenset({"succeeded", "skipped", "pending", "running"})
_PEOPLE: Final = frozenset({"approval", "unknown"})


@offers("read", title="List runs")
def list_runs(call: Call, wish: ListRuns) -> RunRows:
    """Runs, newest first. Occurrences that were decided not to run are among them as `skipped`, each with its reason."""
    with call.reading() as connection:
        page, more = page_of_runs(
            connection, task=wish.task, states=wish.states, limit=wish.limit, cursor=wish.cursor
        )
    return RunRows(now=page.now, runs=page.runs, next_cursor=more)


@offers("read", title="Get a run")
def get_run(call: Call, wish: GetRun) -> RunAnswer:
    """The story of a run: its steps with what they were given and gave, tries, errors, waits and newest events. Large values are
    cut; with `step` one step is told whole."""
    with call.reading() as connection:
        run = load_run(connection, resolve_run(connection, wish.run))
    names = [one.step for one in run.steps]
    if wish.step is not None and wish.step not in names:
        raise NotFound(
            f"run {run.run_id} has no step {wish.step}", hint=f"its steps are {', '.join(names)}"
        )
    return shortened_run(run, wish.step)


@offers("read", title="Get the log of a run")
def get_run_logs(call: Call, wish: GetRunLogs) -> LogRows:
    """What happened to a run, to a task or to everything, as events, newest first."""
    if wish.run is not None and wish.task is not None:
        raise UnfitArguments("give run or task, and not both")
    with call.reading() as connection:
        run_id = None if wish.run is None else resolve_run(connection, wish.run)
        if wish.task is not None:
            resolve_task(connection, wish.task)
        subject = None if wish.task is None else wish.task.removeprefix("default/")
        sought = Sought(wish.type, subject, run_id)
        page, more = page_of_events(connection, sought, limit=wish.limit, cursor=wish.cursor)
    return LogRows(events=tuple(shortened_events(page.events)), next_cursor=more)


@offers("read", title="Explain a failure")
def explain_failure(call: Call, wish: ExplainFailure) -> FailureAnswer:
    """Why a run failed, was cancelled, is stuck or did not begin: its error and what that means, the steps at fault, whether it is
    the first of several, what changed since it last went well, and what to do. Ask this first."""
    with call.reading() as connection:
        run = _at_fault(connection, wish.run)
        uid = resolve_task(connection, run.task).uid
        pause = find_pause(connection, uid)
        over = list_found_runs(
            connection, task_uid=uid, states=("succeeded", "failed"), limit=_LOOKED_BACK
        ).runs
        story = tuple(_story(connection, run))
        again = load_run(connection, run.reruns[-1]) if run.reruns else None
    good = next((one for one in over if one.state == "succeeded"), None)
    at_fault = [one for one in run.steps if one.state not in _FINE]
    asking = tuple(one.step for one in at_fault if any(wait.kind in _PEOPLE for wait in one.waits))
    return FailureAnswer(
        now=run.now,
        run=summary_of(run),
        story=story,
        meaning=CODES.get(run.error.code) if run.error else None,
        steps=tuple(map(shortened_step, at_fault)),
        waits_for_people=asking,
        in_a_row=sum(1 for _ in takewhile(lambda one: one.state == "failed", over)),
        last_success=good,
        changed_since=None if good is None else good.revision != run.revision,
        rerun_by=None if again is None else summary_of(again),
        advice=tuple(_advice(run, at_fault, asking, pause)),
    )


def _at_fault(connection: Connection, reference: str) -> RunReport:
    """The run that is meant; of a task the newest one that failed.

    Raises:
        NotFound: ORD310, there is none, or nothing went wrong with it.
    """
    task = find_task(connection, reference)
    if task is not None:
        failed = list_found_runs(connection, task_uid=task.uid, states=("failed",), limit=1).runs
        if not failed:
            raise NotFound(
                f"no run of {reference} failed", hint=f"list_runs has the runs of {reference}"
            )
        return load_run(connection, failed[0].run_id)
    run = load_run(connection, resolve_run(connection, reference))
    if run.state == "succeeded":
        raise NotFound(f"run {run.run_id} of {run.task} succeeded", hint="get_run tells its story")
    return run


def _story(connection: Connection, run: RunReport) -> Iterator[str]:
    """What is known of how it came about, a sentence each."""
    told = explain_task(connection, run.task, run.occurrence_for.isoformat())
    for one in told.explained:
        if one.run_id == run.run_id:
            yield one.sentence
            yield from one.facts


def _advice(
    run: RunReport, at_fault: list[StepReport], asking: tuple[str, ...], pause: Pause | None
) -> Iterator[str]:
    short = run.run_id.hex[-8:]
    for step in at_fault:
        if any(wait.kind == "unknown" for wait in step.waits):
            yield f"a person says whether the call of {step.step} happened: `ordinaut settle {short} {step.step}`"
    if asking:
        yield f"a person decides: `ordinaut approve {short}`, or decide_approval"
    for step in at_fault[:1]:
        yield f"get_run with run {short} and step {step.step} tells all that it was given"
    if run.state == "failed":
        yield f"once the cause is gone, `ordinaut rerun {short} --failed` runs what failed, and what comes after it, once more"
    if pause is not None:
        yield f"the task is held back, by {pause.actor or 'somebody'}: `ordinaut resume {run.task}` lets it go on"
