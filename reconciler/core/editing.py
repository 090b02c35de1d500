"""Documents in a text of YAML changed where they stand: only the lines of what differs are written anew.

For text that `documents` has read without a problem. What stays keeps its comments, its order and its layout; what is new
is written in the one form of spec files, in the place that the order of fields gives it. Lists are compared item by item,
by the `id` of their items where they have one. Says what a text would be; whether it says what is meant, the caller checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, Final, NamedTuple

from reconciler.core.digest import canonical
from reconciler.core.documents import read_documents
from reconciler.core.exporting import as_yaml
from reconciler.core.formatting import format_file
from reconciler.core.key_order import rank_in
from reconciler.core.locate import Path
from reconciler.core.yaml_layout import element_lines
from reconciler.core.yaml_tree import Collection, Element, Node, Scalar, parse_tree

_ITEM: Final = "item"
_SEPARATOR: Final = "---"


def with_value(text: str, number: int, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """The text with another value of one of its documents.

    Args:
        text: the file, with line feeds alone.
        number: which of its documents, from 0.
        before: what the document says.
        after: what it is to say.
    """
    if _same(before, after):
        return text
    for one in (text, _in_form(text, number)):
        edited = _edited(one, number, before, after)
        if edited is not None and _says(edited, number, after):
            return edited
    # No comment has a place in what is written anew as a whole.
    return _replaced(text, number, as_yaml(after))


def without_document(text: str, number: int) -> str:
    """The text without one of its documents; empty if it had no other."""
    begin, end = _span(text, number)
    if number:
        begin = text.rindex(_SEPARATOR, 0, begin)
    elif not text.startswith(_SEPARATOR):
        end += len(_separator(text, end))
    return text[:begin] + text[end:]


def document_texts(text: str) -> list[str]:
    """The documents of a text, each with its comments."""
    starts = [one.start for one in parse_tree(text).documents]
    return [text[slice(*_between(text, starts, number))] for number in range(len(starts))]


def with_document(text: str, addition: str) -> str:
    """The text with one more document at its end."""
    if not text.strip():
        return addition
    return f"{text}{'' if text.endswith(chr(10)) else chr(10)}{_SEPARATOR}\n{addition}"


def _span(text: str, number: int) -> tuple[int, int]:
    """From where to where a document reaches, without the lines that divide it from others."""
    return _between(text, [one.start for one in parse_tree(text).documents], number)


def _between(text: str, starts: Sequence[int], number: int) -> tuple[int, int]:
    begin = _line_start(text, starts[number]) if number else 0
    end = len(text)
    if number + 1 < len(starts):
        end = _line_start(text, starts[number + 1])
    return begin + len(_separator(text, begin)), end


def _separator(text: str, index: int) -> str:
    """What divides documents, if it begins here: the line of it, or its part before what else that line says."""
    line = text[index : _line_end(text, index + 1)] if index < len(text) else ""
    if not line.startswith(_SEPARATOR):
        return ""
    return line if line.strip() == _SEPARATOR else line[: len(line) - len(line[3:].lstrip(" "))]


def _replaced(text: str, number: int, new: str) -> str:
    """The text with one of its documents written anew, on lines of its own."""
    begin, end = _span(text, number)
    gap = "\n" if text[:begin].endswith((_SEPARATOR, " ")) else ""
    return f"{text[:begin].rstrip(' ')}{gap}{new}{text[end:]}"


def _edited(
    text: str, number: int, before: Mapping[str, Any], after: Mapping[str, Any]
) -> str | None:
    editing = _Editing(text, str(after.get("kind", "")))
    root = parse_tree(text).documents[number].root
    return editing.result() if editing.inside(root, before, after, ()) else None


def _in_form(text: str, number: int) -> str:
    """The text with one of its documents in its one form, in which no comment stands where it could become something else."""
    return _replaced(
        text, number, format_file("", document_texts(text)[number].encode()).data.decode()
    )


def _says(text: str, number: int, after: Mapping[str, Any]) -> bool:
    reading = read_documents("", text.encode())
    found = reading.documents[number : number + 1]
    return not reading.problems and bool(found) and _same(found[0].value, after)


class _Splice(NamedTuple):
    start: int
    end: int
    text: str


@dataclass(slots=True)
class _Editing:
    """One comparison of a document with what it is to say."""

    text: str
    kind: str
    splices: list[_Splice] = field(default_factory=list)

    def result(self) -> str:
        """The text as it is to be."""
        text = self.text
        # From the end, so that what comes before stays where it is: of one place first what is replaced, then what is added.
        ordered = sorted(
            enumerate(self.splices), key=lambda one: (one[1][:2], one[0]), reverse=True
        )
        for _, (start, end, new) in ordered:
            text = text[:start] + new + text[end:]
        return text

    def inside(self, around: Collection, before: Any, after: Any, path: Path) -> bool:
        """Note what differs within a block; False, and nothing noted, if it has to be written anew as a whole."""
        # One without a column of its own was in brackets, with comments between them.
        if around.flow or around.column < 0 or not after:
            return False
        noted = len(self.splices)
        if around.is_list and isinstance(before, list) and isinstance(after, list):
            done = self._items(around, before, after, path)
        elif not around.is_list and isinstance(before, Mapping) and isinstance(after, Mapping):
            done = self._fields(around, before, after, path)
        else:
            done = False
        if not done:
            del self.splices[noted:]
        return done

    def _fields(
        self, around: Collection, before: Mapping[str, Any], after: Mapping[str, Any], path: Path
    ) -> bool:
        for element in around.elements:
            name = _name(element)
            if name not in after:
                if not self._remove(element):
                    return False
            elif not _same(before[name], after[name]):
                self._change(element, before[name], after[name], (*path, name))
        rank = rank_in(self.kind, path, around)
        kept = [element for element in around.elements if _name(element) in after]
        for name in after:
            if name not in before:
                above = [one for one in kept if rank(_name(one)) <= rank(name)]
                if not kept or not self._insert(_fresh(name, after[name]), around, above):
                    return False
        return True

    def _items(
        self, around: Collection, before: Sequence[Any], after: Sequence[Any], path: Path
    ) -> bool:
        matcher = SequenceMatcher(None, _signs(before), _signs(after), autojunk=False)
        for what, left, right, over, until in matcher.get_opcodes():
            paired = min(right - left, until - over) if what in {"equal", "replace"} else 0
            for step in range(paired):
                old, new = before[left + step], after[over + step]
                if not _same(old, new):
                    self._change(around.elements[left + step], old, new, (*path, left + step))
            for element in around.elements[left + paired : right]:
                if not self._remove(element):
                    return False
            above = around.elements[: max(left + paired, right)]
            for value in after[over + paired : until]:
                if not self._insert(_fresh(None, value), around, above):
                    return False
        return True

    def _change(self, element: Element, before: Any, after: Any, path: Path) -> None:
        value = element.value
        if isinstance(value, Collection) and self.inside(value, before, after, path):
            return
        new = _fresh(_name(element) if element.key else None, after)
        new.value = _grafted(value, before, new.value, after)
        new.key, new.beside = element.key, element.beside
        end = self._end_of(element)
        self.splices.append(
            _Splice(element.start, end, _text_of(new, element.column)[element.column :])
        )

    def _insert(self, new: Element, around: Collection, above: Sequence[Element]) -> bool:
        """Note one more element behind others, or before all."""
        first = around.elements[0]
        if above:
            at = self._end_of(above[-1])
        elif self._begins_a_line(first):
            at = self._above(first)
        else:
            return False
        text = _text_of(new, around.column)
        if at and self.text[at - 1] != "\n":
            text = f"\n{text}"
        self.splices.append(_Splice(at, at, text))
        return True

    def _remove(self, element: Element) -> bool:
        """Note that an element goes, with the comments that belong to it; one behind a dash cannot go alone."""
        if not self._begins_a_line(element):
            return False
        self.splices.append(_Splice(self._above(element), self._end_of(element), ""))
        return True

    def _begins_a_line(self, element: Element) -> bool:
        return not self.text[_line_start(self.text, element.start) : element.start].strip()

    def _above(self, element: Element) -> int:
        """Where the comments right above an element begin, as far as they belong to it."""
        start = _line_start(self.text, element.start)
        for _ in filter(None, element.above):
            before = _line_start(self.text, start - 1) if start else 0
            if not self.text[before:start].lstrip().startswith("#"):
                break
            start = before
        return start

    def _end_of(self, element: Element) -> int:
        """Where the line after an element begins."""
        return _line_end(self.text, _end(element))


def _end(element: Element) -> int:
    """Where what an element says ends; of one that says nothing the parser tells only where something else begins."""
    value = element.value
    if isinstance(value, Scalar):
        if value.written or value.style:
            return value.end
        return element.key.end if element.key else element.start + 1
    if value.flow or value.column < 0 or not value.elements:
        return value.end
    return _end(value.elements[-1])


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, index: int) -> int:
    """Where the next line begins; an index that is there already stays."""
    if index and text[index - 1] == "\n":
        return index
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def _same(one: Any, other: Any) -> bool:
    return canonical(one) == canonical(other)


def _name(element: Element) -> str:
    return element.key.value if element.key else ""


def _signs(items: Sequence[Any]) -> list[bytes]:
    """By what items of two lists are known to be the same one."""
    return [
        canonical(item["id"] if isinstance(item, dict) and "id" in item else item)
        for item in items
    ]


def _fresh(name: str | None, value: Any) -> Element:
    """An element that stands nowhere yet."""
    tree = parse_tree(as_yaml({_ITEM: [value]} if name is None else {name: value}))
    element = tree.documents[0].root.elements[0]
    if name is None:
        assert isinstance(element.value, Collection)  # noqa: S101 - a list of one
        element = element.value.elements[0]
    return element


def _grafted(old: Node, before: Any, new: Node, after: Any) -> Node:
    """The new node, with brackets and quotes as they were as far as the old one says the same."""
    if _same(before, after):
        return old
    if isinstance(old, Scalar) or isinstance(new, Scalar) or old.is_list != new.is_list:
        return new
    new.flow = old.flow
    known = {_name(one): one for one in old.elements}
    for number, element in enumerate(new.elements):
        if new.is_list:
            if len(old.elements) == len(new.elements):
                match = old.elements[number]
                element.value = _grafted(match.value, before[number], element.value, after[number])
        elif (name := _name(element)) in known:
            element.value = _grafted(known[name].value, before[name], element.value, after[name])
    return new


def _text_of(element: Element, column: int) -> str:
    return "".join(f"{line}\n" for line in element_lines(element, " " * column))
