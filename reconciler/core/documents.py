"""YAML text to documents that know the line and column of every key and value.

The accepted language is the part of YAML 1.2 that reads the same to everybody: mappings with text keys, lists and
scalars. `true`, `false`, `null` and decimal numbers are typed, whole ones of at most 64 bits; everything else is text,
also `yes`, `on`, `012`, `0x1F`, `8:30` and `2026-01-05`. Anchors, aliases, merge keys and tags are refused, and so is
a key that stands twice. Reading goes event by event without recursion, and stops at the bounds below, so hostile input
costs no more than they say. Leaves the meaning of documents to `compile`.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

import yaml

from reconciler.core.files import MAX_FILE_BYTES
from reconciler.core.numbers import NUMBER_STARTS, NumberError, number_of
from reconciler.core.yaml_errors import explain_reader_error, explain_syntax_error
from schemas.problem import Problem

MAX_DEPTH: Final = 64
MAX_NODES: Final = 100_000
MAX_SCALAR: Final = 65_536
MAX_DOCUMENTS: Final = 10_000
MAX_PROBLEMS: Final = 100
"""Problems of one file after which the rest of it is not read."""

_CONSTANTS: Final[dict[str, bool | None]] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_SPLIT: Final = "split it: identity is kind and name, so documents may move between files freely"


class Mark(Protocol):
    """A place in a text, as the parser gives it; line and column count from 0."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


