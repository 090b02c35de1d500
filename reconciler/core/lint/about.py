"""Which document a finding is about: the one in which it stands, or over which it was laid."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator

from reconciler.core.desired import Desired, Key
from schemas.problem import Problem


def about_these(
    problems: Iterable[Problem], documents: Iterable[Desired], keys: Collection[Key]
) -> Iterator[Problem]:
    """The problems that are about documents under these keys.

    Args:
        documents: every document, also those that nothing is asked about.
    """
    begins: dict[str, list[tuple[int, Key]]] = {}
    laid: dict[str, set[Key]] = {}
    for document in documents:
        begins.setdefault(document.place.file, []).append((document.place.line, document.key))
        for field in document.laid:
            laid.setdefault(field.file, set()).add(document.key)
    for lines in begins.values():
        lines.sort()
    for problem in problems:
        lines = begins.get(problem.file, [])
        place = bisect_right([line for line, _ in lines], problem.line)
        is_there = place > 0 and lines[place - 1][1] in keys
        if is_there or not laid.get(problem.file, set()).isdisjoint(keys):
            yield problem
