"""Templates and conditions: whether they parse, and whether what they name will be there.

Checked are the syntax, the names that have a value at each place, results of earlier steps, parameters and secrets.
Variables are filled in before, by `variables`. What only a run can know, such as the fields of a tool's answer, is
left to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from reconciler.core.entry import Entry, Finding
from reconciler.core.locate import Path, written_path
from reconciler.core.references import step_lists, steps_of
from reconciler.core.sites import Site, sites_of
from reconciler.core.suggest import did_you_mean
from reconciler.core.variables import READ_BEFORE
from runtime.core.expressions import (
    ANSWER_ROOTS,
    Reference,
    compile_condition,
    compile_query,
    compile_template,
    references,
)
from runtime.core.graph import StepGraph, StepProblem, check_references, find_problems
from runtime.errors import ExpressionError
from schemas.pipeline import Pipeline, Step
from schemas.problem import Problem
from schemas.project import Project
from schemas.schedule import ConditionSchedule, EventSchedule, Schedule
from schemas.task import Task

_HERE: Final[dict[str, str]] = {
    "callback": "only the arguments of a step with `callback` have one",
    "event": "only runs and filters know the event",
    "item": "only a step with `foreach` has an item",
    "params": "there are no parameters here",
    "result": "there is no answer yet",
    "secrets": "what stands here is recorded: name the secret in the step or server that needs it",
    "steps": "no step has run yet when this is needed",
}

_RUN: Final = frozenset({"attempt", "callbacks", "id", "web_url"})
_RUN_AT_LAST: Final = _RUN | {"error", "outcome"}
_ABSENT: Final = {
    "callback": ("ORD502", "a callback has no", "it has `url` and `token`"),
    "run": (
        "ORD502",
        "a run has no",
        "it has `id`, `attempt`, `callbacks` and `web_url`, and in `finally` `outcome` and `error`",
    ),
    "event": (
        "ORD502",
        "the event has no",
        "that of a condition has `result` and `condition`; any other `id`, `source`, `topic`, `time` and `data`, with `debounce` or `batch` a `count`, with `batch` the `items`",
    ),
    "params": ("ORD502", "there is no parameter", "declare it under `params`"),
    "secrets": (
        "ORD410",
        "the Project declares no secret",
        "declare it under `secrets` of the Project",
    ),
}
EVENT_FIELDS: Final = ("id", "source", "topic", "time", "data")
"""What is known of an event."""
_NO_EVENT: Final = "the task has no schedule of the kinds `event` and `condition`"
_ONLY_VARIABLES: Final = "this is a plain value: only `${vars.…}` is filled in, from the Project"
_NOTHING: Final = "this is read before anything can be filled in: write the value out"
# Words for people, and JSON Schemas, which hold words and patterns.
_FREE_TEXT: Final = frozenset({"description", "params"})


@dataclass(frozen=True, slots=True)
class _Text:
    """A string with an expression in it: what it reads, or why it cannot be parsed."""

    reads: tuple[Reference, ...] = ()
    error: ExpressionError | None = None


def template_problems(entry: Entry, secrets: frozenset[str] | None) -> Iterator[Problem]:
    """Everything that is wrong with a document's expressions and the order of its steps.

    Args:
        entry: the document.
        secrets: the names that the Project defines; None if it could not be read.
    """
    steps, last = step_lists(entry.document)
    every = [*steps, *last]
    wrong_order = find_problems(steps, last)
    yield from _order_problems(entry, every, wrong_order)
    graph = _graph(steps, last, in_doubt=bool(wrong_order))
    final = frozenset(step.id for step in last)
    known = {
        "params": _declared_params(entry.document),
        "event": _event_fields(entry.document),
        "secrets": secrets,
        "callbacks": frozenset(
            step.id for step in every if "callback" in step.with_ or step.callback is not None
        ),
        "callback": frozenset({"url", "token"}),
    }
    sites = tuple(sites_of(entry.document))
    yield from _plain_text_problems(entry, sites)
    for site in sites:
        for path, text in _texts(site.value, site.path, site.form):
            read = _read(text, site.form)
            if read.error is not None:
                error = read.error
                found = Finding(error.code, error.message, error.hint)
                yield from entry.problem_in_text(path, text, error.position or 0, found)
            for reference in read.reads:
                if (wrong := _unusable(reference, site, known)) is not None:
                    position = max(text.find(str(reference)), 0)
                    yield from entry.problem_in_text(path, text, position, wrong)
            results = [reference for reference in read.reads if reference.root == "steps"]
            if results and site.step is not None and not entry.repaired_field("id", "save_as"):
                reader = every[site.step].id
                for absent in check_references(every, graph, reader, results, final):
                    yield from _at_step_reference(entry, path, text, absent)


def reads_of(entry: Entry) -> Iterator[tuple[Site, Path, str, Reference]]:
    """Everything that expressions of a document read: the place, the path and the text of each, and what it reads."""
    for site in sites_of(entry.document):
        for path, text in _texts(site.value, site.path, site.form):
            for reference in _read(text, site.form).reads:
                yield site, path, text, reference


def _plain_text_problems(entry: Entry, sites: tuple[Site, ...]) -> Iterator[Problem]:
    """Expressions where nothing is filled in; without a word they would be taken for text."""
    if not entry.source.dynamic:
        return
    is_project = isinstance(entry.document, Project)
    filled = [written_path(entry.source, site.path) for site in sites]
    for path, text in _texts(entry.source.value, (), "template"):
        # What tells of it is checked as a task of its own.
        if path[0] in _FREE_TEXT or "notify" in path[:2]:
            continue
        is_filled = any(path[: len(one)] == one for one in filled)
        for reference in _read(text, "template").reads:
            too_early = is_project and path[0] in READ_BEFORE
            if too_early if reference.root == "vars" else not is_filled:
                message = f"`{reference}` has no value here"
                hint = _NOTHING if too_early else _ONLY_VARIABLES
                position = max(text.find(str(reference)), 0)
                yield from entry.problem_in_text(
                    path, text, position, Finding("ORD502", message, hint)
                )


def _texts(value: Any, path: Path, form: str) -> list[tuple[Path, str]]:
    """The strings of a value that hold an expression."""
    found: list[tuple[Path, str]] = []
    _gather(value, path, form, found)
    return found


def _gather(value: Any, path: Path, form: str, found: list[tuple[Path, str]]) -> None:
    match value:
        case str():
            if form != "template" or "${" in value:
                found.append((path, value))
        case dict():
            for key, inner in value.items():
                _gather(inner, (*path, key), form, found)
        case list() | tuple():
            for number, inner in enumerate(value):
                _gather(inner, (*path, number), form, found)
        case _:
            pass


@lru_cache(maxsize=16_384)
def _read(text: str, form: str) -> _Text:
    """What a string reads; many documents share the same few expressions."""
    try:
        match form:
            case "template":
                found = references(compile_template(text))
            case "condition":
                found = references(compile_condition(text, roots=ANSWER_ROOTS))
            case _:
                # An event, or the arguments of a call, is the root of it, so any name may stand in it.
                compile_query(text)
                found = frozenset()
    except ExpressionError as error:
        return _Text(error=error)
    return _Text(tuple(sorted(found, key=str)))


def _unusable(
    reference: Reference, site: Site, known: Mapping[str, frozenset[str] | None]
) -> Finding | None:
    """What is wrong if `reference` will not be there; `known` has the names below each root, None where any may be."""
    root, names = reference.root, known.get(reference.root)
    if root == "vars":
        # Filled in or reported before; what is left stands inside `default()`.
        return None
    if root not in site.roots:
        hint = _HERE.get(root, "") if site.roots else _ONLY_VARIABLES
        return Finding("ORD502", f"`{reference}` has no value here", hint)
    if root == "event" and not names:
        # A key by which runs are told apart may well be one that this task's runs do not have.
        is_needed = (
            names is not None and site.path[0] in ("pipeline", "finally") and not reference.guarded
        )
        message = f"`{reference}` has no value here"
        return Finding("ORD502", message, _NO_EVENT) if is_needed else None
    if root == "run":
        names = _RUN_AT_LAST if site.path[0] == "finally" else _RUN
    return _absent(reference, names, known)


def _absent(
    reference: Reference,
    names: frozenset[str] | None,
    known: Mapping[str, frozenset[str] | None],
) -> Finding | None:
    """What is wrong with the name below a root."""
    root = reference.root
    if not reference.path or names is None:
        return None
    name = str(reference.path[0])
    if (root, name) == ("run", "callbacks"):
        return _unknown_callback(reference, known["callbacks"] or frozenset())
    if name in names or (reference.guarded and root != "secrets"):
        return None
    code, message, hint = _ABSENT[root]
    return Finding(
        code,
        f"`{reference}`: {message} `{name}`",
        did_you_mean(name, names, hint),
    )


def _unknown_callback(reference: Reference, waiting: frozenset[str]) -> Finding | None:
    name = str(reference.path[1]) if len(reference.path) > 1 else ""
    if name in waiting:
        return None
    message = f"`{reference}`: no step `{name}` waits for a callback"
    hint = did_you_mean(name, waiting, "`callback: true` of `ordinaut.wait_for` does")
    return Finding("ORD502", message, hint)


def _at_step_reference(
    entry: Entry, path: Path, text: str, absent: StepProblem
) -> Iterator[Problem]:
    """A problem of the graph, at the reference that its message begins with."""
    position = max(text.find(absent.message.partition(":")[0].partition(" ")[0]), 0)
    found = Finding(absent.code, absent.message, absent.hint, absent.severity)
    return entry.problem_in_text(path, text, position, found)


def _event_fields(document: Any) -> frozenset[str] | None:
    """What is known of events: by the runs of a task, by the topics of a Project's webhooks; None where it may be anything."""
    if isinstance(document, Project):
        return frozenset({"type", "id", "data"})
    if not isinstance(document, Task):
        return None
    return frozenset(name for schedule in document.schedule for name in _fields_of_event(schedule))


