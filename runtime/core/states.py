"""The life of a run, as one table: state x event -> state.

Theory of operation
    A run is `queued` when its occurrence was decided in its favour, or `skipped`, with a reason, when not. Claiming it
    makes it `running`. A step that must wait (for its next try, for a span of time, for a person) makes it `waiting`:
    the slot is free, and a later claim makes it `running` again. A crash changes nothing here: the lease expires and the
    run, still `running`, is claimed again. One that was claimed and finds that its agent may begin no more of them that day
    is `skipped` before its first step. Final states have no way out.

The database holds the same states in a constraint; a test compares the two.
"""

from __future__ import annotations

from typing import Final, Literal

RunState = Literal["queued", "running", "waiting", "succeeded", "failed", "cancelled", "skipped"]
RunEvent = Literal["claim", "wait", "succeed", "fail", "cancel", "skip"]

TRANSITIONS: Final[dict[tuple[RunState, RunEvent], RunState]] = {
    ("queued", "claim"): "running",
    ("queued", "cancel"): "cancelled",
    ("queued", "skip"): "skipped",
    ("running", "claim"): "running",
    ("running", "wait"): "waiting",
    ("running", "succeed"): "succeeded",
    ("running", "fail"): "failed",
    ("running", "cancel"): "cancelled",
    ("running", "skip"): "skipped",
    ("waiting", "claim"): "running",
    ("waiting", "cancel"): "cancelled",
}
ACTIVE_STATES: Final[frozenset[RunState]] = frozenset({"queued", "running", "waiting"})
FINAL_STATES: Final[frozenset[RunState]] = frozenset(
    {"succeeded", "failed", "cancelled", "skipped"}
)
