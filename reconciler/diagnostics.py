"""Problems as people read them, with the line in question, and as JSON.

Text fits 80 columns; each problem begins with `file:line:column:`, which editors and terminals make a link of. Leaves
colour off where no terminal is (click strips it).
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final
from unicodedata import east_asian_width

import click
import orjson

from reconciler.core.leaking import quotable
from schemas.problem import Problem, Severity
from schemas.validation import Validation

WIDTH: Final = 80
MOST_SHOWN: Final = 50
"""Problems that text tells one by one: whoever has more mends these first, and a program reads JSON."""

_COLOURS: Final[dict[Severity, str]] = {"error": "red", "warning": "yellow", "note": "cyan"}
_CUT: Final = "…"


def as_text(problems: Sequence[Problem], texts: Mapping[str, str]) -> str:
    """Problems one after another, each with its line: all of them, or the first `MOST_SHOWN` and how many more there are.

    Args:
        problems: in the order in which they are shown; where not all are, errors go before what is less.
        texts: the files by name; a file that is missing is shown without its line.
    """
    several = len(problems) > MOST_SHOWN
    ranked = sorted(problems, key=lambda one: one.severity != "error") if several else problems
    entries = ["\n".join(_entry(problem, texts)) + "\n" for problem in ranked[:MOST_SHOWN]]
    if several:
        entries.append(_rest(ranked[MOST_SHOWN:]))
    return "\n".join(entries)


def as_json(validation: Validation) -> bytes:
    """The whole answer as JSON."""
    return orjson.dumps(
        validation.model_dump(mode="json"), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    )


def summary(validation: Validation) -> str:
    """One line: what was read and what came of it."""
    read = f"{_count(validation.documents, 'document')} in {_count(validation.files, 'file')}"
    found = [
        _count(number, name)
        for number, name in ((validation.errors, "error"), (validation.warnings, "warning"))
        if number
    ]
    return f"{read}: " + (", ".join(found) if found else "no problems")


def _entry(problem: Problem, texts: Mapping[str, str]) -> list[str]:
    colour = _COLOURS[problem.severity]
    head = f"{problem.place}: {problem.severity} {problem.code}:"
    words = _wrapped(f"{head} {problem.message}", "    ")
    lines = [
        line.replace(
            head,
            f"{problem.place}: {click.style(f'{problem.severity} {problem.code}:', fg=colour)}",
        )
        for line in words
    ]
    if problem.file in texts:
        lines += _excerpt(problem, texts[problem.file], colour)
    for number, hint in enumerate(problem.hint.splitlines()):
        # What is to be pasted keeps its own lines.
        lines += _wrapped(f"  hint: {hint}", "        ") if number == 0 else [f"    {hint}"]
    return lines


def _rest(problems: Sequence[Problem]) -> str:
    """How many problems are left, by what they are."""
    codes = Counter(problem.code for problem in problems)
    counts = ", ".join(f"{count:,} x {code}" for code, count in codes.most_common())
    told = f"and {len(problems):,} more ({counts}); `ordinaut validate --json` tells them all"
    return "\n".join(_wrapped(told, "    ")) + "\n"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _excerpt(problem: Problem, text: str, colour: str) -> list[str]:
    """The line in question, cut around the column, and a caret under it."""
    lines = quotable(text)
    if problem.line > len(lines):
        return []
    gutter = f"{problem.line:>5} | "
    line, column = _around(lines[problem.line - 1], problem.column - 1)
    line = "".join(letter if letter.isprintable() else " " for letter in line)
    line, column = _window(line, column, WIDTH - len(gutter))
    if not line.strip():
        return []
    pad = " " * (_columns(line[:column]))
    return [f"{gutter}{line}".rstrip(), f"{'':>5} | {pad}{click.style('^', fg=colour)}"]


def _around(line: str, column: int) -> tuple[str, int]:
    """More of a line than fits on either side of a column: lines may have a million letters, and cutting looks at each."""
    column = min(column, len(line))
    start = max(0, column - 2 * WIDTH)
    return line[start : column + 2 * WIDTH], column - start


def _window(line: str, column: int, width: int) -> tuple[str, int]:
    """The part of a line around a column that fits, and where the column is in it."""
    if _columns(line) <= width:
        return line, column
    start = max(0, min(column - width // 2, len(line) - width + 1))
    cut = (_CUT if start else "") + line[start + 1 if start else 0 :]
    column -= start
    while _columns(cut) > width:
        cut = cut[:-2] + _CUT
    return cut, column


def _columns(text: str) -> int:
    """Columns of a terminal that the text takes."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _count(number: int, name: str) -> str:
    return f"{number} {name}" + ("" if number == 1 else "s")
