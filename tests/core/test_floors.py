"""Lanes are scanned from a floor only while scanning them from their beginning is slow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from runtime.core.floors import Floors, Sweeps

AT = datetime(2026, 6, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_as_long_as_scans_are_short_each_begins_at_the_beginning() -> None:
    floors = Floors()
    floors.claimed([(5, AT)])
    floors.swept(100.0, 100.01)

    assert floors.choose(100.01) == {}


def test_after_a_slow_scan_the_next_ones_begin_a_second_before_where_it_left_off() -> None:
    floors = Floors()
    floors.claimed([(5, AT), (5, AT + SECOND), (9, AT)])
    floors.swept(100.0, 100.1)

    assert floors.choose(100.2) == {5: AT, 9: AT - SECOND}
    floors.claimed([(9, AT + 3 * SECOND)])
    assert floors.choose(100.3) == {5: AT, 9: AT + 2 * SECOND}


def test_a_sweep_takes_a_fiftieth_of_the_time_and_is_never_farther_than_ten_seconds() -> None:
    floors = Floors()
    floors.claimed([(5, AT)])
    floors.swept(100.0, 100.1)
    assert floors.choose(105.0) == {5: AT - SECOND}
    assert floors.choose(105.1) == {}

    floors.swept(200.0, 203.0)
    assert floors.choose(212.9) == {5: AT - SECOND}
    assert floors.choose(213.0) == {}


def test_sweeps_are_due_until_one_was_slow() -> None:
    sweeps = Sweeps()
    assert sweeps.are_due(0.0)

    sweeps.swept(0.0, 0.1)

    assert not sweeps.are_due(5.0)
    assert sweeps.are_due(5.1)
