"""When an answer fires: the phases of a condition, told in stories, and their rules over any row of answers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.core.condition import ConditionRule, Standing, describe_condition, judge

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RISING = ConditionRule()
LEVEL = ConditionRule("level")
ABOVE, BETWEEN, BELOW = (True, False), (False, False), (False, True)
"""Answers as (meets the condition, satisfies the rearming)."""


def firings(
    rule: ConditionRule, answers: Iterable[tuple[bool, bool]], standing: Standing | None = None
) -> list[bool]:
    """Whether each of these answers fires, one a minute."""
    standing = standing or Standing()
    fired = []
    for minute, (is_met, is_rearmed) in enumerate(answers):
        now = NOON + minute * MINUTE
        verdict = judge(rule, standing, is_met=is_met, is_rearmed=is_rearmed, now=now)
        standing = verdict.standing
        fired.append(verdict.fires)
    return fired


def minutes(rule: ConditionRule, *answers: tuple[bool, bool]) -> list[int]:
    """The minutes at which a story fires."""
    return [minute for minute, fires in enumerate(firings(rule, answers)) if fires]


def test_an_edge_fires_once_however_long_the_condition_is_met() -> None:
    assert minutes(RISING, BELOW, ABOVE, ABOVE, ABOVE, BELOW, ABOVE) == [1, 5]


def test_a_level_fires_at_each_answer_that_meets_the_condition() -> None:
    assert minutes(LEVEL, BELOW, ABOVE, ABOVE, BELOW, ABOVE) == [1, 2, 4]


def test_a_first_answer_that_meets_the_condition_is_an_edge() -> None:
    assert minutes(RISING, ABOVE, ABOVE) == [0]


def test_between_two_thresholds_a_condition_that_fired_does_not_fire_again() -> None:
    assert minutes(RISING, ABOVE, BETWEEN, ABOVE, BETWEEN, ABOVE, BELOW, BETWEEN, ABOVE) == [0, 7]


def test_a_condition_that_never_fired_needs_no_rearming() -> None:
    assert minutes(RISING, BETWEEN, ABOVE) == [1]


def test_a_rearming_while_the_condition_is_met_counts_from_the_next_edge() -> None:
    both = (True, True)

    assert minutes(RISING, ABOVE, both, ABOVE, BETWEEN, ABOVE) == [0, 4]


def test_an_edge_before_the_rearming_is_lost() -> None:
    both = (True, True)

    assert minutes(RISING, ABOVE, BETWEEN, ABOVE, both, ABOVE, BELOW, ABOVE) == [0, 6]


@pytest.mark.parametrize("edge", ["rising", "level"])
def test_a_condition_that_must_hold_fires_when_it_has_held_for_so_long(edge: str) -> None:
    rule = ConditionRule(edge, 2 * MINUTE)  # type: ignore[arg-type]  # parametrize knows only str

    story = minutes(rule, ABOVE, ABOVE, BELOW, ABOVE, ABOVE, ABOVE, ABOVE)

    assert story == ([5] if edge == "rising" else [5, 6])


def test_a_stretch_goes_on_over_a_time_in_which_nobody_asked() -> None:
    rule = ConditionRule("rising", timedelta(minutes=10))
    before = judge(rule, Standing(), is_met=True, is_rearmed=False, now=NOON).standing

    after = judge(rule, before, is_met=True, is_rearmed=False, now=NOON + 10 * MINUTE)

    assert (after.fires, after.standing.met_since) == (True, NOON)


answers = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40)
holds = st.integers(0, 4).map(lambda count: count * MINUTE)


@given(answers, holds)
def test_an_edge_fires_only_after_a_stretch_of_the_asked_length(
    row: list[tuple[bool, bool]], hold: timedelta
) -> None:
    needed = hold // MINUTE + 1

    for minute, fires in enumerate(firings(ConditionRule("rising", hold), row)):
        if fires:
            assert minute + 1 >= needed
            assert all(is_met for is_met, _ in row[minute + 1 - needed : minute + 1])


@given(answers, holds)
def test_between_two_edges_the_condition_was_rearmed_and_then_not_met(
    row: list[tuple[bool, bool]], hold: timedelta
) -> None:
    fired = [m for m, fires in enumerate(firings(ConditionRule("rising", hold), row)) if fires]

    for one, other in pairwise(fired):
        rearmed = next(m for m in range(one + 1, other) if row[m][1])
        assert any(not row[m][0] for m in range(rearmed, other))


@given(st.lists(st.booleans(), max_size=40))
def test_without_a_rearming_of_its_own_an_edge_fires_at_each_beginning_of_a_stretch(
    row: list[bool],
) -> None:
    story = firings(RISING, [(is_met, not is_met) for is_met in row])

    assert story == [
        is_met and not before for before, is_met in zip([False, *row], row, strict=False)
    ]


@given(answers, holds)
def test_a_level_fires_exactly_where_the_last_answers_all_meet_the_condition(
    row: list[tuple[bool, bool]], hold: timedelta
) -> None:
    needed = hold // MINUTE + 1
    met = [is_met for is_met, _ in row]

    assert firings(ConditionRule("level", hold), row) == [
        minute + 1 >= needed and all(met[minute + 1 - needed : minute + 1])
        for minute in range(len(met))
    ]


@given(answers, holds, st.integers(0, 40))
def test_what_is_remembered_is_all_that_matters(
    row: list[tuple[bool, bool]], hold: timedelta, cut: int
) -> None:
    """Whoever goes on from what was written down, as after a restart, decides as if nothing had happened."""
    rule, standing = ConditionRule("rising", hold), Standing()
    for minute, (is_met, is_rearmed) in enumerate(row[:cut]):
        now = NOON + minute * MINUTE
        standing = judge(rule, standing, is_met=is_met, is_rearmed=is_rearmed, now=now).standing
    written = Standing(standing.phase, standing.met_since)
    rest = []
    for minute, (is_met, is_rearmed) in enumerate(row[cut:], start=cut):
        now = NOON + minute * MINUTE
        verdict = judge(rule, written, is_met=is_met, is_rearmed=is_rearmed, now=now)
        written = verdict.standing
        rest.append(verdict.fires)

    assert rest == firings(rule, row)[cut:]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "when meter.read comes to answer result.level > `3`, asked every 5m"),
        (
            {"edge": "level", "for": "10m"},
            "each time meter.read answers result.level > `3` for 10m, asked every 5m",
        ),
        (
            {"rearm": "result.level < `2`"},
            "when meter.read comes to answer result.level > `3`, asked every 5m,"
            " again only after result.level < `2`",
        ),
    ],
)
def test_a_condition_reads_as_a_sentence(more: dict[str, str], words: str) -> None:
    poll = {"uses": "meter.read", "every": "5m", "when": "result.level > `3`", "edge": "rising"}

    assert describe_condition(poll | more) == words
