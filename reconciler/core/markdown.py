"""Text from strangers in Markdown: shown as it is, and unable to become anything else.

Whatever a spec can hold stands in code, where neither Markdown nor HTML is read, nobody is mentioned, and nothing
becomes a link. Code is fenced by more backticks than it holds itself; in a table, its pipes are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from reconciler.core.look import visible

_BACKTICKS: Final = re.compile(r"`+")
_FENCE: Final = 3


def code(text: str, limit: int = 200) -> str:
    """Text as code within a line; empty text is nothing."""
    shown = visible(text)
    shown = shown if len(shown) <= limit else shown[: limit - 1] + "…"
    if not shown:
        return ""
    fence = "`" * (_longest_run(shown) + 1)
    # Next to a backtick, the fence would be a longer one.
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def cell(text: str, limit: int = 200) -> str:
    """Text as code in a cell of a table."""
    # A backslash right before a pipe could take its escape away.
    apart = re.sub(r"\\(?=\|)", r"\\ ", text)
    return code(apart, limit).replace("|", "\\|")


def block(lines: Iterable[str]) -> list[str]:
    """Lines as a block of code."""
    shown = [_in_block(line) for line in lines]
    fence = "`" * max(_FENCE, 1 + max(map(_longest_run, shown), default=0))
    return [f"{fence}text", *shown, fence]


def folded_block(summary: str, lines: Sequence[str]) -> list[str]:
    """A block of code that unfolds at a click; the summary is ours."""
    return [f"<details><summary>{summary}</summary>", "", *block(lines), "", "</details>"]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table of cells that are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _in_block(line: str) -> str:
    # Its spaces are kept, unlike those of a line that is only visible.
    if line.isprintable():
        return line.rstrip()
    return "".join(one if one == " " else visible(one) for one in line.rstrip())


def _longest_run(text: str) -> int:
    return max(map(len, _BACKTICKS.findall(text)), default=0)
