"""Compiled specs as two texts, and back: an index of what every plan compares, and the bodies, which few plans ask for.

Only sound specs are remembered: those with errors are compiled again to be told about. What comes back is the same in
every part, problems with their places included; bodies are read from their JSON, and models compiled, when they are asked
for. Where only files changed on which nothing else depends, these alone are compiled anew and put among the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from operator import attrgetter
from typing import Any, Final

import orjson

from reconciler.core.desired import Desired, Key, Laid, Place, Specs
from reconciler.core.digest import facet_digests
from schemas.base import Document
from schemas.problem import Problem

FORMAT: Final = 3
"""Grows whenever what is remembered, or how, is another."""

_LEAK: Final = "ORD807"

Bodies = Callable[[], bytes | None]
Compile = Callable[[frozenset[str] | None], Specs]
"""Compiles the files of these names alone, or all of them."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of compiled specs.

    Attributes:
        specs: the specs.
        digests: of the bytes of each file by its name, as `file_digests` gives them.
    """

    specs: Specs
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """How files differ from those that were remembered.

    Attributes:
        fresh: the names of those that changed or came.
        gone: the names of those that went.
        shared: whether more may depend on one of either than what it says itself.
    """

    fresh: frozenset[str]
    gone: frozenset[str]
    shared: bool


def file_digests(files: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """sha256 (hex) of what each file holds, by the file's name."""
    return {name: sha256(data).hexdigest() for name, data in files}


def remembered(memory: Memory) -> tuple[bytes, bytes]:
    """The index and the bodies of sound specs."""
    specs = memory.specs
    rows, bodies = [], bytearray()
    for desired in specs.documents.values():
        begin = len(bodies)
        bodies += _text_of(desired)
        rows.append(_row(desired, begin, len(bodies)))
    index = {
        "project": specs.project,
        "environment": specs.environment,
        "problems": [problem.model_dump() for problem in specs.problems],
        "shared": sorted(specs.shared),
        "excused": sorted(specs.excused),
        "files": memory.digests,
        "documents": rows,
    }
    return orjson.dumps(index), bytes(bodies)


def recalled(index: bytes, bodies: Bodies, compile_again: Compile) -> Memory:
    """What `remembered` made these texts of.

    Args:
        index: the first.
        bodies: gives the second, or None where it is not there any more.
        compile_again: makes the same specs anew; called once for the files on which others depend, and once for all, by
            whoever first asks for a model or for bodies that are not there.
    """
    found = orjson.loads(index)
    whole = _Whole(bodies, compile_again, frozenset(found["shared"]))
    documents = dict(_recalled(row, whole) for row in found["documents"])
    specs = Specs(
        project=found["project"],
        environment=found["environment"],
        documents=documents,
        problems=tuple(Problem.model_validate(problem) for problem in found["problems"]),
        shared=whole.shared,
        known=frozenset(documents),
        excused=frozenset((file, text) for file, text in found["excused"]),
    )
    return Memory(specs, found["files"])


def difference(memory: Memory, digests: Mapping[str, str]) -> Difference:
    """How files of these digests differ from those that were remembered."""
    then = memory.digests
    fresh = frozenset(name for name, digest in digests.items() if then.get(name) != digest)
    gone = frozenset(then.keys() - digests.keys())
    return Difference(fresh, gone, shared=bool((fresh | gone) & memory.specs.shared))


def updated(memory: Memory, found: Difference, compile_some: Compile) -> Specs | None:
    """The remembered specs with what became of some files, errors in these included; None if all must be compiled.

    Args:
        memory: what was remembered.
        found: how the files differ from then.
        compile_some: compiles some of the files that there are now.
    """
    if found.shared:
        return None
    known = memory.specs
    if not found.fresh and not found.gone:
        return known
    some = compile_some(known.shared | found.fresh)
    if some.shared != known.shared:
        return None
    if any(problem.code == _LEAK for problem in (*known.problems, *some.problems)):
        # A secret in one file is blotted out of what is told of every other.
        return None
    again = found.fresh | found.gone | known.shared
    kept = [one for one in known.documents.values() if one.place.file not in again]
    keys = frozenset(one.key for one in kept)
    if keys & some.known:
        # Two documents with one key, of which one is to be told about.
        return None
    documents = sorted([*kept, *some.documents.values()], key=attrgetter("key"))
    problems = [*(one for one in known.problems if one.file not in again), *some.problems]
    return Specs(
        project=known.project,
        environment=known.environment,
        documents={one.key: one for one in documents},
        problems=tuple(sorted(problems, key=attrgetter("reading_order"))),
        shared=known.shared,
        known=keys | some.known,
        excused=frozenset(one for one in known.excused if one[0] not in again) | some.excused,
    )


def _row(desired: Desired, begin: int, end: int) -> tuple[Any, ...]:
    key, place = desired.key, desired.place
    laid = [tuple(one) for one in desired.laid]
    return (*key, desired.digest, *place, desired.renamed_from, laid, begin, end)


def _recalled(row: Sequence[Any], whole: _Whole) -> tuple[Key, Desired]:
    kind, namespace, name, digest, file, line, column, renamed_from, laid, begin, end = row
    key = Key(kind, namespace, name)
    place = Place(file, line, column)
    content = _OnDemand(key, place, begin, end, whole)
    overlaid = tuple(Laid(tuple(names), *there) for names, *there in laid) if laid else ()
    return key, Desired(key, content, digest, place, renamed_from, overlaid)


def _text_of(desired: Desired) -> bytes:
    """The JSON of a body, in the order of its fields, in which a plan shows them."""
    content = desired.content
    found = content.text() if isinstance(content, _OnDemand) else None
    return orjson.dumps(desired.body) if found is None else found


@dataclass(frozen=True)
class _Whole:
    """What all remembered documents share: their bodies, and the specs compiled again if need be."""

    read_bodies: Bodies
    compile_again: Compile
    shared: frozenset[str]

    @cached_property
    def bodies(self) -> bytes | None:
        return self.read_bodies()

    def compiled(self, key: Key, place: Place) -> Desired:
        """A document as compiling gives it: few are asked for, mostly those that others depend on, or else many."""
        return (self._of_shared if place.file in self.shared else self._of_all)[key]

    @cached_property
    def _of_shared(self) -> Mapping[Key, Desired]:
        return self.compile_again(self.shared).documents

    @cached_property
    def _of_all(self) -> Mapping[Key, Desired]:
        return self.compile_again(None).documents


@dataclass(frozen=True, slots=True)
class _OnDemand:
    """What a remembered document says."""

    key: Key
    place: Place
    begin: int
    end: int
    whole: _Whole

    def text(self) -> bytes | None:
        """The JSON of the body, if it is still there."""
        bodies = self.whole.bodies
        return None if bodies is None else bodies[self.begin : self.end]

    @property
    def document(self) -> Document:
        return self.whole.compiled(self.key, self.place).document

    @property
    def body(self) -> Mapping[str, Any]:
        text = self.text()
        if text is None:
            return self.whole.compiled(self.key, self.place).body
        body: Mapping[str, Any] = orjson.loads(text)
        return body

    @property
    def facets(self) -> Mapping[str, str]:
        return facet_digests(self.body)
