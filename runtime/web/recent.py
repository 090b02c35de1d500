"""Answers that many ask for at once and that are dear: worked out by one of them, and good for all for a moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from runtime.clock import Clock

SECONDS: Final = 1.0
"""How old an answer may be."""
_MAX_KEPT: Final = 32

T = TypeVar("T")


@dataclass(slots=True)
class _Kept:
    lock: threading.Lock = field(default_factory=threading.Lock)
    answer: Any = None
    until: float = float("-inf")


class Recent:
    """Keeps answers for a second, and while one is worked out has others wait for it.

    What is done through this process is seen at once: whoever acts has them forgotten. What others do is seen a second later.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[Hashable, _Kept] = {}

    def of(self, key: Hashable, work_out: Callable[[], T]) -> T:
        """The answer to this question."""
        if len(self._kept) >= _MAX_KEPT and key not in self._kept:
            self._kept = {}
        kept = self._kept.setdefault(key, _Kept())
        with kept.lock:
            began = self._clock.monotonic()
            if kept.until <= began:
                kept.answer = work_out()
                # What it tells may be as old as its first look.
                kept.until = began + SECONDS
            answer: T = kept.answer
            return answer

    def forget(self) -> None:
        """Let everything be worked out anew; after whatever was done is committed."""
        # What is being worked out for those who asked before is not kept for those who ask now.
        self._kept = {}
