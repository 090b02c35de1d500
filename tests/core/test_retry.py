from __future__ import annotations

from datetime import timedelta

import pytest

from runtime.core.outcomes import OUTCOME_CLASSES, CallOutcome, OutcomeClass
from runtime.core.retry import RetryPolicy, may_retry, retry_delay

EVERYTHING = frozenset(OUTCOME_CLASSES)


def policy(**overrides: object) -> RetryPolicy:
    values: dict[str, object] = {
        "attempts": 5,
        "backoff": "exponential",
        "initial": timedelta(seconds=1),
        "max": timedelta(seconds=300),
        "jitter": False,
        "retry_on": EVERYTHING,
    }
    return RetryPolicy(**{**values, **overrides})  # type: ignore[arg-type]  # overrides are typed by name


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [
        ("exponential", [1, 2, 4, 8, 10, 10]),
        ("linear", [1, 2, 3, 4, 5, 6]),
        ("fixed", [1, 1, 1, 1, 1, 1]),
    ],
)
def test_the_wait_grows_as_its_backoff_says_and_no_further_than_its_bound(
    backoff: str, waits: list[int]
) -> None:
    rule = policy(backoff=backoff, max=timedelta(seconds=10))

    assert [retry_delay(rule, attempt, 0.5).total_seconds() for attempt in range(1, 7)] == waits


def test_full_jitter_draws_between_zero_and_the_bound() -> None:
    rule = policy(jitter=True)

    assert retry_delay(rule, 3, 0.0) == timedelta(0)
    assert retry_delay(rule, 3, 0.5) == timedelta(seconds=2)


def test_a_wait_the_tool_asked_for_is_never_cut_short() -> None:
    assert retry_delay(policy(), 1, 0.0, retry_after=42.0) == timedelta(seconds=42)


def test_a_hundredth_try_does_not_overflow() -> None:
    assert retry_delay(policy(), 100, 0.0) == timedelta(seconds=300)


def test_the_last_try_is_not_followed_by_another() -> None:
    outcome = CallOutcome("tool_error")

    assert may_retry(policy(attempts=3), outcome, 2, "pure")
    assert not may_retry(policy(attempts=3), outcome, 3, "pure")


def test_only_the_named_outcomes_are_tried_again() -> None:
    rule = policy(retry_on=frozenset({"not_sent"}))

    assert may_retry(rule, CallOutcome("not_sent"), 1, "once")
    assert not may_retry(rule, CallOutcome("tool_error"), 1, "pure")


@pytest.mark.parametrize("kind", ["lost", "timeout"])
@pytest.mark.parametrize(
    ("effect", "repeatable"),
    [("pure", True), ("idempotent", True), ("once", False), ("transactional", True)],
)
def test_a_call_that_may_have_happened_is_repeated_only_where_that_is_harmless(
    kind: OutcomeClass, effect: str, repeatable: bool
) -> None:
    assert may_retry(policy(), CallOutcome(kind, sent=True), 1, effect) is repeatable
