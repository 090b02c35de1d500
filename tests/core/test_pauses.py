"""Pauses that double."""

from __future__ import annotations

from runtime.core.pauses import doubled_pause


def test_a_pause_doubles_up_to_the_longest_and_stays_there_however_long_it_goes_on() -> None:
    pauses = [doubled_pause(n, first=0.2, longest=1.0) for n in (1, 2, 3, 4, 5_000)]

    assert pauses == [0.2, 0.4, 0.8, 1.0, 1.0]
