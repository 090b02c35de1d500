"""Compiled specs as one JSON text, and back: all that a plan compares, and what it asks for less often made on demand.

Only sound specs are remembered: those with errors are compiled again to be told about. What comes back is the same in
every part, problems with their places included; bodies are read from their JSON, and models compiled, when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import orjson

from reconciler.core.desired import Desired, Key, Place, Specs
from schemas.base import Document
from schemas.problem import Problem

FORMAT: Final = 1
"""Grows whenever what is remembered, or how, is another."""


def remembered(specs: Specs) -> bytes:
    """The JSON of sound specs."""
    return orjson.dumps(
        {
            "project": specs.project,
            "environment": specs.environment,
            "problems": [problem.model_dump() for problem in specs.problems],
            "documents": [_row(one) for one in specs.documents.values()],
        }
    )


def recalled(data: bytes, compile_again: Callable[[], Specs]) -> Specs:
    """The specs that `remembered` made this text of.

    Args:
        data: the text.
        compile_again: makes the same specs anew; called once, by whoever first asks for a model.
    """
    found = orjson.loads(data)
    whole = _Whole(compile_again)
    return Specs(
        project=found["project"],
        environment=found["environment"],
        documents=dict(_recalled(row, whole) for row in found["documents"]),
        problems=tuple(Problem.model_validate(problem) for problem in found["problems"]),
    )


def _row(desired: Desired) -> tuple[Any, ...]:
    key, place = desired.key, desired.place
    return (
        (key.kind, key.namespace, key.name),
        # In the order of its fields, in which a plan shows them.
        orjson.dumps(desired.body).decode(),
        desired.digest,
        desired.facets,
        (place.file, place.line, place.column),
        desired.renamed_from,
    )


def _recalled(row: list[Any], whole: _Whole) -> tuple[Key, Desired]:
    identity, body, digest, facets, place, renamed_from = row
    key = Key(*identity)
    content = _OnDemand(key, body, whole)
    return key, Desired(key, content, digest, facets, Place(*place), renamed_from)


@dataclass(frozen=True)
class _Whole:
    """The specs that were remembered, compiled again if need be."""

    compile_again: Callable[[], Specs]

    @cached_property
    def documents(self) -> Mapping[Key, Desired]:
        return self.compile_again().documents


@dataclass(frozen=True, slots=True)
class _OnDemand:
    """What a remembered document says."""

    key: Key
    text: str
    whole: _Whole

    @property
    def document(self) -> Document:
        return self.whole.documents[self.key].document

    @property
    def body(self) -> Mapping[str, Any]:
        body: Mapping[str, Any] = orjson.loads(self.text)
        return body
