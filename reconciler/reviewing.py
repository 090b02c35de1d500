"""Remarks for tools that show them beside the lines of a repository, wherever in it a command was run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version

from reconciler.commits import find_repository
from reconciler.core.remarks import Remarks
from reconciler.core.sarif import as_sarif
from reconciler.source import Source
from runtime.errors import NotFound


def from_top(remarks: Remarks, source: Source) -> Remarks:
    """The same about files named from the top of the repository; without git as they were."""
    name = _names(source)
    return replace(
        remarks,
        problems=tuple(
            problem.model_copy(update={"file": name(problem.file)}) for problem in remarks.problems
        ),
        texts={name(file): text for file, text in remarks.texts.items()},
    )


def sarif_of(remarks: Remarks, command: str, environment: str) -> bytes:
    """A SARIF log of what a command found for an environment; of each of both, code scanning keeps the newest log."""
    return as_sarif(remarks, f"{command}/{environment}", version("ordinaut"))


def _names(source: Source) -> Callable[[str], str]:
    """From the names that files have in messages to those from the top of the repository."""
    try:
        top = find_repository(source.root).prefix
    except NotFound:
        return lambda file: file
    return lambda file: "/".join(filter(None, (top, file.removeprefix(f"{source.name}/"))))