Children: TypeAlias = "dict[str, tuple[Mark, Node]] | list[Node] | None"
Node: TypeAlias = tuple[Mark, Children]
"""Where a value stands, and where its parts stand: keys with their values, items, or nothing."""


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """One YAML document, as written.

    Attributes:
        file: the file as shown to people.
        value: plain JSON values; a key that stood twice has its first value.
        node: the places of `value` and of all its parts.
        text: the whole file, so that a message can point into a long text.
        sound: false when parts were refused and left out, so that what is missing proves nothing.
        overlaid: whether an overlay was laid over it.
        dynamic: whether anything in the file may be an expression; most files of servers and agents need no look.
    """

    file: str
    value: dict[str, Any]
    node: Node
    text: str
    sound: bool
    dynamic: bool
    overlaid: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What one file holds."""

    documents: tuple[SourceDocument, ...]
    problems: tuple[Problem, ...]


def read_documents(file: str, data: bytes) -> Reading:
    """Read every document of one file; all problems are collected, up to the first that makes the rest unreadable."""
    try:
        text = _decoded(data)
    except _StopError as stop:
        return Reading((), (stop.problem(file),))
    reader = _Reader(file, text, dynamic="${" in text or "vars" in text)
    return Reading(tuple(reader.documents()), tuple(reader.problems))


class _StopError(Exception):
    """The rest of the file cannot be read."""

    def __init__(self, code: str, message: str, hint: str = "", line: int = 0, column: int = 0):
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint
        self.line, self.column = line, column

    def problem(self, file: str) -> Problem:
        return Problem(
            code=self.code,
            message=self.message,
            hint=self.hint,
            file=file,
            line=self.line + 1,
            column=self.column + 1,
        )


def _beyond(mark: Mark, message: str, hint: str = "") -> _StopError:
    """What goes beyond a bound, and where."""
    return _StopError("ORD010", message, hint, mark.line, mark.column)


def _decoded(data: bytes) -> str:
    if len(data) > MAX_FILE_BYTES:
        # Of what is larger, no more than this was read.
        what = f"the file has more than {MAX_FILE_BYTES:,} bytes"
        raise _StopError("ORD010", what, _SPLIT)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _StopError("ORD002", "the file is UTF-16", "save it as UTF-8")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        line = before.count("\n")
        column = len(before) - (before.rfind("\n") + 1)
        raise _StopError(
            "ORD002",
            f"the byte 0x{data[error.start]:02x} is not UTF-8",
            "save the file as UTF-8",
            line,
            column,
        ) from None


@dataclass(slots=True)
class _Frame:
    """A mapping or list that is still open; `key` is the one whose value comes next."""

    value: Any
    # As `Children`; the value tells which of the two it is, which no checker can follow.
    children: Any
    mark: Mark
    key: str | None = None
    key_mark: Mark | None = None
    # Values under a refused key are read, because their own problems count, and then dropped.
    dropped: bool = False


_NO_KEY: Final = "\0"


def _events(text: str) -> Iterator[Any]:
    """The events of a text as `yaml.parse` gives them, without its second call for each."""
    loader = yaml.CSafeLoader(text)
    try:
        # It ends with None, which the stubs do not know.
        yield from iter(loader.get_event, None)
    finally:
        loader.dispose()


@dataclass(slots=True)
class _Reader:
    """One pass over the events of a file."""

    file: str
    text: str
    problems: list[Problem] = field(default_factory=list)
    stack: list[_Frame] = field(default_factory=list)
    nodes: int = 0
    finished: int = 0
    sound: bool = True
    dynamic: bool = False
    root: tuple[Any, Node] | None = None

    def documents(self) -> Iterator[SourceDocument]:
        try:
            for event in _events(self.text):
                kind = type(event)
                if kind is yaml.ScalarEvent:
                    self._scalar(event)
                elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                    self._open(event, {} if kind is yaml.MappingStartEvent else [])
                elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                    self._close()
                elif kind is yaml.AliasEvent:
                    self._alias(event)
                elif kind is yaml.DocumentEndEvent:
                    yield from self._finished()
        except yaml.reader.ReaderError as error:
            self._stop(_StopError("ORD002", *explain_reader_error(error, self.text)))
        except yaml.MarkedYAMLError as error:
            self._stop(_StopError("ORD002", *explain_syntax_error(error, self.text)))
        except _StopError as stop:
            self._stop(stop)

    def _stop(self, stop: _StopError) -> None:
        self.problems.append(stop.problem(self.file))

    def _finished(self) -> Iterator[SourceDocument]:
        root, sound = self.root, self.sound
        self.root, self.sound = None, True
        if root is None:
            return
        value, node = root
        self.finished += 1
        if self.finished > MAX_DOCUMENTS:
            raise _beyond(node[0], f"the file holds more than {MAX_DOCUMENTS:,} documents", _SPLIT)
        if isinstance(value, dict):
            yield SourceDocument(self.file, value, node, self.text, sound, self.dynamic)
        elif value is not None and sound:
            self._problem(
                "ORD004",
                node[0],
                f"a document is a mapping of fields; this one is {shown_kind(value)}",
                "start it with `apiVersion: ordinaut/v1`, `kind:` and `name:`",
            )

    def _scalar(self, event: Any) -> None:
        if event.anchor is not None or event.tag is not None:
            self._refuse_properties(event)
        value: str = event.value
        if len(value) > MAX_SCALAR:
            what = f"a text has {len(value):,} characters; {MAX_SCALAR:,} are the most"
            raise _beyond(event.start_mark, what)
        self._put(
            self._resolved(event) if event.implicit[0] else self._clean(event, value),
            (event.start_mark, None),
        )

    def _open(self, event: Any, value: dict[str, Any] | list[Any]) -> None:
        if event.anchor is not None or event.tag is not None:
            self._refuse_properties(event)
        mark = event.start_mark
        if len(self.stack) >= MAX_DEPTH:
            raise _beyond(mark, f"nested deeper than {MAX_DEPTH} levels")
        self.stack.append(_Frame(value, {} if isinstance(value, dict) else [], mark))

    def _close(self) -> None:
        frame = self.stack.pop()
        self._put(frame.value, (frame.mark, frame.children))

    def _alias(self, event: Any) -> None:
        self._refuse(event.start_mark, f"`*{event.anchor}` is a YAML alias")
        self._put(None, (event.start_mark, None))

    def _put(self, value: Any, node: Node) -> None:
        """Place a finished value where it belongs: as the root, an item, a key, or a key's value."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise _beyond(node[0], f"the file holds more than {MAX_NODES:,} values", _SPLIT)
        if not self.stack:
            self.root = (value, node)
            return
        frame = self.stack[-1]
        if isinstance(frame.value, list):
            frame.value.append(value)
            frame.children.append(node)
        elif frame.key is None:
            self._take_key(frame, value, node[0])
        else:
            if not frame.dropped:
                frame.value[frame.key] = value
                frame.children[frame.key] = (frame.key_mark, node)
            frame.key, frame.dropped = None, False

    def _take_key(self, frame: _Frame, key: Any, mark: Mark) -> None:
        frame.key, frame.key_mark = _NO_KEY, mark
        frame.dropped = True
        if not isinstance(key, str):
            self.sound = False
            self._problem(
                "ORD007",
                mark,
                f"a key is text; this one is {shown_kind(key)}",
                "put it in quotes",
            )
        elif key == "<<":
            self._refuse(mark, "`<<` is a YAML merge key")
        elif key in frame.value:
            first = frame.children[key][0]
            self._problem(
                "ORD003",
                mark,
                f"`{shown(key)}` stands twice in this mapping; "
                f"first at {self.file}:{first.line + 1}:{first.column + 1}",
                "remove one of them",
            )
        else:
            frame.key, frame.dropped = key, False

    def _resolved(self, event: Any) -> Any:
        """A plain scalar by the rules at the top of this module."""
        value: str = event.value
        if value in _CONSTANTS:
            return _CONSTANTS[value]
        if value[0] not in NUMBER_STARTS:
            return self._clean(event, value)
        try:
            number = number_of(value)
        except NumberError as error:
            self._problem(
                "ORD007",
                event.start_mark,
                f"{shown(value)} {error}",
                "put it in quotes if it is meant as text",
            )
            return 0
        return value if number is None else number

    def _clean(self, event: Any, value: str) -> str:
        if "\0" in value:
            self._problem(
                "ORD007",
                event.start_mark,
                "the text holds a NUL character, which PostgreSQL cannot keep",
                "",
            )
            return value.replace("\0", "")
        return value

    def _refuse_properties(self, event: Any) -> None:
        if event.anchor is not None:
            self._refuse(event.start_mark, f"`&{event.anchor}` is a YAML anchor")
        if event.tag is not None:
            self._refuse(event.start_mark, f"`{shown(event.tag)}` is a YAML tag")

    def _refuse(self, mark: Mark, message: str) -> None:
        self.sound = False
        self._problem(
            "ORD011",
            mark,
            f"{message}, which is not part of the spec language",
            "write the value out, use `${vars.…}`, or a Pipeline for repeated steps; text goes in quotes",
        )

    def _problem(self, code: str, mark: Mark, message: str, hint: str) -> None:
        if len(self.problems) == MAX_PROBLEMS:
            what = f"the file has more than {MAX_PROBLEMS} problems; the rest of it was not read"
            raise _beyond(mark, what, "mend the first ones")
        self.problems.append(
            Problem(
                code=code,
                message=message,
                hint=hint,
                file=self.file,
                line=mark.line + 1,
                column=mark.column + 1,
            )
        )


def shown(text: str, most: int = 60) -> str:
    """Text from a file as it may stand in a message: one line, printable, not long."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= most else line[: most - 1] + "…"


def shown_kind(value: Any) -> str:
    """What a value is, in the words of people who write YAML."""
    match value:
        case None:
            return "empty"
        case bool():
            return f"`{str(value).lower()}`, a truth value"
        case int() | float():
            return f"`{value}`, a number"
        case str():
            return f"the text `{shown(value)}`"
        case list():
            return "a list"
        case _:
            return "a mapping"
