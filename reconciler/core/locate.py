"""From a path inside a document to its line and column, and to the model that describes it.

A path is what pydantic reports: field names and list positions, with the tags of unions in <angle brackets>. Places
follow what was written: a position into a value that stands alone, where a list of one was meant, is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, Tag
from pydantic.fields import FieldInfo

from reconciler.core.desired import Place
from reconciler.core.documents import Mark, Node, SourceDocument
from schemas.docstrings import docstrings_of

Path: TypeAlias = tuple[str | int, ...]

_KEY = "[key]"


@dataclass(frozen=True, slots=True)
class LaidMark:
    """A place in another file than the rest of a document: in the overlay that laid something over it."""

    line: int
    column: int
    source: SourceDocument


def written_path(document: SourceDocument, path: Path) -> Path:
    """The path without what was not written: tags of unions, and positions into a value that stands alone."""
    return tuple(part for part, _, _ in _walk(document.node, path))


def place_of(document: SourceDocument, path: Path, *, key: bool = False) -> Place:
    """Where the value at `path` stands, or its key; the nearest thing around it if it was not written."""
    mark = _mark(document, path, key=key)
    return Place(_source(document, mark).file, mark.line + 1, mark.column + 1)


def place_in_text(document: SourceDocument, path: Path, text: str, position: int) -> Place:
    """Where character `position` of the text at `path` stands; where that text begins, if it was written with escapes."""
    start = place_of(document, path)
    lines = _lines(_source(document, _mark(document, path)).text)
    line = lines[start.line - 1] if start.line <= len(lines) else ""
    for quote in (0, 1):
        begin = start.column - 1 + quote
        if line.startswith(text, begin):
            return Place(start.file, start.line, begin + position + 1)
    # In a block every line of the text is a line of the file, behind the same indentation.
    above, _, before = text[:position].rpartition("\n")
    number = start.line + (above.count("\n") + 2 if "\n" in text[:position] else 1)
    wanted = text.split("\n")[number - start.line - 1]
    if line[start.column - 1 : start.column] == "|" and number <= len(lines):
        column = lines[number - 1].find(wanted)
        return Place(start.file, number, max(column, 0) + len(before) + 1)
    return start


@lru_cache(maxsize=4)
def _lines(text: str) -> list[str]:
    """The lines of a file, in which many problems may be."""
    return text.split("\n")


def path_text(path: Path) -> str:
    """A path as people write it: `pipeline[2].with`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


@lru_cache(maxsize=4096)
def models_at(root: type[BaseModel], path: Path) -> tuple[type[BaseModel], ...]:
    """The models that may stand at `path`: one, unless a union leaves it open."""
    return tuple(
        kind
        for annotation in _annotations(root, path)
        for kind in _members(annotation)
        if isinstance(kind, type) and issubclass(kind, BaseModel)
    )


def field_at(root: type[BaseModel], path: Path) -> FieldInfo | None:
    """The field at `path`, if `path` ends at a field of a model."""
    if not path or not isinstance(path[-1], str):
        return None
    for model in models_at(root, path[:-1]):
        if found := fields_by_name(model).get(path[-1]):
            return found
    return None


def docstring_at(root: type[BaseModel], path: Path) -> str:
    """What the field at `path` is for, in words; empty if `path` does not end at a field of a model."""
    for model in models_at(root, path[:-1]):
        if path[-1] in fields_by_name(model):
            return docstrings_of(model).get(attribute(model, str(path[-1])), "")
    return ""


@cache
def fields_by_name(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """A model's fields under the names that documents use."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


@cache
def attribute(model: type[BaseModel], name: str) -> str:
    """The attribute that holds the field which documents call `name`."""
    return next(key for key, info in model.model_fields.items() if name in (key, info.alias))


def is_tag(part: str | int) -> bool:
    """Whether a part of a path is the tag of a union."""
    return isinstance(part, str) and part.startswith("<") and part.endswith(">")


def _walk(node: Node, path: Path) -> Iterator[tuple[str | int, Mark | None, Node]]:
    """Each written part of `path`, with the mark of its key and the node of its value."""
    for part in path:
        children = node[1]
        if isinstance(children, dict) and part in children:
            key_mark, node = children[str(part)]
            yield part, key_mark, node
        elif isinstance(children, list) and isinstance(part, int) and part < len(children):
            node = children[part]
            yield part, None, node
        elif not (isinstance(part, int) or is_tag(part) or part == _KEY):
            return


def _mark(document: SourceDocument, path: Path, *, key: bool = False) -> Mark:
    steps = list(_walk(document.node, path))
    _, key_mark, (mark, _) = steps[-1] if steps else ("", None, document.node)
    return key_mark if key and key_mark is not None else mark


def _source(document: SourceDocument, mark: Mark) -> SourceDocument:
    return mark.source if isinstance(mark, LaidMark) else document


def _annotations(root: type[BaseModel], path: Path) -> tuple[Any, ...]:
    found: tuple[Any, ...] = (root,)
    for part in path:
        found = tuple(inner for one in found for inner in _inner(one, part))
    return found


def _inner(annotation: Any, part: str | int) -> tuple[Any, ...]:
    """What may stand at one part further down."""
    inner: list[Any] = []
    for member in _members(annotation, tag=part if is_tag(part) else None):
        origin = get_origin(member)
        if is_tag(part):
            inner.append(member)
        elif origin is tuple and isinstance(part, int):
            inner.append(get_args(member)[0])
        elif origin is dict and isinstance(part, str):
            inner.append(get_args(member)[1])
        elif isinstance(member, type) and issubclass(member, BaseModel):
            found = fields_by_name(member).get(str(part))
            inner += [found.annotation] if found else []
    return tuple(inner)


def _members(annotation: Any, tag: str | int | None = None) -> Iterator[Any]:
    """The plain types of an annotation; with `tag`, only those of the union's member that carries it."""
    if get_origin(annotation) is Annotated:
        base, *metadata = get_args(annotation)
        tags = [extra.tag for extra in metadata if isinstance(extra, Tag)]
        if tag is None or not tags or tag in tags:
            yield from _members(base, None if tags else tag)
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            if member is not NoneType:
                yield from _members(member, tag)
    else:
        yield annotation
