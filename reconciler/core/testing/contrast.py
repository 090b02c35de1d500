"""Where two JSON values differ: every place, with what was expected there and what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from reconciler.core.locate import Path
from runtime.core.expressions.context import path_text
from schemas.tested import Contrast

MOST: Final = 20
"""Differences of two values that are told; more of them say no more."""


def contrasts(
    expected: Any, found: Any, path: Path = (), *, partly: bool = False
) -> Iterator[tuple[Path, Contrast]]:
    """Each difference with its path.

    Args:
        expected: any JSON value.
        found: another.
        path: where both stand.
        partly: whether mappings may hold more than is expected.
    """
    if isinstance(expected, dict) and isinstance(found, dict):
        yield from _of_keys(expected, found, path, partly=partly)
    elif isinstance(expected, list) and isinstance(found, list):
        as_keys = dict(enumerate(expected)), dict(enumerate(found))
        yield from _of_keys(*as_keys, path, items=True, partly=partly)
    elif _kind(expected) != _kind(found) or expected != found:
        yield _one(path, expected=expected, found=found)


def _of_keys(
    expected: Mapping[Any, Any],
    found: Mapping[Any, Any],
    path: Path,
    *,
    partly: bool,
    items: bool = False,
) -> Iterator[tuple[Path, Contrast]]:
    for key, value in expected.items():
        if key in found:
            yield from contrasts(value, found[key], (*path, key), partly=partly)
        else:
            yield _one((*path, key), expected=value, lacking="found")
    # Of a list that may hold more nobody could say which items are meant.
    for key, value in () if partly and not items else found.items():
        if key not in expected:
            yield _one((*path, key), found=value, lacking="expected")


def _kind(value: Any) -> type:
    """Numbers are of one kind; what is true is no number."""
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)


def _one(path: Path, **sides: Any) -> tuple[Path, Contrast]:
    return path, Contrast(path=path_text(path), **sides)
