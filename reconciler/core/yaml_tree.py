"""YAML text to a tree that keeps what a loader throws away: comments, blank lines, and how each value was written.

For text that `documents` has read without a problem, so without anchors, aliases and tags. A comment on a line of its own
belongs to what follows it, unless it is indented like a block that ends there; one at the end of a line belongs to what
begins last on that line. Libraries that keep comments bind them to what stands before instead, so that a key that
moves leaves its comment behind.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Final, TypeAlias

import yaml

BLOCK_STYLES: Final = ("|", ">")

_BLOCK_HEADER: Final = re.compile(r"[|>][-+0-9]*")
_MARKERS: Final = ("---", "...")


@dataclass(slots=True)
class Scalar:
    """A single value.

    Attributes:
        start: where it begins in the text.
        end: where it ends.
        value: what it says, before types are told apart.
        style: empty for a plain one, else the character that begins it.
        written: how it stands in the file; of a block the body, without its indentation.
        header: how a block begins, such as `|-`.
    """

    start: int
    end: int
    value: str
    style: str
    written: str
    header: str = ""


@dataclass(slots=True)
class Element:
    """An entry of a mapping, or an item of a list.

    Attributes:
        start: where its key or dash begins.
        column: of its key or dash.
        key: none for an item.
        value: what it holds.
        above: comments on lines of their own before it; an empty text is a blank line.
        beside: the comment on its line, behind the spaces that stand before it.
    """

    start: int
    column: int
    key: Scalar | None
    value: Node
    above: list[str] = field(default_factory=list)
    beside: str = ""


@dataclass(slots=True)
class Collection:
    """A mapping or a list.

    Attributes:
        is_list: which of the two.
        flow: whether it stands in brackets.
        below: comments after its last element; an empty text is a blank line.
    """

    start: int
    end: int
    column: int
    is_list: bool
    flow: bool
    elements: list[Element] = field(default_factory=list)
    below: list[str] = field(default_factory=list)


Node: TypeAlias = Scalar | Collection


@dataclass(slots=True)
class Document:
    """One document of a file: where it begins, and its mapping."""

    start: int
    root: Collection


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment: where it begins, its text, and the spaces before it; `alone` on a line of its own."""

    start: int
    column: int
    text: str
    spaces: int
    alone: bool


@dataclass(slots=True)
class Tree:
    """A file: its documents, and its comments, which the documents hold as well."""

    documents: list[Document]
    comments: list[Comment]


def parse_tree(text: str) -> Tree:
    """The tree of a text that is known to be sound; line breaks are line feeds."""
    builder = _Builder(text)
    documents = list(builder.documents())
    comments = list(_comments(text, builder.opaque))
    for document in documents:
        _open(document.root)
        _open_commented(document.root, [comment.start for comment in comments])
    if documents:
        _Attaching(text, documents, builder.opaque).attach(comments)
    return Tree(documents, comments)


