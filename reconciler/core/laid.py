"""Which fields of a document stand in an overlay, so that a change made there is told where it was made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from reconciler.core.desired import Laid, Place
from reconciler.core.documents import Node, SourceDocument
from reconciler.core.locate import LaidMark
from schemas.plan import FieldChange

# What compiling adds stands in other files.
_COMPILED: Final = ("/calendars", "/locked")


class _Field(NamedTuple):
    names: tuple[str, ...]
    node: Node


def laid_fields(source: SourceDocument) -> tuple[Laid, ...]:
    """Every field of a document that an overlay says, with its place there."""
    return tuple(
        Laid(names, mark.source.file, mark.line + 1, mark.column + 1)
        for names, (mark, _) in _leaves(_Field((), source.node))
        if isinstance(mark, LaidMark)
    )


def _leaves(field: _Field) -> Iterator[_Field]:
    """The fields that have no fields of their own: a mapping may hold what the document says beside what was laid."""
    children = field.node[1]
    if isinstance(children, dict) and children:
        for name, (_, node) in children.items():
            yield from _leaves(_Field((*field.names, name), node))
    else:
        yield field


def place_of_change(place: Place, ops: Sequence[FieldChange], laid: Iterable[Laid]) -> Place:
    """Where a document was changed: in an overlay if all that differs stands there, else where it begins."""
    fields = tuple(laid)
    found = [_laid_at(op.path, fields) for op in ops if not op.path.startswith(_COMPILED)]
    first = found[0] if found and None not in found else None
    return place if first is None else Place(first.file, first.line, first.column)


def _laid_at(path: str, fields: Iterable[Laid]) -> Laid | None:
    """The field that a pointer into the normalised document leads to, where a value may stand in a list of one."""
    names = tuple(part for part in path.split("/")[1:] if not part.isdecimal())
    return next(
        (
            one
            for one in fields
            if one.names == names[: len(one.names)] or names == one.names[: len(names)]
        ),
        None,
    )
