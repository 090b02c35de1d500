"""Going through many things while somebody may watch how far it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Through(Protocol):
    """Gives the items one after the other, and may tell between two of them how far it is."""

    def __call__(self, doing: str, items: Sequence[T], /) -> Iterable[T]: ...


def silently(_doing: str, items: Sequence[T], /) -> Iterable[T]:
    """Nobody watches."""
    return items
