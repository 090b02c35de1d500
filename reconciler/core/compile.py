"""Files to desired state: every problem of every file at once, or a complete `Specs`.

Pure, and in one direction: read, find the Project, lay its defaults under every document and fill in its variables,
fit each document to the model of its kind, check what they say of one another, and normalise. A document that does
not fit still counts as existing, so that one mistake is reported once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reconciler.core.defaults import defaults_of, with_defaults
from reconciler.core.desired import Desired, Key, Place, Specs
from reconciler.core.digest import digest_of, facet_digests
from reconciler.core.documents import Reading, SourceDocument, read_documents, shown_kind
from reconciler.core.locate import place_of
from reconciler.core.references import Names
from reconciler.core.resolve import resolved_body
from reconciler.core.shape import problem_at, shape_problems, shaped
from reconciler.core.suggest import did_you_mean
from schemas.base import API_VERSION, Document
from schemas.pipeline import Pipeline
from schemas.problem import Problem
from schemas.project import Project
from schemas.spec import KINDS

DEFAULT_ENVIRONMENT: Final = "default"

PROJECT_TO_WRITE: Final = f"""\
apiVersion: {API_VERSION}
kind: Project
name: my-project
owner: my-team
"""
"""What a folder without a Project is told to write."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of specs: the name that people are shown, and its bytes."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """A document that fits its kind, with the place it came from."""

    source: SourceDocument
    document: Document

    @property
    def key(self) -> Key:
        return Key(self.document.kind, self.document.namespace, self.document.name)

    @property
    def place(self) -> Place:
        return place_of(self.source, ())


def compile_specs(
    files: Sequence[SourceFile], folder: str = "specs", environment: str = DEFAULT_ENVIRONMENT
) -> Specs:
    """Compile a folder of specs.

    Args:
        files: every file, in any order; the result does not depend on it.
        folder: the folder's name, for messages about what is missing.
        environment: whose variables fill `${vars.…}`.
    """
    readings = [
        read_documents(file.name, file.data) for file in sorted(files, key=lambda f: f.name)
    ]
    problems = [problem for reading in readings for problem in reading.problems]
    headed = _headed(readings, problems)
    project = _project(headed, folder, problems)
    entries = _entries(headed, project, problems)
    unique = _unique(entries, problems)
    names = Names(frozenset(unique))
    return Specs(
        project=project.name if project else "",
        environment=environment,
        documents=_desired(unique.values(), names),
        problems=tuple(sorted(problems, key=_reading_order)),
    )


def _reading_order(problem: Problem) -> tuple[str, int, int, str, str]:
    return problem.file, problem.line, problem.column, problem.code, problem.message


def _headed(readings: Iterable[Reading], problems: list[Problem]) -> list[SourceDocument]:
    """The documents whose head names a kind that exists."""
    headed = []
    for reading in readings:
        for document in reading.documents:
            found = list(_head_problems(document))
            problems += found
            if document.value.get("kind") in KINDS and not found:
                headed.append(document)
    return headed


def _head_problems(document: SourceDocument) -> Iterable[Problem]:
    version, kind = document.value.get("apiVersion"), document.value.get("kind")
    if version != API_VERSION:
        yield problem_at(
            place_of(document, ("apiVersion",)),
            "ORD004",
            f"`apiVersion` is {shown_kind(version)}"
            if "apiVersion" in document.value
            else "the document lacks `apiVersion`",
            f"write `apiVersion: {API_VERSION}`",
        )
    if not isinstance(kind, str) or kind not in KINDS:
        yield problem_at(
            place_of(document, ("kind",)),
            "ORD004",
            f"unknown kind: {shown_kind(kind)}"
            if "kind" in document.value
            else "the document lacks `kind`",
            did_you_mean(str(kind or ""), KINDS),
        )


def _project(
    headed: Iterable[SourceDocument], folder: str, problems: list[Problem]
) -> Project | None:
    sources = [document for document in headed if document.value["kind"] == "Project"]
    if not sources:
        text = "".join(f"\n    {line}" for line in PROJECT_TO_WRITE.splitlines())
        problems.append(
            problem_at(
                Place(f"{folder}/ordinaut.yaml", 1, 1),
                "ORD006",
                f"{folder}/ has no Project, which says what these specs are called and owns them",
                f"write {folder}/ordinaut.yaml:{text}",
            )
        )
        return None
    for extra in sources[1:]:
        first = place_of(sources[0], ())
        problems.append(
            problem_at(
                place_of(extra, ()),
                "ORD008",
                f"a second Project; the first is at {first.file}:{first.line}:{first.column}",
                "one folder of specs is one project: keep one of them",
            )
        )
    model, _ = shaped(sources[0].value, Project)
    return model if isinstance(model, Project) else None


def _entries(
    headed: Iterable[SourceDocument], project: Project | None, problems: list[Problem]
) -> list[Entry]:
    defaults = defaults_of(project)
    entries = []
    for source in headed:
        kind = KINDS[source.value["kind"]]
        model, errors = shaped(with_defaults(source.value, kind.__name__, defaults), kind)
        if model is not None:
            entries.append(Entry(source, model))
        elif source.sound:
            problems += shape_problems(source, kind, errors)
    return entries


def _unique(entries: Iterable[Entry], problems: list[Problem]) -> dict[Key, Entry]:
    unique: dict[Key, Entry] = {}
    for entry in entries:
        first = unique.setdefault(entry.key, entry)
        if first is not entry:
            place = first.place
            problems.append(
                problem_at(
                    entry.place,
                    "ORD008",
                    f"{entry.key} is defined twice; first at {place.file}:{place.line}:{place.column}",
                    "rename one of them: identity is kind, namespace and name, never the file",
                )
            )
    return unique


def _desired(entries: Iterable[Entry], names: Names) -> dict[Key, Desired]:
    kept = list(entries)
    pipelines = {e.key: e.document for e in kept if isinstance(e.document, Pipeline)}
    return {
        entry.key: _one_desired(entry, names, pipelines)
        for entry in sorted(kept, key=lambda e: e.key)
    }


def _one_desired(entry: Entry, names: Names, pipelines: dict[Key, Any]) -> Desired:
    body = resolved_body(entry.document, names, pipelines)
    return Desired(
        key=entry.key,
        document=entry.document,
        body=body,
        digest=digest_of(body),
        facets=facet_digests(body),
        place=entry.place,
    )
