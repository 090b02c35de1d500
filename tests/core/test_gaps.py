"""Every number of the log is seen once, whatever order transactions commit in, and what nobody commits is given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from runtime.core.gaps import LAG, LONGEST_STATEMENT, MOST_MISSING, PATIENCE_SECONDS, Gaps

AT = datetime(2026, 1, 5, 8, tzinfo=UTC)


def take(gaps: Gaps, *numbers: int, top: int = 0, now: float = 0.0) -> set[int]:
    return gaps.take(numbers, top, since=AT, until=AT, now=now)


def sought(gaps: Gaps, now: float) -> list[int]:
    return [number for look in gaps.looks(now) for number in look.numbers]


def test_what_is_read_again_is_not_new() -> None:
    gaps = Gaps(3)

    assert take(gaps, 2, 3, 4, 5) == {4, 5}
    assert take(gaps, 4, 5, 6) == {6}
    assert gaps.top == 6


def test_numbers_left_out_are_looked_for_until_they_are_found() -> None:
    gaps = Gaps(0)
    take(gaps, 1, 4)

    assert sought(gaps, 0.1) == []
    assert sought(gaps, 0.5) == [2, 3]
    assert take(gaps, 2, now=0.5) == {2}
    assert sought(gaps, 1.5) == [3]
    assert take(gaps, 3, now=1.5) == {3}
    assert gaps.missing == ()
    assert sought(gaps, 100.0) == []


def test_numbers_that_were_drawn_and_not_seen_at_all_are_gaps_too() -> None:
    gaps = Gaps(0)

    assert take(gaps, top=2) == set()
    assert sought(gaps, 1.0) == [1, 2]


def test_looks_become_rarer_and_later_ones_go_further_back() -> None:
    gaps = Gaps(0)
    take(gaps, 2)
    looks = [(now / 10, look.since) for now in range(3_000) for look in gaps.looks(now / 10)]

    assert [now for now, _ in looks] == [0.5, 1, 3, 7, 15, 31, 63, 127, 255]
    assert [since for _, since in looks[:4]] == [AT - LAG] * 4
    assert {since for _, since in looks[4:]} == {AT - LAG - LONGEST_STATEMENT}


def test_what_nobody_commits_is_given_up_in_time() -> None:
    gaps = Gaps(0)
    take(gaps, 2, 4)

    assert gaps.give_up(PATIENCE_SECONDS - 1) == 0
    assert gaps.give_up(PATIENCE_SECONDS) == 2
    assert gaps.missing == ()
    assert take(gaps, 3, now=PATIENCE_SECONDS) == set()


def test_a_sequence_that_jumps_far_ahead_costs_no_more_than_the_bound() -> None:
    gaps = Gaps(0)
    take(gaps, 10**12)

    assert len(gaps.missing) < MOST_MISSING
    assert gaps.given_up + len(gaps.missing) == 10**12 - 1

    take(gaps, 10**12 + 9_000)
    assert len(gaps.missing) == MOST_MISSING
    assert gaps.missing[-1] == 10**12 + 8_999


def test_what_an_earlier_process_missed_is_looked_for() -> None:
    gaps = Gaps(10)
    gaps.miss([7, 9], since=AT, until=AT + timedelta(minutes=1), now=0.0)

    [look] = gaps.looks(0.5)
    assert look.numbers == [7, 9]
    assert take(gaps, 7, 8, 9) == {7, 9}


@given(st.permutations(range(1, 30)), st.lists(st.integers(1, 10), min_size=30, max_size=30))
def test_every_number_is_new_once_whatever_order_they_come_in(
    order: list[int], sizes: list[int]
) -> None:
    gaps, seen, left, now = Gaps(0), [], list(order), 0.0
    for size in sizes:
        now += 1.0
        visible, left = set(order) - set(left[size:]), left[size:]
        looked = {number for look in gaps.looks(now) for number in look.numbers}
        for read in (visible & looked, {number for number in visible if number > gaps.top}):
            seen += take(gaps, *read, now=now)
    seen += take(gaps, *[n for look in gaps.looks(now + 64) for n in look.numbers], now=now + 64)

    assert sorted(seen) == list(range(1, 30))
