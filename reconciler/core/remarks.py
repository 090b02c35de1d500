"""What reviewers are told at the lines of a change: problems of the specs, what a plan lets somebody do, why it is refused.

Pure. A gain is remarked where it is written, a refusal at the documents that it concerns; what has no place in the files,
such as that too much is retired, is told without one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler.core.desired import Key, Place
from reconciler.core.documents import SourceDocument, read_documents
from reconciler.core.entry import Finding, problem_at
from reconciler.core.gains import gains_of
from reconciler.core.guards import refusal, refused
from reconciler.core.locate import Path, place_of
from reconciler.core.policies import policy_guards, policy_words
from reconciler.core.render_change import title_of
from schemas.plan import Guard, Plan, PlannedChange, ToolsEffect
from schemas.policy import PlanPolicy
from schemas.problem import Problem, Severity

_POLICY: Final = "ORD215"
_GAIN: Final = "ORD217"


@dataclass(frozen=True, slots=True)
class Remarks:
    """What is told.

    Attributes:
        problems: what has a place, in the order of telling.
        general: what has none.
        texts: the files in which the places are, by name.
    """

    problems: tuple[Problem, ...]
    general: tuple[Finding, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What refuses a plan, or warns of it.

    Attributes:
        finding: what is told where there is no place.
        count: how many documents it is about; 0 if it is about the whole.
        is_about: whether it is about a change.
        words: what is the matter with such a change.
    """

    finding: Finding
    count: int
    is_about: Callable[[PlannedChange], bool]
    words: str


def remarks_on(plan: Plan, texts: Mapping[str, str]) -> Remarks:
    """What a plan gives reviewers to look at, beside when things fire.

    Args:
        plan: as it was made.
        texts: the files that it was made from, by name.
    """
    problems: list[Problem] = []
    general: list[Finding] = []
    for verdict in _verdicts(plan):
        placed = list(_placed(verdict, plan))
        problems += placed
        # What is retired has no file any more.
        general += [] if len(placed) >= max(1, verdict.count) else [verdict.finding]
    problems += plan.diagnostics
    places = _Places(plan, texts)
    for change in plan.changes:
        problems += _gained(change, places)
    return Remarks(tuple(problems), tuple(general), texts)


def _verdicts(plan: Plan) -> Iterator[_Verdict]:
    for guard in refused(plan.guards):
        finding = _finding(guard)
        match guard.name:
            case "policy" | "policy_failure":
                pass  # its policy says more
            case "conflict":
                words = "was changed outside git too, and would be overwritten"
                yield _Verdict(finding, guard.value, lambda one: one.reason == "conflict", words)
            case "adopt":
                words = "was made by no apply, and would be taken over"
                yield _Verdict(finding, guard.value, lambda one: one.action == "adopt", words)
            case _:
                yield _Verdict(finding, 0, lambda _: False, "")
    yield from (_of_policy(policy) for policy in plan.policies if not policy.ok)


def _finding(guard: Guard) -> Finding:
    error = refusal((guard,))
    return Finding(error.code, error.message, error.hint)


def _of_policy(policy: PlanPolicy) -> _Verdict:
    guards = [*policy_guards((policy,))]
    finding = (
        _finding(guards[0])
        if guards
        else Finding(_POLICY, f"the plan breaks {policy_words(policy)}", severity="warning")
    )
    return _Verdict(
        finding,
        len(policy.found),
        lambda one: title_of(one.model_copy(update={"former_key": None})) in policy.found,
        f"breaks {policy_words(policy.model_copy(update={'found': ()}))}",
    )


def _placed(verdict: _Verdict, plan: Plan) -> Iterator[Problem]:
    """A problem at each document that a verdict is about."""
    told = verdict.finding
    for change in plan.changes:
        place = _beginning(change)
        if place and verdict.is_about(change):
            message = f"{title_of(change)} {verdict.words}"
            yield problem_at(place, told.code, message, told.hint, told.severity)


def _gained(change: PlannedChange, places: _Places) -> Iterator[Problem]:
    """A remark for everything that somebody may do from now on."""
    beginning = _beginning(change)
    if beginning is None:
        return
    for gain in gains_of(change):
        place = places.find(change, gain) or beginning
        severity: Severity = "warning" if change.impact == "high" else "note"
        yield problem_at(place, _GAIN, f"{title_of(change)} {gain}", severity=severity)


def _beginning(change: PlannedChange) -> Place | None:
    if change.file is None or change.line is None:
        return None
    return Place(change.file, change.line, 1)


class _Places:
    """Where gains are written; a file is read when the first gain of its documents is looked for."""

    def __init__(self, plan: Plan, texts: Mapping[str, str]) -> None:
        self._pipelines = {one.key: one for one in plan.changes if one.kind == "Pipeline"}
        self._texts = texts
        self._read: dict[str, dict[int, SourceDocument]] = {}

    def find(self, change: PlannedChange, gain: str) -> Place | None:
        """The place of a gain of a change, or the nearest that is written; None if that is the document itself."""
        document = self._document(change)
        if document is None:
            return None
        name = gain.rpartition(" ")[2]
        if path := _path_of(document.value, name) or _path_in_ops(change, gain):
            return place_of(document, path)
        return self._in_pipeline(change, name) or place_of(document, ("pipeline",))

    def _in_pipeline(self, change: PlannedChange, name: str) -> Place | None:
        """Where the pipeline that a task uses calls a tool, if the plan changes that pipeline too."""
        pipeline = (change.body or {}).get("pipeline")
        used = pipeline.get("use", "") if isinstance(pipeline, Mapping) else ""
        other = self._pipelines.get(Key.of("Pipeline", used, change.namespace).label)
        document = self._document(other) if other else None
        path = _path_of(document.value, name) if document else None
        return place_of(document, path) if document and path else None

    def _document(self, change: PlannedChange) -> SourceDocument | None:
        file, line = change.file or "", change.line or 0
        if file not in self._read:
            documents = read_documents(file, self._texts.get(file, "").encode()).documents
            self._read[file] = {place_of(one, ()).line: one for one in documents}
        return self._read[file].get(line)


def _path_of(value: Any, name: str) -> Path | None:
    """Where a tool, or a pattern of tools, stands in a document; None for other words."""
    if "." not in name:
        return None
    match value:
        case dict():
            parts: list[tuple[str | int, Any]] = list(value.items())
        case list():
            parts = list(enumerate(value))
        case _:
            return () if value == name else None
    for key, part in parts:
        if (below := _path_of(part, name)) is not None:
            return (key, *below)
    return None


def _path_in_ops(change: PlannedChange, gain: str) -> Path:
    """The field whose change is the gain."""
    for op in change.ops:
        alone = change.model_copy(update={"ops": (op,), "tools": ToolsEffect()})
        if gain in gains_of(alone):
            return tuple(map(_part, op.path.split("/")[1:]))
    return ()


def _part(word: str) -> str | int:
    return int(word) if word.isdecimal() else word.replace("~1", "/").replace("~0", "~")
