"""The graph that a pipeline's steps make: what is wrong with it, and its order.

A step needs the steps it names; without `needs` it needs the step listed before it, and with `needs: []` none. The steps of
`finally` are a list of their own, and come after all others. Templates find a result as `steps.<save_as>`, or `steps.<id>` without `save_as`. How a run moves over the steps is left to `course`.
"""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from runtime.core.expressions import Reference


class StepLike(Protocol):
    """What the graph reads of a step; `schemas.pipeline.Step` has it."""

    @property
    def id(self) -> str: ...
    @property
    def needs(self) -> tuple[str, ...] | None: ...
    @property
    def result_name(self) -> str: ...
    @property
    def if_(self) -> str | bool | None: ...
    @property
    def on_error(self) -> object: ...


@dataclass(frozen=True, slots=True)
class StepProblem:
    """Something wrong with a step.

    Attributes:
        code: ORD013 for the graph itself, ORD502 or ORD101 for what an expression reads.
        message: what is wrong.
        step: the step's id.
        hint: what to do; empty where the message says it.
        severity: only errors refuse a plan.
    """

    code: str
    message: str
    step: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"


@dataclass(frozen=True, slots=True)
class StepGraph:
    """Steps without problems, in an order that respects every need.

    Attributes:
        needs: for each step what it needs directly, in the order in which steps may run.
    """

    needs: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, steps: Sequence[StepLike], last: Sequence[StepLike] = ()) -> StepGraph:
        """The graph of steps, and of those of `finally`, in which `find_problems` finds nothing.

        Raises:
            ValueError: it would find something.
        """
        if problems := find_problems(steps, last):
            raise ValueError(problems[0].message)
        needs = ordered_needs((step.id, step.needs) for step in steps)
        final = ordered_needs((step.id, step.needs) for step in last)
        every = tuple(needs)
        return cls(needs | {name: needed or every for name, needed in final.items()})

    @property
    def order(self) -> tuple[str, ...]:
        """Every step after all it needs; among those that could stand next, the one listed first."""
        return tuple(self.needs)

    def before(self, step: str) -> frozenset[str]:
        """The steps that have certainly passed when `step` starts.

        Raises:
            KeyError: there is no such step.
        """
        found: set[str] = set()
        waiting = list(self.needs[step])
        while waiting:
            need = waiting.pop()
            if need not in found:
                found.add(need)
                waiting.extend(self.needs[need])
        return frozenset(found)


def ordered_needs(
    listed: Iterable[tuple[str, Iterable[str] | None]],
) -> dict[str, tuple[str, ...]]:
    """What each step needs directly, in the order in which steps may run.

    Args:
        listed: each step's id and its `needs`, None where it has none, as the steps are listed; they have no problems.
    """
    needs = _needs(listed)
    return {step: needs[step] for step in _ordered(needs)}


def find_problems(steps: Sequence[StepLike], last: Sequence[StepLike] = ()) -> list[StepProblem]:
    """Duplicate names, unknown needs, needs to itself and cycles: all of them, in the steps' order.

    Args:
        steps: the steps.
        last: those of `finally`.
    """
    problems = [*_name_problems([*steps, *last])]
    final = frozenset(step.id for step in last)
    over = frozenset(step.id for step in steps)
    for some, others, why in (
        (steps, final, "which runs when the others are over"),
        (last, over, "which is over in any case"),
    ):
        needs = _needs((step.id, step.needs) for step in some)
        for step in some:
            for need in step.needs or ():
                if need in others and need not in needs:
                    problems.append(_wrong(step.id, f"step {step.id} needs {need}, {why}"))
                elif (found := _need_problem(step.id, need, needs)) is not None:
                    problems.append(found)
        problems.extend(_wrong(cycle[0], _in_a_circle(cycle)) for cycle in _cycles(needs))
    return problems


def _need_problem(step: str, need: str, known: Collection[str]) -> StepProblem | None:
    if need == step:
        return _wrong(step, f"step {need} needs itself")
    if need in known:
        return None
    close = difflib.get_close_matches(need, known, n=1)
    hint = f"did you mean {close[0]}?" if close else ""
    return _wrong(step, f"step {step} needs {need}, and there is no such step", hint)


def check_references(
    steps: Sequence[StepLike],
    graph: StepGraph,
    step: str,
    references: Iterable[Reference],
    last: Collection[str] = (),
) -> list[StepProblem]:
    """Whether every step's result that the expressions of `step` read is certainly there.

    A result of a step that need not come before is an error. A result that may not exist, because its step has an
    `if` or goes on after a failure, or because `finally` comes after failures too, is a warning unless `default()` stands
    around it.

    Args:
        steps: all of them, those of `finally` last.
        graph: of them.
        step: the one that reads.
        references: what it reads.
        last: the steps of `finally`.
    """
    owners = {other.result_name: other for other in steps}
    earlier = graph.before(step)
    problems = []
    for reference in sorted(references, key=str):
        if reference.root != "steps" or not reference.path:
            continue
        owner = owners.get(str(reference.path[0]))
        if owner is None:
            problems.append(_unknown_result(steps, step, reference))
        elif owner.id not in earlier:
            problems.append(_not_before(owner, step, reference, is_last=owner.id in last))
        elif not reference.guarded and (
            why := _why_no_result(owner, is_cut_off=step in last and owner.id not in last)
        ):
            problems.append(_perhaps_absent(why, owner, step, reference))
    return problems


