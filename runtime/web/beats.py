"""A thread that does one thing again and again while the process serves, and outlasts a database that is away."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Final, Self

import psycopg

from runtime.errors import OrdinautError
from runtime.logs import get_logger

_log = get_logger("web")
_AWAY_SECONDS: Final = 1.0
_FAREWELL_SECONDS: Final = 2.0
AWAY: Final = (psycopg.Error, OrdinautError)
"""What is raised where the database is away, or refuses."""


class Beats:
    """One such thread; it works for as long as the block lasts.

    Args:
        name: the thread's.
        beat: what it does; returns how many seconds to wait before it does so again.
        without: what does not happen while the database is away; said in the log, once each time.
        farewell: what it does last, unless the database is away.
    """

    def __init__(
        self,
        name: str,
        beat: Callable[[], float],
        *,
        without: str,
        farewell: Callable[[], None] | None = None,
    ) -> None:
        self._beat = beat
        self._without = without
        self._farewell = farewell
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        # What waits for a database or a network that is away is not waited for.
        self._thread.join(_FAREWELL_SECONDS)

    @property
    def is_ending(self) -> bool:
        """Whether nothing more is to be begun."""
        return self._ended.is_set()

    def end(self) -> None:
        """Begin nothing more."""
        self._ended.set()

    def _run(self) -> None:
        is_away = False
        while not self.is_ending:
            try:
                pause = self._beat()
                is_away = False
            except AWAY as error:
                if not is_away:
                    reason = " ".join(str(error).split())
                    _log.warning("%s until the database is back: %s", self._without, reason)
                is_away, pause = True, _AWAY_SECONDS
            except Exception:  # noqa: BLE001 - one row that nobody thought of must not end it for good
                if not is_away:
                    _log.exception("%s for a moment: a defect", self._without)
                is_away, pause = True, _AWAY_SECONDS
            self._ended.wait(pause)
        if self._farewell is not None:
            with contextlib.suppress(*AWAY):
                self._farewell()
