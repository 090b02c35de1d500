"""ORD807 where specs are compiled: a plan of specs that hold a secret is refused, and no message repeats it.

The Project weighs the rule for each environment and a comment with a reason excuses one place, as for all of lint. What is
excused is no secret, and is shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from reconciler.core.documents import SourceDocument, read_documents, shown
from reconciler.core.entry import Entry, problem_at
from reconciler.core.lint.suppressions import suppressions_in
from reconciler.core.locate import place_of
from runtime.core.leaks.secrets import blotted, blotted_line, leaks_in, secrets_in
from schemas.problem import Problem
from schemas.project import LintLevel, Project

LEAK: Final = "ORD807"

# What is worth blotting out by itself where a file is quoted; anything shorter is blotted out where it stands.
_PART: Final = 4


class Found(NamedTuple):
    """A text that looks like a secret, and what is told of it."""

    problem: Problem
    text: str


class Judged(NamedTuple):
    """What is made of what was found.

    Attributes:
        problems: what is told, at the severity of the environment.
        secrets: the texts that are to be shown nowhere.
        excused: file and text of what a comment excuses.
    """

    problems: tuple[Problem, ...]
    secrets: frozenset[str]
    excused: frozenset[tuple[str, str]]


def leaks_of(source: SourceDocument, value: Mapping[str, Any]) -> Iterator[Found]:
    """What looks like a secret in a document whose variables are filled in."""
    for leak in leaks_in(value):
        problem = problem_at(
            place_of(source, leak.path),
            LEAK,
            f"this looks like a secret, {leak.why}",
            "declare it under `secrets` of the Project, write `${secrets.name}` here, and replace"
            " the secret: git keeps what was committed",
        )
        yield Found(problem, leak.text)


def judged(
    found: Sequence[Found],
    documents: Iterable[SourceDocument],
    entries: Iterable[Entry],
    environment: str,
) -> Judged:
    """Weigh what was found by the Project and by the comments beside it."""
    if not found:
        return Judged((), frozenset(), frozenset())
    files = {one.problem.file for one in found}
    texts = {one.file: one.text for one in documents if one.file in files}
    comments = suppressions_in(texts)
    excused = {one for one in found if any(c.silences(one.problem) for c in comments)}
    level = _level(entries, environment)
    told = [] if level == "off" else [one for one in found if one not in excused]
    return Judged(
        tuple(one.problem.model_copy(update={"severity": level}) for one in told),
        frozenset(one.text for one in found if one not in excused),
        frozenset((one.problem.file, one.text) for one in excused),
    )


def _level(entries: Iterable[Entry], environment: str) -> LintLevel:
    projects = (one.document for one in entries if isinstance(one.document, Project))
    project = next(projects, None)
    if project is None:
        return "error"
    there = project.environments.get(environment)
    own = (there.lint if there else None) or {}
    return own.get(LEAK) or (project.lint or {}).get(LEAK, "error")


def untelling(problems: Iterable[Problem], secrets: Collection[str]) -> list[Problem]:
    """Problems that repeat none of these secrets, nor anything that looks like one by its form."""
    # Messages quote what is long only in part.
    parts = {*secrets, *(shown(secret).removesuffix("…") for secret in secrets)}
    return [_untelling(problem, parts) for problem in problems]


def _untelling(problem: Problem, secrets: Collection[str]) -> Problem:
    message, hint = blotted(problem.message, secrets), blotted(problem.hint, secrets)
    if (message, hint) == (problem.message, problem.hint):
        return problem
    return problem.model_copy(update={"message": message, "hint": hint})


@lru_cache(maxsize=4)
def quotable(text: str) -> tuple[str, ...]:
    """The lines of a file as they may be quoted: without secrets, whether the file can be read or not."""
    parts = {
        part
        for document in read_documents("", text.encode(errors="replace")).documents
        for secret in secrets_in(document.value)
        for part in map(str.strip, secret.splitlines())
        if len(part) >= _PART
    }
    return tuple(blotted(blotted_line(line), parts) for line in text.split("\n"))
