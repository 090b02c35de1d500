"""Spec files in their one form: what `ordinaut fmt` writes.

Comments stay with what they belong to, keys stand in the order of the fields of their models, and what a file says is
the same before and after: the new text is read again, and refused where a value or a comment is not what it was.
Formatting twice is formatting once.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.core.digest import canonical
from reconciler.core.documents import Reading, read_documents
from reconciler.core.key_order import put_in_order
from reconciler.core.yaml_layout import block_lines, comment_lines
from reconciler.core.yaml_tree import Collection, Document, Tree, parse_tree
from schemas.problem import Problem

_HEAD_FIELDS = ("apiVersion", "kind", "name")
_MODELINE = "# yaml-language-server:"


@dataclass(frozen=True, slots=True)
class Formatted:
    """A file in its one form, or why it has none.

    Attributes:
        data: the bytes that the file should hold; as they were if there are problems.
        problems: why it cannot be formatted.
    """

    data: bytes
    problems: tuple[Problem, ...] = ()


def format_file(file: str, data: bytes) -> Formatted:
    """Format one file.

    Args:
        file: its name in messages.
        data: what it holds.
    """
    before = read_documents(file, data)
    if before.problems:
        return Formatted(data, before.problems)
    text = _unified(data)
    tree = parse_tree(text)
    if not tree.documents:
        return Formatted(data)
    after = _text_of(tree).encode()
    return Formatted(after) if _says_the_same(before, tree, file, after) else _refused(file, data)


def _unified(data: bytes) -> str:
    """The text of a file with line feeds alone, and without a byte order mark."""
    text = data.removeprefix(codecs.BOM_UTF8).decode()
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _text_of(tree: Tree) -> str:
    return "---\n".join(
        "".join(f"{line}\n" for line in _document_lines(document)) for document in tree.documents
    )


def _document_lines(document: Document) -> list[str]:
    head = _take_head(document.root)
    put_in_order(document.root)
    nothing = [] if document.root.elements else ["{}"]
    return comment_lines(head, "") + nothing + block_lines(document.root)


def _take_head(root: Collection) -> Sequence[str]:
    """The comments that belong to a document and not to the key that happens to be its first."""
    if not root.elements:
        return ()
    first = root.elements[0]
    above = first.above[1:] if first.above[:1] == [""] else first.above
    if first.key is not None and first.key.value in _HEAD_FIELDS:
        first.above = []
        return above
    last = max(
        (n + 1 for n, line in enumerate(above) if not line or line.startswith(_MODELINE)),
        default=0,
    )
    first.above = above[last:]
    return above[:last]


def _says_the_same(before: Reading, tree: Tree, file: str, after: bytes) -> bool:
    new = read_documents(file, after)
    return (
        not new.problems
        and _values(before) == _values(new)
        and _comments(tree) == _comments(parse_tree(after.decode()))
    )


def _values(reading: Reading) -> list[bytes]:
    return [canonical(document.value) for document in reading.documents]


def _comments(tree: Tree) -> Counter[str]:
    return Counter(comment.text for comment in tree.comments)


def _refused(file: str, data: bytes) -> Formatted:
    problem = Problem(
        code="ORD015",
        message="the file cannot be formatted without changing what it says, so it was left alone",
        hint="write the value that is unusual in another way, for example in double quotes",
        file=file,
        line=1,
        column=1,
    )
    return Formatted(data, (problem,))
