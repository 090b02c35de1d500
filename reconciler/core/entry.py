"""A document that was read and fitted to its kind, and the one way in which checks report on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.desired import Key, Place
from reconciler.core.documents import SourceDocument
from reconciler.core.locate import Path, place_in_text, place_of, written_path
from schemas.base import Document
from schemas.problem import Problem, Severity


def problem_at(
    place: Place, code: str, message: str, hint: str = "", severity: Severity = "error"
) -> Problem:
    """A problem at a place."""
    return Problem(
        code=code,
        severity=severity,
        message=message,
        hint=hint,
        file=place.file,
        line=place.line,
        column=place.column,
    )


def shown_place(place: Place) -> str:
    """A place as people read it: `file:line:column`."""
    return f"{place.file}:{place.line}:{place.column}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem that has no place yet."""

    code: str
    message: str
    hint: str = ""
    severity: Severity = "error"


@dataclass(frozen=True, slots=True)
class Entry:
    """A document with the place it came from.

    Attributes:
        source: as written.
        document: the model.
        key: its identity.
        repaired: paths where a stand-in took the place of what did not fit. Such a document is checked, so that its other
            mistakes are reported too, but never handed on; nothing is reported about the stand-ins.
    """

    source: SourceDocument
    document: Document
    key: Key
    repaired: frozenset[Path] = frozenset()

    @property
    def place(self) -> Place:
        return place_of(self.source, ())

    def problem(
        self, path: Path, code: str, message: str, hint: str = "", severity: Severity = "error"
    ) -> Iterator[Problem]:
        """A problem with the value at `path`, unless that is a stand-in."""
        if not self.is_repaired(path):
            yield problem_at(place_of(self.source, path), code, message, hint, severity)

    def problem_in_text(
        self, path: Path, text: str, position: int, found: Finding
    ) -> Iterator[Problem]:
        """A problem at a character of the text at `path`."""
        if not self.is_repaired(path):
            place = place_in_text(self.source, path, text, position)
            yield problem_at(place, found.code, found.message, found.hint, found.severity)

    def is_repaired(self, path: Path) -> bool:
        """Whether a stand-in stands at `path` or around it."""
        paths = path, written_path(self.source, path)
        return any(one[: len(stand_in)] == stand_in for stand_in in self.repaired for one in paths)

    def is_written(self, path: Path) -> bool:
        """Whether the field at the end of `path` stands in the document itself."""
        return written_path(self.source, path)[-1:] == path[-1:]

    def repaired_field(self, *names: str) -> bool:
        """Whether a stand-in took the place of any field of these names."""
        return any(path and path[-1] in names for path in self.repaired)
