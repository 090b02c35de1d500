"""Documents as text: YAML in the order of the format, without what looks like a secret, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any, Final

import yaml

from runtime.core.harmless import harmless
from runtime.core.leaks.secrets import hidden, secrets_in
from runtime.core.program import task_label
from runtime.store.history import (
    StoredDocument,
    list_document_revisions,
    list_revisions,
    read_documents_before,
    read_documents_of,
)
from runtime.store.rows import Connection
from schemas.revision import Revision

_FIRST: Final = (
    "apiVersion", "kind", "namespace", "name", "owner", "labels", "description", "agent", "schedule", "params", "pipeline",
    "rrule", "cron", "every", "at", "event", "condition", "manual", "timezone", "start", "until", "id", "uses", "with", "save_as", "if", "needs",
)  # fmt: skip
_MOST_LINES: Final = 600
_MOST_DOCUMENTS: Final = 50

Line = tuple[str, str, str]
"""The class of a line of a difference, its sign, and its text."""


@dataclass(frozen=True, slots=True)
class Written:
    """A revision that wrote a document, and in which lines that differs from before."""

    revision: Revision
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Document:
    """A document that a revision wrote, and in which lines it differs from before."""

    kind: str
    label: str
    action: str
    file: str
    line: int
    lines: list[Line]


def spec_text(body: Mapping[str, Any]) -> str:
    """A normalised document as YAML."""
    shown = hidden(body, secrets_in(body))
    text = yaml.dump(_ordered(shown), Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=100)  # fmt: skip
    return harmless(text)


def _ordered(value: Any) -> Any:
    match value:
        case Mapping():
            known = [key for key in _FIRST if key in value]
            rest = sorted(key for key in value if key not in _FIRST)
            return {key: _ordered(value[key]) for key in (*known, *rest)}
        case list() | tuple():
            return [_ordered(one) for one in value]
        case _:
            return value


def difference(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Line]:
    """The lines in which one document differs from another, with three around each; bounded."""
    texts = [spec_text(one).splitlines() if one else [] for one in (before, after)]
    return list(_lines(texts[0], texts[1]))[:_MOST_LINES]


def _lines(before: list[str], after: list[str]) -> Iterator[Line]:
    for number, line in enumerate(unified_diff(before, after, lineterm="", n=3)):
        if number < 2:  # noqa: PLR2004 - the names of two files that there are not
            continue
        match line[:1]:
            case "+":
                yield "plus", "+", line[1:]
            case "-":
                yield "minus", "-", line[1:]
            case "@":
                yield "at", "⋯", ""
            case _:
                yield "", " ", line[1:]


def written_revisions(connection: Connection, uid: int, limit: int) -> list[Written]:
    """The newest revisions that wrote a document, each with what it changed of it."""
    revisions = list_revisions(connection, uid=uid, limit=limit)
    bodies = list_document_revisions(connection, uid, limit=limit + 1)
    found = []
    for revision in revisions:
        after = bodies.get(revision.revision)
        older = max((number for number in bodies if number < revision.revision), default=None)
        lines = difference(bodies[older], after) if after is not None and older is not None else []
        found.append(Written(revision, lines))
    return found


def written_documents(connection: Connection, revision: int) -> tuple[int, list[Document]]:
    """How many documents a revision wrote, and the first of them with what it changed."""
    written = read_documents_of(connection, revision)
    before = {one.uid: one for one in read_documents_before(connection, revision)}
    return len(written), [_document(one, before.get(one.uid)) for one in written[:_MOST_DOCUMENTS]]


def _document(one: StoredDocument, before: StoredDocument | None) -> Document:
    body = one.body
    was = None if before is None or before.retired_at else before.body
    after = None if one.action == "retire" else body
    label = task_label(body.get("namespace", "default"), body.get("name", ""))
    return Document(body.get("kind", ""), label, one.action, one.file, one.line, difference(was, after))  # fmt: skip
