"""Whether a failed step is tried again, and when.

Backoff with full jitter after Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): each wait is
drawn evenly between zero and its bound, which spreads tries that failed together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, assert_never

from runtime.core.outcomes import UNKNOWN_OUTCOMES, CallOutcome, OutcomeClass

Backoff = Literal["exponential", "linear", "fixed"]
REPEATABLE_EFFECTS = frozenset({"pure", "idempotent"})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A step's retry as its spec says; `attempts` counts the first try."""

    attempts: int
    backoff: Backoff
    initial: timedelta
    max: timedelta
    jitter: bool
    retry_on: frozenset[OutcomeClass]


def may_retry(policy: RetryPolicy, outcome: CallOutcome, attempt: int, effect: str) -> bool:
    """Whether try number `attempt` (from 1), having failed with `outcome`, may be followed by another.

    A call that may have happened is repeated unless the step says that repeating does harm.
    """
    if attempt >= policy.attempts or outcome.kind not in policy.retry_on:
        return False
    return outcome.kind not in UNKNOWN_OUTCOMES or effect != "once"


def retry_delay(
    policy: RetryPolicy, attempt: int, spread: float, retry_after: float | None = None
) -> timedelta:
    """The wait after try number `attempt` (from 1).

    Args:
        policy: the step's policy.
        attempt: the try that failed.
        spread: a number drawn evenly from [0, 1).
        retry_after: seconds that the tool asked for; the wait is never shorter.
    """
    bound = min(policy.max, _bound(policy, attempt))
    delay = bound * spread if policy.jitter else bound
    return max(delay, timedelta(seconds=retry_after)) if retry_after is not None else delay


def _bound(policy: RetryPolicy, attempt: int) -> timedelta:
    match policy.backoff:
        case "exponential":
            # The cap has long won by then; the exponent is held down so that the product cannot overflow.
            return min(policy.max, policy.initial) * (1 << min(attempt - 1, 20))
        case "linear":
            return policy.initial * attempt
        case "fixed":
            return policy.initial
        case _:
            assert_never(policy.backoff)