def _fields_of_event(schedule: Schedule) -> Iterator[str]:
    match schedule:
        case ConditionSchedule():
            yield from ("condition", "result")
        case EventSchedule():
            yield from EVENT_FIELDS
            if schedule.debounce is not None or schedule.batch is not None:
                yield "count"
            if schedule.batch is not None:
                yield "items"
        case _:
            pass


def _declared_params(document: Any) -> frozenset[str] | None:
    """The parameters that exist; None where any name may."""
    match document:
        case Task():
            return frozenset(document.params)
        case Pipeline():
            return _schema_properties(document.params)
        case _:
            return None


def _schema_properties(schema: Mapping[str, Any]) -> frozenset[str] | None:
    properties = schema.get("properties", {})
    is_open = schema.get("additionalProperties", False) is not False or any(
        keyword in schema for keyword in ("patternProperties", "$ref", "allOf", "anyOf", "oneOf")
    )
    return None if is_open or not isinstance(properties, dict) else frozenset(properties)


def _graph(steps: list[Step], last: list[Step], *, in_doubt: bool) -> StepGraph:
    """What each step needs; where the order is in doubt, which is reported by itself, any step needs all others."""
    if in_doubt:
        names = tuple(step.id for step in (*steps, *last))
        return StepGraph(dict.fromkeys(names, names))
    needs = _listed_needs(steps)
    over = tuple(needs)
    return StepGraph(needs | {name: own or over for name, own in _listed_needs(last).items()})


