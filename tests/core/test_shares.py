"""Each lane is owed a twentieth of the runs that are claimed, and never much more."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from runtime.core.shares import Shares


def test_at_first_nothing_comes_before_what_is_most_urgent() -> None:
    assert Shares([9, 1]).choose() == {9: 0, 1: 0}


def test_a_lane_that_got_nothing_of_twenty_runs_is_owed_one_until_it_gets_it() -> None:
    shares = Shares([9, 1])
    shares.claimed([9] * 19)
    assert shares.choose()[1] == 0

    shares.claimed([9])
    assert shares.choose() == {9: 0, 1: 1}
    shares.claimed([1])
    assert shares.choose() == {9: 0, 1: 0}


def test_what_a_lane_had_no_work_for_is_not_saved_up() -> None:
    shares = Shares([9, 1])
    for _ in range(100):
        shares.claimed([9] * 50)

    assert 2 <= shares.choose()[1] < 5


def test_a_lane_keeps_what_it_is_owed_while_others_take_all_there_is_room_for() -> None:
    shares = Shares([9, 5, 1])
    shares.claimed([9] * 20)
    assert shares.choose() == {9: 0, 5: 1, 1: 1}

    shares.claimed([5])
    assert shares.choose() == {9: 0, 5: 0, 1: 1}


@pytest.mark.parametrize("limit", [1, 3, 32, 256])
def test_every_lane_gets_its_share_of_a_flood_of_urgent_work(limit: int) -> None:
    sizes = random.Random(limit)
    shares = Shares(range(1, 10))
    given: Counter[int] = Counter()
    while given.total() < 10_000:
        asked = sizes.randint(1, limit)
        owed = [lane for lane, many in shares.choose().items() for _ in range(many)]
        claimed = sorted(owed, reverse=True)[:asked]
        claimed += [9] * (asked - len(claimed))
        shares.claimed(claimed)
        given.update(claimed)

    assert min(given.values()) > 0.97 * given.total() / 20
