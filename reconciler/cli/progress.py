"""How far a command is that takes more than a moment: one line on stderr, which goes again.

Only where stderr is a terminal; a log of a CI system and whoever reads `--json` see nothing of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TextIO

from reconciler.core.through import T
from runtime.clock import SYSTEM_CLOCK, Clock

_PATIENCE_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 0.1
# Looking at the clock for each would be work of its own.
_EVERY: Final = 32
_BAR: Final = 24
_CLEARED: Final = "\r\x1b[K"


class Progress:
    """The progress of one command, counted from now on.

    Args:
        clock: for the time that has passed.
        stream: where it is shown.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK, stream: TextIO | None = None) -> None:
        self._clock = clock
        self._stream = stream or sys.stderr
        self._next = clock.monotonic() + _PATIENCE_SECONDS
        self._shown = False

    def through(self, doing: str, items: Sequence[T], /) -> Iterator[T]:
        """The items, while a bar shows how many of them are done."""
        if not self._stream.isatty():
            yield from items
            return
        try:
            for number, item in enumerate(items):
                if number % _EVERY == 0:
                    self._tell(doing, number, len(items))
                yield item
        finally:
            self._clear()

    @contextmanager
    def during(self, doing: str) -> Iterator[None]:
        """Say what is being done, where nobody can tell how far it is."""
        if self._stream.isatty():
            self._show(f"{doing} ...")
        try:
            yield
        finally:
            self._clear()

    def _tell(self, doing: str, done: int, total: int) -> None:
        now = self._clock.monotonic()
        if now >= self._next:
            self._next = now + _AGAIN_SECONDS
            bar = "#" * (_BAR * done // total)
            self._show(f"{doing} [{bar.ljust(_BAR, '-')}] {done:,} of {total:,}")

    def _show(self, text: str) -> None:
        self._stream.write(f"\r{text}\x1b[K")
        self._stream.flush()
        self._shown = True

    def _clear(self) -> None:
        if self._shown:
            self._stream.write(_CLEARED)
            self._stream.flush()
            self._shown = False