def _needs(listed: Iterable[tuple[str, Iterable[str] | None]]) -> dict[str, tuple[str, ...]]:
    """What each step needs; of steps with one id, the first."""
    needs: dict[str, tuple[str, ...]] = {}
    before: tuple[str, ...] = ()
    for step, needed in listed:
        needs.setdefault(step, before if needed is None else tuple(needed))
        before = (step,)
    return needs


def _name_problems(steps: Sequence[StepLike]) -> Iterator[StepProblem]:
    """Ids and the names that results are saved under share one set of names."""
    owners: dict[str, int] = {}
    for position, step in enumerate(steps):
        for name in dict.fromkeys((step.id, step.result_name)):
            if owners.setdefault(name, position) == position:
                continue
            other = steps[owners[name]]
            if other.id == step.id == name:
                yield _wrong(step.id, f"two steps have the id {name}")
            else:
                yield _wrong(
                    step.id,
                    f"the name {name} of step {step.id} already belongs to step {other.id}",
                    "ids and save_as names must differ from one another",
                )


def _ordered(needs: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Steps with everything they need before them, as early as listed; those on or behind a cycle are left out."""
    listed = {step: position for position, step in enumerate(needs)}
    names = list(needs)
    missing = {step: {n for n in needed if n in needs} for step, needed in needs.items()}
    dependents: dict[str, list[str]] = {step: [] for step in needs}
    for step, needed in missing.items():
        for need in needed:
            dependents[need].append(step)
    free = [listed[step] for step, needed in missing.items() if not needed]
    ordered = []
    while free:
        step = names[heapq.heappop(free)]
        ordered.append(step)
        for dependent in dependents[step]:
            missing[dependent].discard(step)
            if not missing[dependent]:
                heapq.heappush(free, listed[dependent])
    return ordered


def _cycles(needs: Mapping[str, tuple[str, ...]]) -> Iterator[list[str]]:
    """Cycles that share no step, each from its step that is listed first; a need to itself is no cycle here."""
    left = {step: tuple(n for n in needed if n != step) for step, needed in needs.items()}
    while stuck := set(left).difference(_ordered(left)):
        # Every stuck step needs a stuck step, so following needs comes round.
        trail = [next(step for step in left if step in stuck)]
        while (need := next(n for n in left[trail[-1]] if n in stuck)) not in trail:
            trail.append(need)
        cycle = trail[trail.index(need) :]
        first = min(cycle, key=list(left).index)
        yield cycle[cycle.index(first) :] + cycle[: cycle.index(first)]
        left = {step: needed for step, needed in left.items() if step not in cycle}


def _in_a_circle(cycle: list[str]) -> str:
    return "steps need each other in a circle: " + " needs ".join([*cycle, cycle[0]])


def _wrong(step: str, message: str, hint: str = "") -> StepProblem:
    return StepProblem("ORD013", message, step, hint)


def _why_no_result(step: StepLike, *, is_cut_off: bool) -> str:
    """Why a step that has passed may have no result; empty if it has one."""
    if step.if_ not in (None, True):
        return "may be skipped"
    if step.on_error != "fail":
        return "goes on after a failure"
    return "may have failed, or not have begun" if is_cut_off else ""


def _unknown_result(steps: Sequence[StepLike], step: str, reference: Reference) -> StepProblem:
    name = str(reference.path[0])
    saved = {other.id: other.result_name for other in steps}
    close = difflib.get_close_matches(name, saved.values(), n=1)
    hint = ""
    if name in saved:
        hint = f"step {name} saves its result as {saved[name]}: write steps.{saved[name]}"
    elif close:
        hint = f"did you mean steps.{close[0]}?"
    return StepProblem("ORD502", f"{reference} is not there: no step saves {name}", step, hint)


def _not_before(owner: StepLike, step: str, reference: Reference, *, is_last: bool) -> StepProblem:
    if owner.id == step:
        return StepProblem("ORD502", f"{reference}: step {step} reads its own result", step)
    return StepProblem(
        "ORD502",
        f"{reference}: step {owner.id} need not have run before step {step}",
        step,
        "" if is_last else f"add {owner.id} to the needs of {step}",
    )


def _perhaps_absent(why: str, owner: StepLike, step: str, reference: Reference) -> StepProblem:
    return StepProblem(
        "ORD101",
        f"{reference}: step {owner.id} {why}, and then there is no result",
        step,
        f"write default({reference}, <something else>)",
        "warning",
    )
