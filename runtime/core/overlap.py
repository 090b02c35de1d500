"""What a run may do when another run of its task is active: begin beside it, end it, wait for it, or not run.

A run is active from the moment it is queued until it is over, unless it waits in the backlog. Missed occurrences that all
run never run side by side on account of being late: they go one after another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, assert_never

OverlapPolicy = Literal["skip", "queue_one", "queue_all", "cancel_running", "allow"]

QUEUE_ALL: Final = 1000
"""How many runs of a task `queue_all` lets wait."""


@dataclass(frozen=True, slots=True)
class Admission:
    """How one run meets the active runs of its task.

    Attributes:
        beside: it begins, whatever is active.
        replaces: what is active or waits is cancelled first.
        may_wait: how many runs of the task may wait for their turn, this one included; 0 if it does not wait at all.
    """

    beside: bool = False
    replaces: bool = False
    may_wait: int = 0


def admission(policy: OverlapPolicy, *, missed: int = 0) -> Admission:
    """How a run is let in.

    Args:
        policy: the task's.
        missed: if it runs because everything missed does, how many such runs there may be; else 0.
    """
    match policy:
        case "skip":
            return Admission(may_wait=missed)
        case "queue_one":
            return Admission(may_wait=max(1, missed))
        case "queue_all":
            return Admission(may_wait=max(QUEUE_ALL, missed))
        case "cancel_running":
            return Admission(replaces=True, may_wait=QUEUE_ALL)
        case "allow":
            return Admission(beside=True)
        case _:
            assert_never(policy)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a new run of a task meets.

    Attributes:
        runs: some run of it is active that is no backfill.
        is_busy: some run of it is active or waits.
        waits: how many runs wait, backfills not counted.
    """

    runs: bool = False
    is_busy: bool = False
    waits: int = 0


Fate = Literal["begin", "wait", "overlap", "overlap_queue_full"]
"""A run begins, waits for its turn, or does not run for that reason."""


def fate_of(entry: Admission, standing: Standing) -> Fate:
    """What becomes of one run; `fire_schedules` decides many by the same rule.

    A run that meets nothing but a backfill waits, whatever the policy, if no other does: a backfill takes nobody's place.
    """
    if entry.beside or not standing.is_busy:
        return "begin"
    room = entry.may_wait if standing.runs else max(1, entry.may_wait)
    if standing.waits < room:
        return "wait"
    return "overlap_queue_full" if entry.may_wait else "overlap"
