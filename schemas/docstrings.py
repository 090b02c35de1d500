"""What the docstrings below the fields of models say, read from the source when somebody asks.

pydantic can take them over itself, but does so when a class is made: every command would read the source of every model for
words that only schemas and a few hints show.
"""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel


def describe_fields(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Give the fields of a model's JSON Schema their descriptions: what `json_schema_extra` calls."""
    for name, text in docstrings_of(model).items():
        field = model.model_fields[name]
        described = schema.get("properties", {}).get(field.alias or name)
        if described is not None:
            described.setdefault("description", text)


@cache
def docstrings_of(model: type[BaseModel]) -> dict[str, str]:
    """The docstrings of a model's fields, those that it inherits included, by attribute."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if issubclass(kind, BaseModel) and kind is not BaseModel:
            found |= _of_module(kind.__module__).get(kind.__name__, {})
    return {name: text for name, text in found.items() if name in model.model_fields}


@cache
def _of_module(name: str) -> dict[str, dict[str, str]]:
    tree = ast.parse(inspect.getsource(sys.modules[name]))
    return {node.name: _of_class(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _of_class(tree: ast.ClassDef) -> dict[str, str]:
    found = {}
    for field, below in pairwise(tree.body):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = inspect.cleandoc(text)
            case _:
                pass
    return found
