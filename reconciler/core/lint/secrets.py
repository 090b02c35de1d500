"""The rule about secrets that stand in a file: the same as where specs are compiled, so that each place is told in both."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.leaking import leaks_of
from reconciler.core.lint.world import World
from reconciler.core.variables import with_variables
from schemas.problem import Problem
from schemas.project import Project


def literal_secrets(world: World) -> Iterator[Problem]:
    """ORD807: a value that looks like a secret stands in the specs."""
    for entry in world.entries.values():
        value = entry.source.value
        if not isinstance(entry.document, Project):
            value = with_variables(value, entry.source, world.variables, [])
        yield from (found.problem for found in leaks_of(entry.source, value))
