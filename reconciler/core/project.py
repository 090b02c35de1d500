"""The Project of a specs folder, and what every other document takes from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler.core.defaults import defaults_of
from reconciler.core.desired import DEFAULT_ENVIRONMENT, Place
from reconciler.core.documents import SourceDocument
from reconciler.core.entry import problem_at, shown_place
from reconciler.core.locate import place_of
from reconciler.core.repair import fitted
from reconciler.core.suggest import did_you_mean
from schemas.base import API_VERSION
from schemas.problem import Problem
from schemas.project import Project

PROJECT_TO_WRITE: Final = f"""\
apiVersion: {API_VERSION}
kind: Project
name: my-project
owner: my-team
"""
"""What a folder without a Project is told to write."""


@dataclass(frozen=True, slots=True)
class ProjectHead:
    """What every document takes from the Project.

    Attributes:
        name: its name; empty if there is none.
        defaults: values for what documents leave out.
        variables: the variables in force in the environment; None if they cannot be told.
        secrets: the names of secrets; None if they cannot be told.
        models: the names of language models; None if they cannot be told.
    """

    name: str = ""
    defaults: Mapping[str, Any] | None = None
    variables: Mapping[str, Any] | None = None
    secrets: frozenset[str] | None = None
    models: frozenset[str] | None = None


def project_head(
    documents: Iterable[SourceDocument], folder: str, environment: str, problems: list[Problem]
) -> ProjectHead:
    """Find the one Project. Where it does not fit its model is not told here but with all documents."""
    sources = [document for document in documents if document.value.get("kind") == "Project"]
    if not sources:
        problems.append(_no_project(folder))
        return ProjectHead()
    first = shown_place(place_of(sources[0], ()))
    problems += [
        problem_at(
            place_of(extra, ()),
            "ORD008",
            f"a second Project; the first is at {first}",
            "one folder of specs is one project: keep one of them",
        )
        for extra in sources[1:]
    ]
    return _head(sources[0], environment, problems)


def _head(source: SourceDocument, environment: str, problems: list[Problem]) -> ProjectHead:
    fit = fitted(source.value, Project)
    project = fit.document
    if not isinstance(project, Project):
        return ProjectHead()
    flawed = {path[0] for path in fit.repaired}
    if not source.sound:
        flawed |= {"variables", "secrets", "environments"}
    if not (environment == DEFAULT_ENVIRONMENT or environment in project.environments or flawed):
        problems.append(_no_environment(source, environment, project))
    there = project.environments.get(environment)
    return ProjectHead(
        name=project.name,
        defaults=defaults_of(project),
        variables=None
        if flawed & {"variables", "environments"}
        else {**project.variables, **(there.variables if there else {})},
        secrets=None if "secrets" in flawed else frozenset(project.secrets),
        models=None if "models" in flawed else frozenset(project.models or ()),
    )


def _no_project(folder: str) -> Problem:
    text = "".join(f"\n    {line}" for line in PROJECT_TO_WRITE.splitlines())
    return problem_at(
        Place(f"{folder}/ordinaut.yaml", 1, 1),
        "ORD006",
        f"{folder}/ has no Project, which says what these specs are called and owns them",
        f"write {folder}/ordinaut.yaml:{text}",
    )


def _no_environment(source: SourceDocument, environment: str, project: Project) -> Problem:
    return problem_at(
        place_of(source, ("environments",), key=True),
        "ORD009",
        f"the Project has no environment `{environment}`",
        did_you_mean(environment, project.environments, "declare it under `environments`"),
    )
