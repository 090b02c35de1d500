"""What tests cover: which steps of the specs they let run, and which ways out of them they take.

A pipeline is counted once: tests of a task that uses a Pipeline document count for that document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.core.desired import Desired, Key, Specs
from reconciler.core.references import Names
from runtime.core.played import Played, StepPlayed
from schemas.pipeline import Pipeline, PipelineUse, Step
from schemas.task import Task
from schemas.tested import Branch, Coverage, PipelineCoverage, Uncovered


@dataclass(frozen=True, slots=True)
class Seen:
    """A run that was played, and the document whose steps it had."""

    owner: Key
    played: Played


def owner_of(target: Desired, specs: Specs) -> Key:
    """The document in which the steps of a task or Pipeline stand."""
    document = target.document
    if isinstance(document, Task) and isinstance(document.pipeline, PipelineUse):
        names = Names(frozenset(specs.documents))
        found = names.find("Pipeline", document.pipeline.use, document.namespace)
        return found or target.key
    return target.key


def coverage_of(specs: Specs, seen: Iterable[Seen], *, only_seen: bool = False) -> Coverage:
    """What runs cover of the specs.

    Args:
        specs: the specs, without errors.
        seen: the runs.
        only_seen: leave out pipelines of which there is no run.
    """
    runs: dict[Key, list[Played]] = {}
    for one in seen:
        runs.setdefault(one.owner, []).append(one.played)
    pipelines = tuple(
        _of_pipeline(key, steps, runs.get(key, []))
        for key, steps in sorted(_owners(specs))
        if key in runs or not only_seen
    )
    total = sum(one.steps + one.branches for one in pipelines)
    covered = sum(one.steps_covered + one.branches_covered for one in pipelines)
    percent = 100.0 if total == 0 else 100.0 * covered / total
    return Coverage(percent=round(percent, 1), covered=covered, total=total, pipelines=pipelines)


def _owners(specs: Specs) -> Iterator[tuple[Key, tuple[Step, ...]]]:
    for key, desired in specs.documents.items():
        match desired.document:
            case Pipeline() as pipeline:
                yield key, (*pipeline.steps, *(pipeline.finally_ or ()))
            case Task(pipeline=tuple() as steps) as task:
                yield key, (*steps, *(task.finally_ or ()))
            case _:
                pass


def _of_pipeline(key: Key, steps: Iterable[Step], runs: list[Played]) -> PipelineCoverage:
    # A step that is switched off has no way to be covered.
    ways = {step.id: _ways(step) for step in steps if step.if_ is not False}
    taken = {name: _taken(name, runs) for name in ways}
    missing = tuple(
        Uncovered(step=name, branch=branch)
        for name, possible in ways.items()
        for branch in possible
        if branch not in taken[name]
    )
    unseen = sum(one.branch == "runs" for one in missing)
    branches = sum(len(possible) - 1 for possible in ways.values())
    return PipelineCoverage(
        kind=key.kind,
        name=key.label,
        tests=len(runs),
        steps=len(ways),
        steps_covered=len(ways) - unseen,
        branches=branches,
        branches_covered=branches - (len(missing) - unseen),
        missing=missing,
    )


def _ways(step: Step) -> tuple[Branch, ...]:
    """Every way that a step can take, `runs` first."""
    ways: list[Branch] = ["runs"]
    if step.if_ not in (None, True):
        ways += ["if_holds", "if_fails"]
    if step.on_error != "fail":
        ways.append("on_error")
    if step.approval is not None and step.approval.on_timeout == "skip":
        ways.append("nobody_decides")
    return tuple(ways)


def _taken(name: str, runs: Iterable[Played]) -> frozenset[Branch]:
    steps: Iterable[Mapping[str, StepPlayed]] = (run.steps for run in runs)
    return frozenset(branch for step in steps for branch in _ways_of(step.get(name)))


def _ways_of(step: StepPlayed | None) -> Iterator[Branch]:
    if step is None:
        return
    held, not_held = step.held
    if step.tries or step.state in {"succeeded", "failed", "waiting"}:
        yield "runs"
    if held or step.state == "waiting" or step.because == "nobody_decided":
        yield "if_holds"
    if not_held and step.because != "nobody_decided":
        yield "if_fails"
    if step.failed:
        yield "on_error"
    if step.because == "nobody_decided":
        yield "nobody_decides"
