"""Runs that lose their runtime again and again: when they are suspected of killing it, and what becomes of them.

A run whose step kills the runtime would be claimed again for ever, and take along whatever runs beside it. So leases are
counted: after `_TRUSTED_LEASES` without progress a run is executed while no other such run is, which shows who is to
blame, and after `_MAX_LEASES` it is given up.
"""

from __future__ import annotations

from typing import Final

from runtime.core.course import Failure
from runtime.core.outcomes import CallError
from runtime.core.program import Program
from runtime.ending import Ending, recorded_ending
from runtime.progress import Progress
from runtime.store.due_work import Claim, Report
from runtime.store.recorded import Recorded

_TRUSTED_LEASES: Final = 2
_MAX_LEASES: Final = 5
_ERROR: Final = CallError(
    "ORD507",
    f"the run was begun {_MAX_LEASES} times, and each time its runtime was lost before a step was over",
)


def is_suspect(claim: Claim) -> bool:
    """Whether it may be this run that kills its runtimes."""
    return claim.attempt > _TRUSTED_LEASES


def is_given_up(claim: Claim) -> bool:
    """Whether its steps are not tried any more."""
    return claim.attempt > _MAX_LEASES


def given_up(claim: Claim, program: Program, recorded: Recorded) -> Report:
    """That a run is given up: its steps alone where those of `finally` are left, which then go on; else all of it."""
    seconds = (claim.claimed_at - claim.started_at).total_seconds()
    progress = Progress(claim, program.label)
    progress.has_waited = bool(recorded.waits)
    if not program.last or recorded_ending(recorded) is not None:
        return progress.finished(seconds, Failure(_ERROR))
    progress.steps_over(Ending(Failure(_ERROR), seconds))
    return progress.checkpoint()
