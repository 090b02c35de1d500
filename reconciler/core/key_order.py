"""The order of keys in documents: that of the fields of their models, unknown ones after them as they stand."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from pydantic import BaseModel

from reconciler.core.locate import Path, attribute, fields_by_name, models_at
from reconciler.core.yaml_tree import Collection, Element, Node, Scalar
from schemas.base import Document
from schemas.spec import KINDS


def put_in_order(root: Collection) -> None:
    """Order the keys of a document, all the way down; what is not of a known kind stays as it is."""
    kind = next((e.value for e in root.elements if e.key and e.key.value == "kind"), None)
    if isinstance(kind, Scalar) and kind.value in KINDS:
        _order(root, KINDS[kind.value], ())


def rank_in(kind: str, path: Path, mapping: Collection) -> Callable[[str], int]:
    """How far down the keys of a mapping within a document of a kind come; those that are not known come last.

    Args:
        kind: of the document.
        path: names and numbers from the document down to the mapping.
        mapping: it, with the keys that it has.
    """
    names = _fields(mapping, KINDS[kind], path) if kind in KINDS else []
    return lambda name: names.index(name) if name in names else len(names)


def _order(node: Node, model: type[BaseModel], path: Path) -> None:
    if isinstance(node, Scalar):
        return
    if node.is_list:
        for number, element in enumerate(node.elements):
            _order(element.value, model, (*path, number))
        return
    names = _fields(node, model, path)
    node.elements.sort(key=lambda element: _rank(element, names))
    for element in node.elements:
        _order(element.value, model, (*path, _name(element)))


def _fields(mapping: Collection, model: type[BaseModel], path: Path) -> list[str]:
    """The fields of the model that a mapping means: of a union the one that knows most of its keys."""
    # One mapping may stand where a list of them is meant.
    candidates = models_at(model, path) or models_at(model, (*path, 0))
    present = {_name(element) for element in mapping.elements}
    known = [_ordered_fields(candidate) for candidate in candidates]
    return max(known, key=lambda names: len(present.intersection(names)), default=[])


@cache
def _ordered_fields(model: type[BaseModel]) -> list[str]:
    """The names of a model's fields: of a document the head first, of a part what makes it that part."""
    fields = fields_by_name(model)
    if issubclass(model, Document):
        return list(fields)
    own = model.__annotations__
    return sorted(fields, key=lambda name: attribute(model, name) not in own)


def _rank(element: Element, names: list[str]) -> int:
    name = _name(element)
    return names.index(name) if name in names else len(names)


def _name(element: Element) -> str:
    return element.key.value if element.key else ""
