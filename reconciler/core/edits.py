"""Files of specs with the change that somebody wishes for: where each document stands, and what its file is to say.

Works on documents as they are written, before variables, defaults and overlays. Never edits an overlay, and never guesses:
what cannot be done without changing more than was asked for is refused.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from reconciler.core.desired import Key
from reconciler.core.digest import canonical
from reconciler.core.documents import Reading, SourceDocument, read_documents
from reconciler.core.editing import document_texts, with_document, with_value, without_document
from reconciler.core.entry import problem_at
from reconciler.core.exporting import file_of
from reconciler.core.formatting import format_file
from reconciler.core.locate import place_of
from reconciler.core.overlay import default_namespace, parted
from reconciler.core.suggest import did_you_mean
from runtime.core.leaks.secrets import leaks_in
from runtime.errors import NotFound, PlanError, SpecError
from schemas import patterns
from schemas.proposal import MOST_CHANGES, Edits
from schemas.spec import KINDS

WISHED: Final = "proposal.yaml"
"""What whole documents are called that somebody gave, in messages about them."""

_NAME: Final = re.compile(patterns.NAME)
_IDENTITY: Final = ("apiVersion", "kind", "namespace", "name")
_NEVER: Final = "ORD222"

Action = Literal["create", "update", "delete"]


class NothingToPropose(PlanError):
    """What is wished for is so already."""

    default_code = "ORD222"


@dataclass(frozen=True, slots=True)
class Edited:
    """What becomes of one document.

    Attributes:
        key: its identity.
        action: what happens to it.
        file: the file in which it stands, or stood.
        before: what it said; None if it is new.
        after: what it is to say; None if it goes.
    """

    key: Key
    action: Action
    file: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class EditedFiles:
    """What becomes of files.

    Attributes:
        documents: the documents that differ, by key.
        files: what the files hold that differ; None for one that goes.
    """

    documents: Mapping[Key, Edited]
    files: Mapping[str, bytes | None]


def edited(files: Mapping[str, bytes], folder: str, edits: Edits) -> EditedFiles:
    """Files with edits made.

    Args:
        files: all that specs hold in YAML, by name.
        folder: what the specs folder is called in these names.
        edits: what is wished for.

    Raises:
        NotFound: a document that is patched or deleted is not there.
        PlanError: ORD222, nothing would differ, or it cannot be done.
        SpecError: the documents that were given cannot be read.
    """
    given = _given(edits)
    if len(given.documents) + len(edits.patches) + len(edits.delete) > MOST_CHANGES:
        raise PlanError(f"one proposal changes {MOST_CHANGES} documents at most", code=_NEVER)
    editing = _Editing(files, folder)
    # In its one form, so that each of them is new text as it is proposed.
    text = _text(format_file(WISHED, (edits.documents or "").encode()).data)
    for wish, written in zip(given.documents, document_texts(text), strict=True):
        editing.put(wish, written)
    for one in edits.patches:
        editing.patch(one.document, one.patch)
    for name in edits.delete:
        editing.delete(name)
    return editing.result()


def merged(value: Any, patch: Any) -> Any:
    """A value with a JSON merge patch laid over it (RFC 7396)."""
    if not isinstance(patch, Mapping):
        return patch
    found = dict(value) if isinstance(value, Mapping) else {}
    for name, part in patch.items():
        if part is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), part)
    return found


def _given(edits: Edits) -> Reading:
    """The whole documents that were given, each of a known kind and with a name that a file may have."""
    reading = read_documents(WISHED, (edits.documents or "").encode())
    problems = [*reading.problems]
    for one in reading.documents:
        for name, known in (("kind", None), ("namespace", _NAME), ("name", _NAME)):
            value = one.value.get(name, "default" if name == "namespace" else None)
            fits = isinstance(value, str) and (known.fullmatch(value) if known else value in KINDS)
            if not fits:
                place = place_of(one, (name,) if name in one.value else ())
                what = patterns.WORDS[patterns.NAME] if known else f"one of {', '.join(KINDS)}"
                problems.append(problem_at(place, "ORD004", f"`{name}` is to be {what}"))
    if problems:
        raise SpecError("the documents that were given cannot be used", problems=problems)
    return reading


@dataclass(slots=True)
class _Editing:
    """Files on their way."""

    files: Mapping[str, bytes]
    folder: str
    changed: dict[str, bytes | None] = field(default_factory=dict)
    documents: dict[Key, Edited] = field(default_factory=dict)
    _readings: dict[str, tuple[bytes, Reading]] = field(default_factory=dict)

    def result(self) -> EditedFiles:
        """What differs in the end."""
        differing = {
            key: one
            for key, one in self.documents.items()
            if canonical(one.before) != canonical(one.after)
        }
        if not differing:
            raise NothingToPropose(
                "there is nothing to propose: the specs say so already",
                hint="`ordinaut plan` shows what they change where they are not applied yet",
            )
        files = {n: data for n, data in self.changed.items() if data != self.files.get(n)}
        return EditedFiles(differing, files)

    def put(self, wish: SourceDocument, written: str) -> None:
        """Write a whole document: in the place of one of its name, or as a new one."""
        key = self._key(wish)
        found = self._find(key)
        if found is not None:
            self._write(key, found, wish.value)
            return
        name = "/".join((self.folder, *file_of(key.kind, key.namespace, key.name)))
        if any(
            name.startswith(one.name) for one in parted(self._read(b"Project")).folders if one.name
        ):
            raise PlanError(f"{name} would be an overlay: write {key} by hand", code=_NEVER)
        data = self._data(name)
        text = with_document(_text(data or b""), written)
        self._note(name, text, data, [*_values(name, data or b""), wish.value])
        self._done(Edited(key, "create", name, None, wish.value))

    def patch(self, named: str, patch: Mapping[str, Any]) -> None:
        """Lay a merge patch over a document; what it is called stays."""
        key, found = self._named(named)
        after = merged(found.value, patch)
        for name in _IDENTITY:
            if after.get(name) != found.value.get(name):
                raise PlanError(
                    f"a patch cannot change the `{name}` of {key}",
                    hint="give the document under its new name with `renamed_from`, and delete the old one",
                    code=_NEVER,
                )
        self._write(key, found, after)

    def delete(self, named: str) -> None:
        """Take a document out, and its file if it holds no other."""
        key, found = self._named(named)
        data = self._data(found.file) or b""
        number, values = self._number(found)
        del values[number]
        text = without_document(_text(data), number)
        if values:
            self._note(found.file, text, data, values)
        else:
            self.changed[found.file] = None
        self._done(Edited(key, "delete", found.file, found.value, None))

    def _write(self, key: Key, found: SourceDocument, after: Mapping[str, Any]) -> None:
        data = self._data(found.file) or b""
        number, values = self._number(found)
        values[number] = after
        text = with_value(_text(data), number, found.value, after)
        self._note(found.file, text, data, values)
        self._done(Edited(key, "update", found.file, found.value, after))

    def _done(self, now: Edited) -> None:
        """Note what becomes of a document, and refuse to write what looks like a secret, whatever a comment says."""
        first = self.documents.get(now.key, now)
        action: Action = (
            "create" if first.before is None else "delete" if now.after is None else "update"
        )
        known = {leak.text for leak in leaks_in(first.before or {})}
        for leak in leaks_in(now.after or {}):
            if leak.text not in known:
                path = ".".join(map(str, leak.path))
                raise PlanError(
                    f"`{path}` of {now.key} looks like a secret, {leak.why}: nothing was written",
                    hint="declare it under `secrets` of the Project, and write `${secrets.name}` here",
                    code="ORD807",
                )
        self.documents[now.key] = Edited(now.key, action, now.file, first.before, now.after)

    def _note(
        self, name: str, text: str, before: bytes | None, values: list[Mapping[str, Any]]
    ) -> None:
        """Keep the new text of a file, once it is certain to say what is meant and nothing else."""
        data = _as_before(text, before or b"")
        reading = read_documents(name, data)
        _require_sound(reading)
        said = [canonical(one.value) for one in reading.documents]
        if said != [canonical(one) for one in values]:
            raise PlanError(
                f"{name} cannot be edited without changing what else it says",
                hint="bring it into its one form first: `ordinaut fmt`",
                code=_NEVER,
            )
        self.changed[name] = data
        self._readings[name] = data, reading

    def _named(self, named: str) -> tuple[Key, SourceDocument]:
        kind, _, rest = named.replace(" ", "/", 1).partition("/")
        namespace = default_namespace(self._read(b"Project"))
        if kind not in KINDS:
            kind, rest = "Task", named
        key = Key.of(kind, rest, "default" if kind == "Project" else namespace)
        found = self._find(key)
        if found is None:
            every = self._read(b"kind")
            known = {self._key(one).label for one in every if one.value.get("kind") == kind}
            raise NotFound(f"the specs hold no {key}", hint=did_you_mean(key.label, known))
        return key, found

    def _find(self, key: Key) -> SourceDocument | None:
        """A document as it is written now; only files that hold its name are looked at."""
        for one in parted([*self._read(key.name.encode(), b"Project")]).documents:
            if self._key(one) == key:
                _require_sound(self._reading(one.file))
                return one
        for name in self._holding(key.name.encode()):
            _require_sound(self._reading(name))
        return None

    def _key(self, document: SourceDocument) -> Key:
        value = document.value
        own = "default"
        if "namespace" not in value and value.get("kind") != "Project":
            own = default_namespace(self._read(b"Project"))
        return Key(*(str(value.get(name, own)) for name in ("kind", "namespace", "name")))

    def _number(self, found: SourceDocument) -> tuple[int, list[Mapping[str, Any]]]:
        """Which document of its file it is, and what each of them says."""
        documents = self._reading(found.file).documents
        number = next(n for n, one in enumerate(documents) if one.node[0] is found.node[0])
        return number, [one.value for one in documents]

    def _read(self, *parts: bytes) -> list[SourceDocument]:
        """Every document of the files that hold any of these."""
        names = dict.fromkeys(name for part in parts for name in self._holding(part))
        return [one for name in names for one in self._reading(name).documents]

    def _holding(self, part: bytes) -> Iterator[str]:
        for name in {**self.files, **self.changed}:
            if part in (self._data(name) or b""):
                yield name

    def _reading(self, name: str) -> Reading:
        data = self._data(name) or b""
        known = self._readings.get(name)
        if known is None or known[0] != data:
            known = self._readings[name] = data, read_documents(name, data)
        return known[1]

    def _data(self, name: str) -> bytes | None:
        return self.changed[name] if name in self.changed else self.files.get(name)


def _require_sound(reading: Reading) -> None:
    if reading.problems:
        raise SpecError(
            "a file that would be edited cannot be read, so nothing was proposed",
            problems=reading.problems,
        )


def _text(data: bytes) -> str:
    """The text of a file with line feeds alone, and without a byte order mark."""
    text = data.removeprefix(codecs.BOM_UTF8).decode()
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _as_before(text: str, before: bytes) -> bytes:
    """The text as bytes, with the ends of lines and the mark that the file had."""
    mark = codecs.BOM_UTF8 if before.startswith(codecs.BOM_UTF8) else b""
    return mark + (text.replace("\n", "\r\n") if b"\r\n" in before else text).encode()


def _values(name: str, data: bytes) -> list[Mapping[str, Any]]:
    reading = read_documents(name, data)
    _require_sound(reading)
    return [one.value for one in reading.documents]
