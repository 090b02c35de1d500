"""A tree of YAML to the one text of it: two spaces an indent, one form of quotes, brackets where they fit a line.

Leaves the order of keys to whoever gives it. Never changes a value: plain values stay as they are written, quoted ones
stay quoted, and lines of a longer text keep where they break.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from reconciler.core.yaml_tree import BLOCK_STYLES, Collection, Element, Node, Scalar

WIDTH: Final = 100
"""Columns that brackets may reach; what is wider is written as a block."""

_INDENT: Final = "  "
_WORDS: Final = {
    "~": "null",
    **dict.fromkeys(("Null", "NULL"), "null"),
    **dict.fromkeys(("True", "TRUE"), "true"),
    **dict.fromkeys(("False", "FALSE"), "false"),
}
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"'}
_FRAGILE: Final = re.compile(r"[\x85\u2028\u2029]|\\[ \t]+\n")


def block_lines(collection: Collection, indent: str = "") -> list[str]:
    """The lines of a mapping or list that stands as a block.

    Args:
        collection: what is written; its elements are in the order that is meant.
        indent: the spaces before its keys or dashes.
    """
    lines: list[str] = []
    for element in collection.elements:
        above = _above(element)
        lines += comment_lines(above if lines else _without_first_blank(above), indent)
        lines += element_lines(element, indent)
    return lines + comment_lines(collection.below, indent)


def comment_lines(comments: Sequence[str], indent: str) -> list[str]:
    """Comments at their indentation; of blank lines that follow each other one stays."""
    lines: list[str] = []
    for comment in comments:
        if comment or lines[-1:] != [""]:
            lines.append(f"{indent}{comment}" if comment else "")
    return lines


def quoted(value: str) -> str:
    """A text in quotes: single ones where they spare escapes, else double ones."""
    if value.isprintable() and ('"' in value or "\\" in value) and "'" not in value:
        return f"'{value}'"
    return '"' + "".join(map(_escaped, value)) + '"'


def _above(element: Element) -> list[str]:
    """The comments above an element, with those of what begins on the same line: behind a dash is no place for them."""
    if not _begins_on_dash(element):
        return element.above
    assert isinstance(element.value, Collection)  # noqa: S101 - what was asked
    inner = _above(element.value.elements[0])
    return element.above + [line for line in inner if line]


def _begins_on_dash(element: Element) -> bool:
    """Whether the value of an item begins on the item's own line, and is no single one."""
    value = element.value
    return (
        element.key is None
        and not element.beside
        and isinstance(value, Collection)
        and not value.flow
        and bool(value.elements)
    )


def _without_first_blank(above: Sequence[str]) -> Sequence[str]:
    return above[1:] if above[:1] == [""] else above


def element_lines(element: Element, indent: str) -> list[str]:
    """The lines of an entry or an item, without the comments above it."""
    head = indent + ("-" if element.key is None else f"{_on_one_line(element.key)}:")
    value = element.value
    if isinstance(value, Scalar):
        return _scalar_lines(value, head, indent + _INDENT, element.beside)
    line = f"{head} {_in_brackets(value)}"
    if not value.elements or (value.flow and len(line) <= WIDTH):
        return [line + element.beside]
    if element.key is not None or element.beside:
        return [head + element.beside, *block_lines(value, indent + _INDENT)]
    return _compact_lines(value, indent)


def _compact_lines(value: Collection, indent: str) -> list[str]:
    """An item whose first line stands behind the dash."""
    inner = indent + _INDENT
    first, *rest = value.elements
    lines = element_lines(first, inner)
    lines[0] = f"{indent}- {lines[0].removeprefix(inner)}"
    for element in rest:
        lines += comment_lines(_above(element), inner) + element_lines(element, inner)
    return lines + comment_lines(value.below, inner)


def _in_brackets(node: Node) -> str:
    """A node on one line."""
    if isinstance(node, Scalar):
        return _on_one_line(node) or "null"
    parts = [
        _in_brackets(element.value)
        if element.key is None
        else f"{_on_one_line(element.key)}: {_in_brackets(element.value)}"
        for element in node.elements
    ]
    inside = ", ".join(parts)
    return f"[{inside}]" if node.is_list else f"{{{inside}}}"


def _on_one_line(scalar: Scalar) -> str:
    if scalar.style or not scalar.value.isprintable():
        return quoted(scalar.value)
    return _WORDS.get(scalar.value, scalar.value)


def _scalar_lines(scalar: Scalar, head: str, indent: str, beside: str) -> list[str]:
    if not _keeps_its_lines(scalar):
        return [f"{head} {_on_one_line(scalar)}".rstrip(" ") + beside]
    if scalar.style in BLOCK_STYLES:
        body = [indent + line if line else "" for line in scalar.written.split("\n")]
        return [f"{head} {_block_header(scalar)}{beside}", *body]
    first, *rest = (line.strip(" \t") for line in scalar.written.split("\n"))
    lines = [f"{head} {first}", *(indent + line if line else "" for line in rest)]
    lines[-1] += beside
    return lines


def _keeps_its_lines(scalar: Scalar) -> bool:
    """Whether a value goes over several lines that can be indented anew without changing it."""
    if "\n" not in scalar.written and scalar.style not in BLOCK_STYLES:
        return False
    # A backslash in front of a space, or of a break that only some readers know, would not survive.
    return not _FRAGILE.search(scalar.written) and bool(scalar.value.strip("\n"))


def _block_header(scalar: Scalar) -> str:
    """`|` or `>`, with the indentation where the text does not show it, and with what becomes of its end."""
    first = scalar.written.lstrip("\n")
    indentation = str(len(_INDENT)) if first.startswith((" ", "\t")) else ""
    if scalar.value.endswith("\n"):
        return scalar.style + indentation + ("+" if scalar.value.endswith("\n\n") else "")
    return f"{scalar.style}{indentation}-"


def _escaped(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    # What Python writes for a letter that cannot be printed, YAML reads as that letter.
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode()
