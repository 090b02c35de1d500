"""Desired state as values: what compiling a specs folder gives, and what diffing reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, Self

from reconciler.core.digest import facet_digests
from schemas.base import Document
from schemas.problem import Problem

DEFAULT_ENVIRONMENT: Final = "default"


# A tuple, because it is compared, looked up and sorted by for every one of many thousand documents.
class Key(NamedTuple):
    """The identity of a document: kind, namespace and name; never a path."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.label}"

    @property
    def label(self) -> str:
        """`name` in the default namespace, else `namespace/name`."""
        return self.name if self.namespace == "default" else f"{self.namespace}/{self.name}"

    @classmethod
    def of(cls, kind: str, reference: str, namespace: str) -> Self:
        """The key a reference means: `name` in `namespace`, or `namespace/name`."""
        head, slash, tail = reference.partition("/")
        return cls(kind, head, tail) if slash else cls(kind, namespace, head)


class Place(NamedTuple):
    """Where in the specs something stands; line and column count from 1."""

    file: str
    line: int
    column: int


class Laid(NamedTuple):
    """A field that stands in an overlay: its names from the document down, and where."""

    names: tuple[str, ...]
    file: str
    line: int
    column: int


class Content(Protocol):
    """What a document says: at hand, or made once somebody asks, because a plan asks for few of many thousand."""

    @property
    def document(self) -> Document: ...
    @property
    def body(self) -> Mapping[str, Any]: ...
    @property
    def facets(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class AtHand:
    """A document and its body as they were compiled, and the digests of its facets if they are known already."""

    document: Document
    body: Mapping[str, Any]
    known_facets: Mapping[str, str] | None = None

    @property
    def facets(self) -> Mapping[str, str]:
        return facet_digests(self.body) if self.known_facets is None else self.known_facets


@dataclass(frozen=True, slots=True)
class Desired:
    """One document as it should be in force.

    Attributes:
        key: its identity.
        content: the document and its body.
        digest: sha256 (hex) of the canonical JSON of `body`.
        place: where the document begins.
        renamed_from: what it says it was called before.
        laid: the fields of it that stand in overlays.
    """

    key: Key
    content: Content
    digest: str
    place: Place
    renamed_from: str | None = None
    laid: tuple[Laid, ...] = ()

    @property
    def document(self) -> Document:
        """The validated model, defaults and variables filled in."""
        return self.content.document

    @property
    def body(self) -> Mapping[str, Any]:
        """The normalised JSON; a task's `pipeline` is a list of steps or `{use, with, steps}`, tool addresses are resolved."""
        return self.content.body

    @property
    def facets(self) -> Mapping[str, str]:
        """The digest of each facet (`schedule`, `pipeline`, `policy`, `meta`)."""
        return self.content.facets


@dataclass(frozen=True, slots=True)
class Specs:
    """A compiled specs folder. With any error among `problems`, `documents` is not complete and must not be applied.

    Attributes:
        project: its name; empty if there is none.
        environment: which of the Project's it was compiled for.
        documents: all of them, by key.
        problems: what is to be told about them, in the order of reading.
        shared: the files on which more may depend than what they say themselves; nothing does on any other file.
        known: the key of every document, of those too that errors keep out of `documents`.
        excused: file and text of what looks like a secret and, as a comment beside it says, is none.
    """

    project: str
    environment: str
    documents: Mapping[Key, Desired]
    problems: tuple[Problem, ...] = ()
    shared: frozenset[str] = frozenset()
    known: frozenset[Key] = frozenset()
    excused: frozenset[tuple[str, str]] = frozenset()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that refuse a plan."""
        return tuple(problem for problem in self.problems if problem.severity == "error")
