"""Expected and found side by side, and what no test does, as people read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from schemas.tested import Branch, Contrast, PipelineCoverage

WIDEST: Final = 44
_CUT: Final = "…"
_NOTHING: Final = "(nothing)"
_BRANCHES: Final[dict[Branch, str]] = {
    "runs": "",
    "if_holds": " (if holds)",
    "if_fails": " (if does not hold)",
    "on_error": " (on_error)",
    "nobody_decides": " (nobody decides)",
}


def rows(contrasts: Sequence[Contrast]) -> list[tuple[str, str, str]]:
    """Path, expected and found of each; long values are cut around where they begin to differ."""
    return [(one.path or "value", *_sides(one)) for one in contrasts]


def _sides(one: Contrast) -> tuple[str, str]:
    expected = _NOTHING if one.lacking == "expected" else _text(one.expected)
    found = _NOTHING if one.lacking == "found" else _text(one.found)
    same = 0
    for left, right in zip(expected, found, strict=False):
        if left != right:
            break
        same += 1
    # A little of what is alike, so that the place can be found.
    start = max(0, same - WIDEST // 3) if max(len(expected), len(found)) > WIDEST else 0
    return _window(expected, start), _window(found, start)


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _window(text: str, start: int) -> str:
    cut = (_CUT if start else "") + text[start:]
    return cut if len(cut) <= WIDEST else cut[: WIDEST - 1] + _CUT


def uncovered(pipeline: PipelineCoverage) -> str:
    """What no test does; of a step that never runs no more than that."""
    if not pipeline.tests:
        return "no test"
    never = {one.step for one in pipeline.missing if one.branch == "runs"}
    told = [
        one.step + _BRANCHES[one.branch]
        for one in pipeline.missing
        if one.branch == "runs" or one.step not in never
    ]
    return ", ".join(told)
