"""Which errors of a folder concern one file of it: a broken file beside it does not matter, what becomes of it does."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from reconciler.core.desired import Specs
from schemas.problem import Problem


def problems_about(specs: Specs, file: str | None) -> tuple[Problem, ...]:
    """The problems that are told where a file is asked for.

    They are those of the file, and the errors of the Project and of what the environment lays over documents: without
    these the file may mean something else, or nothing. All problems where none is asked for.

    Args:
        specs: the folder around the file, compiled for the environment.
        file: its name.
    """
    if file is None:
        return specs.problems
    found = set(_laid(specs))
    return tuple(
        problem
        for problem in specs.problems
        if problem.file == file
        or (
            problem.severity == "error" and (not found or found & set(_with_folders(problem.file)))
        )
    )


def _laid(specs: Specs) -> Iterator[str]:
    """The file of the Project and the folder of the environment's overlays; nothing if there is no sound Project."""
    for key, project in specs.documents.items():
        if key.kind == "Project":
            file = project.place.file
            yield file
            environment = project.body.get("environments", {}).get(specs.environment, {})
            if overlay := environment.get("overlay"):
                yield posixpath.normpath(posixpath.join(posixpath.dirname(file), overlay))


def _with_folders(file: str) -> Iterable[str]:
    """A file, and every folder in which it is."""
    parts = file.split("/")
    return ("/".join(parts[:end]) for end in range(1, len(parts) + 1))
