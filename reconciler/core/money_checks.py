"""Money in documents: prices that contradict one another."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.entry import Entry
from schemas.problem import Problem
from schemas.project import Project


def money_problems(entry: Entry) -> Iterator[Problem]:
    """Everything that is wrong with money in a document."""
    if isinstance(entry.document, Project):
        yield from _price_problems(entry, entry.document)


def _price_problems(entry: Entry, project: Project) -> Iterator[Problem]:
    """Two prices of the same models that hold from the same day on."""
    known = set()
    for number, price in enumerate(project.prices or ()):
        if (price.model, price.from_) in known:
            yield from entry.problem(
                ("prices", number, "from"),
                "ORD018",
                f"`{price.model}` has another price from {price.from_} on",
                "let it hold from another day, or take out one of the two",
            )
        known.add((price.model, price.from_))
