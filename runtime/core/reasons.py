"""Why an occurrence does not run, or a run was taken back, and what one waits for: codes with their meanings, in tables.

The codes are few and stay as they are, so that people can count by them; what a reason is about, such as the calendar,
is kept beside it.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Reason(NamedTuple):
    """What a code means, and what to change to have it otherwise."""

    sentence: str
    hint: str


REASONS: Final[dict[str, Reason]] = {
    "budget": Reason(
        "as many runs of its agent had begun that day as its budget allows",
        "the agent's budgets say how many; the day begins anew at 00:00 UTC",
    ),
    "calendar": Reason(
        "a calendar of the schedule excludes it",
        "exclude and include name the calendars, on_excluded says what becomes of such an occurrence",
    ),
    "cancelled": Reason(
        "somebody cancelled it",
        "`ordinaut show` tells how far it came; `ordinaut run` runs the task anew",
    ),
    "catch_up_latest": Reason(
        "it was missed, and only the latest of the missed occurrences runs",
        "catch_up: {policy: all} runs each of them",
    ),
    "catch_up_max": Reason(
        "it was missed, with more later ones than catch_up.max lets run",
        "raise catch_up.max, or run it with `ordinaut backfill`",
    ),
    "catch_up_skip": Reason(
        "it was missed, and the task does not run what it missed",
        "catch_up: {policy: latest} runs the latest of what was missed",
    ),
    "catch_up_window": Reason(
        "it was missed, and decided when it was older than the catch-up window",
        "lengthen catch_up.window, or run it with `ordinaut backfill`",
    ),
    "event_loop": Reason(
        "runs of the task had started it by their own events again and again",
        "let the filter leave out events of the task's own runs, or emit another topic",
    ),
    "filter_failed": Reason(
        "the filter of its schedule cannot be evaluated for this event",
        "write the filter so that it also holds, or does not, for events of this shape",
    ),
    "overlap": Reason(
        "another run of the task was active, and the task's runs do not overlap",
        "overlap says what happens then: queue_one, queue_all, cancel_running or allow",
    ),
    "overlap_queue_full": Reason(
        "another run of the task was active, and as many as may wait did so already",
        "overlap: queue_all lets more runs wait than queue_one",
    ),
    "overlap_replaced": Reason(
        "it was missed, and of runs that take each other's place only the latest runs",
        "any other overlap than cancel_running lets catch_up: {policy: all} run each of them",
    ),
    "paused": Reason(
        "the task was paused when its schedule was replaced",
        "`ordinaut resume` ends a pause; `ordinaut backfill` runs what it held back",
    ),
    "replaced": Reason(
        "the schedule that heard the event was replaced before it was decided",
        "emit the event anew, with another id, for the schedule that is in force now",
    ),
    "retired": Reason("the task was retired before it could run", "specs that have it restore it"),
    "snoozed": Reason(
        "the task was snoozed when it was due",
        "`ordinaut resume` ends a snooze; `ordinaut backfill` runs what it left out",
    ),
    "start_deadline": Reason(
        "nobody had started it by its start deadline",
        "lengthen start_deadline, or see with `ordinaut status` whether the runtimes have room",
    ),
}
"""The reasons by code."""

AWAITED: Final = {
    "approval": " for a person to decide",
    "budget": " for other calls to end, as they may use up the agent's budget",
    "callback": " for a callback",
    "event": " for an event",
    "rate_limit": " for the turn of a call, as calls are limited",
    "retry": " for its next try",
    "run": " for another run to end",
    "unknown": " for somebody to settle whether a call happened",
}
"""What a run waits for that has begun, by the reason in `run.waiting`; a time needs no words."""
