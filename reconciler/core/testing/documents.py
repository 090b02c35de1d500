"""Test documents: read and fitted to their model, and whether what they name is in the specs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from reconciler.core.documents import SourceDocument, read_documents, shown_kind
from reconciler.core.entry import problem_at, shown_place
from reconciler.core.files import SourceFile
from reconciler.core.locate import Path, place_of
from reconciler.core.shape import shape_problems
from reconciler.core.suggest import did_you_mean
from runtime.core.expressions import compile_query
from runtime.core.program import Program, ProgramStep
from runtime.core.waits import APPROVE, SLEEP, WAIT_FOR
from runtime.errors import ExpressionError
from schemas.base import API_VERSION
from schemas.problem import Problem
from schemas.spec import KINDS
from schemas.testing import Answer, Given, Test

KIND: Final = "Test"


@dataclass(frozen=True, slots=True)
class Trial:
    """A test, as written and as a model."""

    source: SourceDocument
    test: Test

    def problem(
        self, path: Path, code: str, message: str, hint: str = "", *, key: bool = False
    ) -> Problem:
        """A problem with the value at a path, or with its key."""
        named = f"{self.test.name}: {message}"
        return problem_at(place_of(self.source, path, key=key), code, named, hint)


def read_trials(files: Iterable[SourceFile]) -> tuple[list[Trial], list[Problem]]:
    """Every test that is sound in itself, and what is wrong with the others."""
    trials: dict[str, Trial] = {}
    problems: list[Problem] = []
    for file in files:
        reading = read_documents(file.name, file.data)
        problems += reading.problems
        for document in reading.documents:
            trial = _trial(document, problems)
            if trial is None:
                continue
            first = trials.setdefault(trial.test.name, trial)
            if first is not trial:
                where = shown_place(place_of(first.source, ("name",)))
                message = f"two tests have this name; the first is at {where}"
                problems.append(trial.problem(("name",), "ORD008", message, "rename one of them"))
    return list(trials.values()), problems


def _trial(document: SourceDocument, problems: list[Problem]) -> Trial | None:
    if document.sound and (found := list(_head_problems(document))):
        problems += found
        return None
    try:
        test = Test.model_validate(document.value, by_alias=True, by_name=False)
    except ValidationError as error:
        if document.sound:
            problems += shape_problems(document, Test, error.errors(include_url=False))
        return None
    trial = Trial(document, test)
    wrong = list(_contradictions(trial))
    problems += wrong
    return trial if document.sound and not wrong else None


def _head_problems(document: SourceDocument) -> Iterator[Problem]:
    kind, version = document.value.get("kind"), document.value.get("apiVersion")
    if kind != KIND:
        hint = (
            "move it out of the folder `tests`: nothing in there is part of the specs"
            if kind in KINDS
            else f"write `kind: {KIND}`"
        )
        what = f"the kind of a test is {KIND}; this is {shown_kind(kind)}"
        yield problem_at(place_of(document, ("kind",)), "ORD004", what, hint)
    elif version != API_VERSION:
        what = f"`apiVersion` is {shown_kind(version)}"
        hint = f"write `apiVersion: {API_VERSION}`"
        yield problem_at(place_of(document, ("apiVersion",)), "ORD004", what, hint)


def _contradictions(trial: Trial) -> Iterator[Problem]:
    """What one document says that cannot go together."""
    test = trial.test
    if (test.task is None) == (test.pipeline is None):
        hint = "name one of them"
        yield trial.problem((), "ORD013", "a test names either a `task` or a `pipeline`", hint)
    for path, answer in _answers(trial):
        given = answer.model_fields_set
        if answer.outcome is not None and "result" in given and answer.settled != "happened":
            message = "a call has either a `result` or an `outcome` that is none"
            yield trial.problem((*path, "outcome"), "ORD013", message, key=True)
        is_one_of_several = isinstance(path[-1], int) and path[-2] != "items"
        if answer.settled == "try_again" and not is_one_of_several:
            message = "a call that is tried again needs a list, with what the next try meets"
            yield trial.problem((*path, "settled"), "ORD013", message)
        for name in sorted({"code", "message", "retry_after", "settled", "verified"} & given):
            if answer.outcome is None:
                message = f"`{name}` is for a call that fails, and there is no `outcome`"
                yield trial.problem((*path, name), "ORD013", message, key=True)
    for number, call in enumerate(test.expect.calls or ()):
        if call.with_ is not None and call.including is not None:
            message = "`with` are all arguments, and `including` some of them: write one"
            yield trial.problem(("expect", "calls", number, "including"), "ORD013", message)


def _answers(trial: Trial) -> Iterator[tuple[Path, Answer]]:
    for step, form in trial.test.given.items():
        forms: list[tuple[Path, Answer | tuple[Answer, ...]]] = [(("given", step), form)]
        if isinstance(form, Given):
            for name, several in (("items", form.items), ("tries", form.tries)):
                forms += [
                    (("given", step, name, number), one)
                    for number, one in enumerate(several or ())
                ]
        for path, one in forms:
            if isinstance(one, tuple):
                yield from (((*path, number), answer) for number, answer in enumerate(one))
            else:
                yield path, one


def misnamed(trial: Trial, program: Program) -> Iterator[Problem]:
    """What a test says of steps that are not there, or that could never meet it."""
    steps = {step.name: step for step in (*program.steps, *program.last)}
    test = trial.test
    named: list[Path] = [("given", step) for step in test.given]
    named += [("expect", "steps", step) for step in test.expect.steps or {}]
    for path in named:
        if path[-1] not in steps:
            message = f"there is no step `{path[-1]}` in {program.label}"
            yield trial.problem(
                path, "ORD009", message, did_you_mean(str(path[-1]), steps), key=True
            )
    for number, call in enumerate(test.expect.calls or ()):
        if call.step is not None and call.step not in steps:
            message = f"there is no step `{call.step}` in {program.label}"
            hint = did_you_mean(call.step, steps)
            yield trial.problem(("expect", "calls", number, "step"), "ORD009", message, hint)
    yield from _misread(trial, program, [step.result_name for step in steps.values()])
    for name, given in test.given.items():
        if name in steps and isinstance(given, Given):
            yield from _unmet(trial, steps[name], given)


def _misread(trial: Trial, program: Program, known: list[str]) -> Iterator[Problem]:
    """Queries that cannot be parsed, or that begin with the name of no result: what is not there would pass for null."""
    for text in trial.test.expect.results or {}:
        path: Path = ("expect", "results", text)
        try:
            compile_query(text)
        except ExpressionError as error:
            yield trial.problem(path, error.code, error.message, error.hint, key=True)
            continue
        first = _FIRST.match(text)
        if first is not None and first[1] not in known:
            message = f"no step of {program.label} saves `{first[1]}`"
            yield trial.problem(path, "ORD009", message, did_you_mean(first[1], known), key=True)


_FIRST: Final = re.compile(r"([A-Za-z_]\w*)(?![\w(])")
_Asks = Callable[[ProgramStep], bool]
_MEETS: Final[tuple[tuple[str, _Asks, str], ...]] = (
    ("items", lambda step: step.foreach is not None, "has no `foreach`"),
    ("approval", lambda step: step.approval is not None or step.uses == APPROVE, "asks no person"),
    ("event", lambda step: step.uses == WAIT_FOR, "waits for no event"),
    ("result", lambda step: step.uses not in {SLEEP, WAIT_FOR, APPROVE}, "only waits"),
)


def _unmet(trial: Trial, step: ProgramStep, given: Given) -> Iterator[Problem]:
    for name, asks, why in _MEETS:
        if name in given.model_fields_set and not asks(step):
            message = f"step {step.name} {why}, so `{name}` is never met"
            yield trial.problem(("given", step.name, name), "ORD013", message, key=True)
