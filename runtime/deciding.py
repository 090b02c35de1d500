"""From a task's body and what time has reached to decisions that can be written; scheduler and apply decide alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from runtime.core.identity import derive_run_id
from runtime.core.misfire import CatchUpRule, Expansion, Firing, decide
from runtime.core.program import task_label
from runtime.store.schedules import Decided
from schemas.durations import parse_duration


def decide_schedule(
    body: Mapping[str, Any],
    schedule: Expansion,
    cursor_for: datetime,
    now: datetime,
    *,
    ahead: bool = False,
) -> Firing:
    """Decide what time has reached by the task's catch-up policy, at most one batch.

    Args:
        body: the task's normalised body.
        schedule: its compiled schedule.
        cursor_for: up to where everything is decided.
        now: the server's time.
        ahead: decide also what jitter still holds back, because the schedule is about to go.
    """
    catch_up = body["catch_up"]
    rule = CatchUpRule(
        policy=catch_up["policy"], window=parse_duration(catch_up["window"]), max=catch_up["max"]
    )
    return decide(schedule, cursor_for, now, rule, ahead=ahead)


def decided(
    task_uid: int, revision_id: int, body: Mapping[str, Any], firing: Firing
) -> list[Decided]:
    """The decisions of one firing, ready to be written."""
    return [
        Decided(
            run_id=derive_run_id(task_uid, "schedule", "", decision.occurrence.at),
            task_uid=task_uid,
            task=task_label(body["namespace"], body["name"]),
            revision_id=revision_id,
            occurrence_for=decision.occurrence.at,
            due_at=decision.occurrence.due_at,
            lane=body["priority"],
            may_overlap=body["overlap"] == "allow",
            reason=decision.reason,
        )
        for decision in firing.decisions
    ]
