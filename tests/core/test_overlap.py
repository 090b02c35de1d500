from __future__ import annotations

import pytest

from runtime.core.overlap import (
    QUEUE_ALL,
    Admission,
    Fate,
    OverlapPolicy,
    Standing,
    admission,
    fate_of,
)

IDLE = Standing()
WORKING = Standing(runs=True, is_busy=True)
BACKFILLING = Standing(is_busy=True)


def queued(count: int) -> Standing:
    return Standing(runs=True, is_busy=True, waits=count)


@pytest.mark.parametrize("policy", ["skip", "queue_one", "queue_all", "cancel_running", "allow"])
def test_with_nothing_else_to_do_a_run_begins_whatever_the_policy(policy: OverlapPolicy) -> None:
    assert fate_of(admission(policy), IDLE) == "begin"


@pytest.mark.parametrize(
    ("policy", "met", "fate"),
    [
        ("skip", WORKING, "overlap"),
        ("queue_one", WORKING, "wait"),
        ("queue_one", queued(1), "overlap_queue_full"),
        ("queue_all", queued(QUEUE_ALL - 1), "wait"),
        ("queue_all", queued(QUEUE_ALL), "overlap_queue_full"),
        ("allow", queued(QUEUE_ALL), "begin"),
    ],
)
def test_a_run_that_meets_another_does_what_its_policy_says(
    policy: OverlapPolicy, met: Standing, fate: Fate
) -> None:
    assert fate_of(admission(policy), met) == fate


def test_a_run_that_takes_anothers_place_waits_only_for_what_is_left() -> None:
    entry = admission("cancel_running")

    assert entry.replaces
    assert fate_of(entry, BACKFILLING) == "wait"


@pytest.mark.parametrize("policy", ["skip", "queue_one"])
def test_a_run_that_meets_only_a_backfill_waits_if_no_other_does(policy: OverlapPolicy) -> None:
    entry = admission(policy)

    assert fate_of(entry, BACKFILLING) == "wait"
    assert fate_of(entry, Standing(is_busy=True, waits=1)) != "wait"


@pytest.mark.parametrize("policy", ["skip", "queue_one"])
def test_missed_runs_wait_for_each_other_whatever_the_policy(policy: OverlapPolicy) -> None:
    assert admission(policy, missed=100) == Admission(may_wait=100)


def test_missed_runs_do_not_narrow_a_wide_queue() -> None:
    assert admission("queue_all", missed=100).may_wait == QUEUE_ALL
    assert admission("queue_all", missed=5000).may_wait == 5000