def _listed_needs(steps: list[Step]) -> dict[str, tuple[str, ...]]:
    before = ((), *((step.id,) for step in steps))
    return {
        step.id: earlier if step.needs is None else step.needs
        for step, earlier in zip(steps, before, strict=False)
    }


def _order_problems(
    entry: Entry, steps: list[Step], wrong: list[StepProblem]
) -> Iterator[Problem]:
    """What is wrong with the order of steps, each at the field it speaks of."""
    paths = [path for path, _ in steps_of(entry.document)]
    told: dict[str, int] = {}
    for found in wrong:
        places = [number for number, step in enumerate(steps) if step.id == found.step]
        # Of steps with one name the first is right and each of the others is told once.
        told[found.step] = told.get(found.step, 0) + 1 if len(places) > 1 else 0
        number = places[min(told[found.step], len(places) - 1)]
        field = _field_of(steps[number], found)
        # The id that is needed may be one that did not fit.
        if field[0] != "needs" or not entry.repaired_field("id"):
            yield from entry.problem(
                (*paths[number], *field), found.code, found.message, found.hint
            )


def _field_of(step: Step, found: StepProblem) -> Path:
    for number, need in enumerate(step.needs or ()):
        if f"needs {need}" in found.message or "needs itself" in found.message:
            return ("needs", number)
    return ("save_as",) if step.save_as and f"name {step.save_as}" in found.message else ("id",)
