"""How often somebody may ask: buckets of turns that fill again with time, one for each token, and one for each address that guesses.

They are this process's own: several web processes allow as many times more. An address that shows wrong tokens is put off, and
whoever has a right one is not, even where a proxy lends both the same address.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from math import ceil
from typing import Final, Self

from runtime.clock import Clock
from runtime.web.problems import Refused

REQUESTS_A_SECOND: Final = 100.0
REQUESTS_AT_ONCE: Final = 300
GUESSES_A_SECOND: Final = 1.0
GUESSES_AT_ONCE: Final = 20
MAX_BUCKETS: Final = 10_000
_ROUNDING: Final = 1e-9


class Buckets:
    """One bucket for each key.

    Args:
        rate: turns a second.
        burst: turns that a full bucket holds.
        clock: what fills them.
    """

    def __init__(self, rate: float, burst: int, clock: Clock) -> None:
        self._step = 1 / rate
        self._room = burst / rate
        self._clock = clock
        # When each is full again; a full one needs no place.
        self._full_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, key: str) -> float:
        """Take a turn; 0, or in how many seconds there is one."""
        with self._lock:
            now = self._clock.monotonic()
            full_at = max(self._full_at.get(key, now), now) + self._step
            wait = full_at - now - self._room
            if wait > _ROUNDING:
                return wait
            if len(self._full_at) >= MAX_BUCKETS:
                self._full_at = {one: at for one, at in self._full_at.items() if at > now}
                if len(self._full_at) >= MAX_BUCKETS:
                    self._full_at.pop(next(iter(self._full_at)))
            self._full_at[key] = full_at
            return 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What is allowed.

    Attributes:
        requests: of each token.
        guesses: tokens that are none, of each address.
    """

    requests: Buckets
    guesses: Buckets

    @classmethod
    def by(cls, clock: Clock) -> Self:
        """The limits, all buckets full."""
        return cls(
            Buckets(REQUESTS_A_SECOND, REQUESTS_AT_ONCE, clock),
            Buckets(GUESSES_A_SECOND, GUESSES_AT_ONCE, clock),
        )


def require_turn(buckets: Buckets, key: str) -> None:
    """Refuse whoever asks too often.

    Raises:
        Refused: 429 ORD321, with when to come back.
    """
    wait = buckets.take(key)
    if wait:
        raise Refused(
            429,
            "too many requests",
            hint="`Retry-After` says in how many seconds there is a turn",
            code="ORD321",
            headers={"Retry-After": str(ceil(wait))},
        )