@dataclass(slots=True)
class _Builder:
    """From events to documents without comments; notes the spans in which `#` begins no comment."""

    text: str
    opaque: list[tuple[int, int]] = field(default_factory=list)

    def documents(self) -> Iterator[Document]:
        events: Iterator[Any] = yaml.parse(self.text, Loader=yaml.CSafeLoader)
        start = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                start = _index(event.start_mark)
            elif isinstance(event, yaml.MappingStartEvent):
                yield Document(start, self._collection(event, events))
            elif isinstance(event, yaml.ScalarEvent):
                # A document without content.
                self._scalar(event)

    def _node(self, event: Any, events: Iterator[Any]) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        return self._collection(event, events)

    def _collection(self, event: Any, events: Iterator[Any]) -> Collection:
        mark = event.start_mark
        is_list = isinstance(event, yaml.SequenceStartEvent)
        found = Collection(mark.index, mark.index, mark.column, is_list, bool(event.flow_style))
        after = mark.index
        for inner in events:
            if isinstance(inner, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                # A block ends where the next token begins, which is not where its content does.
                found.end = _index(inner.end_mark) if found.flow else after
                break
            element = (
                self._item(inner, events, found, after) if is_list else self._entry(inner, events)
            )
            found.elements.append(element)
            after = element.value.end
        return found

    def _entry(self, event: Any, events: Iterator[Any]) -> Element:
        key = self._scalar(event)
        return Element(key.start, event.start_mark.column, key, self._node(next(events), events))

    def _item(self, event: Any, events: Iterator[Any], around: Collection, after: int) -> Element:
        value = self._node(event, events)
        if around.flow:
            return Element(value.start, event.start_mark.column, None, value)
        dash = around.start if not around.elements else self._dash(after)
        return Element(dash, around.column, None, value)

    def _dash(self, after: int) -> int:
        """The dash that follows the end of an item, past comments."""
        while self.text[after] != "-":
            after = self.text.index("\n", after) if self.text[after] == "#" else after + 1
        return after

    def _scalar(self, event: Any) -> Scalar:
        start, end = event.start_mark.index, event.end_mark.index
        style = event.style or ""
        if style in BLOCK_STYLES:
            return self._block(event)
        self.opaque.append((start, end))
        return Scalar(start, end, event.value, style, self.text[start:end])

    def _block(self, event: Any) -> Scalar:
        """A block scalar: the parser says where it begins; its lines tell how far it goes."""
        start = event.start_mark.index
        header = _BLOCK_HEADER.match(self.text, start)
        assert header is not None  # noqa: S101 - the parser says that a block begins here
        self.opaque.append(header.span())
        body = self._line_after(start)
        end = event.end_mark.index
        lines = self.text[body:end].removesuffix("\n").split("\n")
        indent = _block_indent(lines, event.value)
        lines = list(takewhile(lambda line: not line.strip(" ") or line.startswith(indent), lines))
        if "+" not in header.group():
            while lines and not lines[-1].strip(" "):
                lines.pop()
        end = min(end, body + sum(len(line) + 1 for line in lines))
        self.opaque.append((body, end))
        written = "\n".join(line[len(indent) :] for line in lines)
        return Scalar(start, end, event.value, event.style, written, header.group())

    def _line_after(self, index: int) -> int:
        found = self.text.find("\n", index)
        return len(self.text) if found < 0 else found + 1


def _index(mark: Any) -> int:
    """Where a mark is, in characters; the parser in use always gives one."""
    return int(mark.index)


def _block_indent(lines: list[str], value: str) -> str:
    """The spaces that belong to no line of a block: what its first line has more of than its value."""
    first = next((line for line in lines if line.strip(" ")), "")
    said = next((line for line in value.split("\n") if line.strip(" ")), "")
    return " " * ((len(first) - len(first.lstrip(" "))) - (len(said) - len(said.lstrip(" "))))


def _comments(text: str, opaque: list[tuple[int, int]]) -> Iterator[Comment]:
    """Every comment: what begins with `#` outside of values."""
    spans = [*opaque, (len(text), len(text))]
    at = 0
    for start, end in spans:
        while (found := text.find("#", at, start)) >= 0:
            line = text.rfind("\n", 0, found) + 1
            stop = text.find("\n", found)
            stop = len(text) if stop < 0 else stop
            before = text[line:found]
            if not before.startswith("%"):
                alone = not before.strip() or before.rstrip() in _MARKERS
                yield Comment(
                    start=found,
                    column=0 if before.strip() and alone else len(before),
                    text=text[found:stop].rstrip(),
                    spaces=len(before) - len(before.rstrip(" ")),
                    alone=alone,
                )
            at = stop
        at = max(at, end)


def _open_commented(node: Node, comments: list[int]) -> None:
    """Take the brackets from collections with comments inside: only a block has a place for each of them."""
    if isinstance(node, Collection):
        first = bisect_left(comments, node.start)
        if node.flow and first < len(comments) and comments[first] < node.end:
            _open(node)
        for element in node.elements:
            _open_commented(element.value, comments)


def _open(collection: Collection) -> None:
    if collection.flow:
        # The columns inside brackets say nothing.
        collection.flow, collection.column = False, -1


class _Attaching:
    """One walk over the comments of a file."""

    def __init__(
        self, text: str, documents: list[Document], opaque: list[tuple[int, int]]
    ) -> None:
        self._text = text
        self._documents = documents
        self._opaque = opaque
        self._opaque_ends = [end for _, end in opaque]
        self._elements: list[Element] = []
        self._chains: list[tuple[Collection, ...]] = []
        self._number: list[int] = []
        for number, document in enumerate(documents):
            self._take(document.root, (), number)
        self._starts = [element.start for element in self._elements]

    def _take(self, node: Node, chain: tuple[Collection, ...], document: int) -> None:
        if isinstance(node, Collection) and not node.flow:
            for element in node.elements:
                self._elements.append(element)
                self._chains.append((*chain, node))
                self._number.append(document)
                self._take(element.value, (*chain, node), document)

    def attach(self, comments: list[Comment]) -> None:
        """Give each comment, and each blank line before an element, to what it belongs to."""
        claimed = -1
        for comment in comments:
            after = bisect_left(self._starts, comment.start)
            if not comment.alone and after:
                self._beside(self._elements[after - 1], comment)
                continue
            place = self._place(comment, after, claimed)
            if place is None:
                claimed = after
                place = self._elements[after].above
            place += [*([""] if self._is_blank_above(comment.start) else []), comment.text]
        for element in self._elements:
            if self._is_blank_above(element.start):
                element.above.append("")

    def _beside(self, element: Element, comment: Comment) -> None:
        if element.beside:
            element.above.append(comment.text)
        else:
            element.beside = " " * max(2, comment.spaces) + comment.text

    def _place(self, comment: Comment, after: int, claimed: int) -> list[str] | None:
        """The end of the block that a comment belongs to; None if it belongs to what follows."""
        if after == claimed:
            return None
        following = self._following_column(comment, after)
        before = self._chains[after - 1] if after else ()
        for depth in range(len(before) - 1, -1, -1):
            around = before[depth]
            # A list may stand in the column of the mapping around it, whose comments these are then.
            if depth and before[depth - 1].column == around.column >= 0:
                continue
            is_open = around.column < 0 and comment.start < around.end
            follows_inside = after < len(self._chains) and around in self._chains[after]
            if is_open and not follows_inside:
                return around.below
            if not follows_inside and following < around.column <= comment.column:
                return around.below
        if after == len(self._elements) or following < 0:
            return (before[0] if before else self._documents[0].root).below
        return None

    def _following_column(self, comment: Comment, after: int) -> int:
        """The column of the next element, if it is of the same document."""
        if after == len(self._elements):
            return -1
        if after and self._number[after] != self._number[after - 1]:
            start = self._documents[self._number[after]].start
            return -1 if comment.start < start else self._elements[after].column
        return self._elements[after].column

    def _is_blank_above(self, index: int) -> bool:
        """Whether the line above is blank, and no part of a value."""
        line = self._text.rfind("\n", 0, index) + 1
        if line == 0 or self._text[line:index].strip(" \t-"):
            return False
        above = self._text.rfind("\n", 0, line - 1) + 1
        if self._text[above : line - 1].strip():
            return False
        value = bisect_right(self._opaque_ends, above)
        return value == len(self._opaque) or self._opaque[value][0] > above
