"""Fields that are understood and checked but have no engine yet: one table, shrinking until it is empty.

A row names a field by its path and, where only some values are meant, those values; without them every value but the
default is. A field that is missing from the table works.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from pydantic import BaseModel

from reconciler.core.entry import Entry
from reconciler.core.locate import Path, attribute, fields_by_name, path_text
from schemas.problem import Problem
from schemas.spec import KINDS


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A field whose engine does not exist yet.

    Attributes:
        kind: the kind of document.
        path: names from the document down; a list on the way stands for each of its items.
        values: the values meant; empty for every value but the default.
    """

    kind: str
    path: str
    values: frozenset[Any] = frozenset()


def _row(kind: str, path: str, *values: Any) -> Unsupported:
    return Unsupported(kind, path, frozenset(values))


UNSUPPORTED: Final[tuple[Unsupported, ...]] = (_row("Task", "schedule.event"),)
"""Everything that waits for its engine."""


Tree: TypeAlias = "dict[str, Tree | frozenset[Any]]"
"""The table by names from the document down; at the end the values meant."""


def _tree(kind: str) -> Tree:
    tree: Tree = {}
    for row in UNSUPPORTED:
        if row.kind == kind:
            *above, name = row.path.split(".")
            inner: Any = tree
            for part in above:
                inner = inner.setdefault(part, {})
            inner[name] = row.values
    return tree


_TREES: Final = {kind: _tree(kind) for kind in KINDS}


def unsupported_problems(entry: Entry) -> Iterator[Problem]:
    """A warning for each use of a field that has no engine yet."""
    for path, value, meant in _found(entry.document, _TREES[entry.key.kind], ()):
        name = path_text(path) + (f": {value}" if meant else "")
        yield from _not_yet(entry, path, f"`{name}`")


def _not_yet(
    entry: Entry, path: Path, what: str, until_then: str = "this version goes on without it"
) -> Iterator[Problem]:
    message = f"{what} is understood but not supported yet"
    return entry.problem(path, "ORD900", message, until_then, "warning")


def _found(value: Any, tree: Tree, at: Path) -> Iterator[tuple[Path, Any, frozenset[Any]]]:
    """Where a field of the tree is set to a value that is meant."""
    match value:
        case tuple():
            for number, item in enumerate(value):
                yield from _found(item, tree, (*at, number))
        case dict():
            for key, item in value.items():
                yield from _found(item, tree, (*at, key))
        case BaseModel():
            for name in tree:
                yield from _found_in_field(value, name, tree[name], (*at, name))
        case _:
            pass


def _found_in_field(
    model: BaseModel, name: str, below: Tree | frozenset[Any], at: Path
) -> Iterator[tuple[Path, Any, frozenset[Any]]]:
    info = fields_by_name(type(model)).get(name)
    # What was not written has its default; so it is with nearly every field of nearly every document.
    if info is None or (own := attribute(type(model), name)) not in model.model_fields_set:
        return
    value = getattr(model, own)
    if isinstance(below, dict):
        yield from _found(value, below, at)
    elif value in below if below else value != info.get_default(call_default_factory=True):
        yield at, value, below
