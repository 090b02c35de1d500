"""Why no event has started a run: what a task listens to, and what it has heard, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from runtime.core.evidence import Evidence, ListenerStand
from runtime.core.explain_conditions import condition_facts

Clock = Callable[[datetime], str]
"""How an instant is told."""


def trigger_facts(evidence: Evidence, clock: Clock) -> Iterator[str]:
    """What stands between the task and a run that time does not bring about."""
    yield from condition_facts(evidence, clock)
    yield from listener_facts(evidence, clock)


def listener_facts(evidence: Evidence, clock: Clock) -> Iterator[str]:
    """What the task listens to, a sentence each; nothing where it listens to nothing."""
    for one in evidence.listeners:
        where = f" where {one.filter}" if one.filter else ""
        yield f"it listens to {one.topic}{where} since {clock(one.since)}: {_standing(one, evidence, clock)}"


def _standing(one: ListenerStand, evidence: Evidence, clock: Clock) -> str:
    if one.heard and one.fire_at is not None:
        waiting = f"{one.heard:,} event{'s' * (one.heard != 1)} wait{'s' * (one.heard == 1)}"
        return f"{waiting}, {_until(one.fire_at, evidence, clock)}"
    if "*" in one.topic:
        return "no event waits to be decided"
    if one.last_at is None:
        return "no event of this topic is on record"
    if one.last_at < one.since:
        return f"the last event of this topic came before, {clock(one.last_at)}"
    filtered = ", and the filter has the last word on it" if one.filter else ""
    return f"the last event of this topic came {clock(one.last_at)}{filtered}"


def _until(fire_at: datetime, evidence: Evidence, clock: Clock) -> str:
    now = evidence.now
    paused = any(
        one.kind == "pause" and one.since <= now and (one.until is None or one.until > now)
        for one in evidence.pauses
    )
    if paused:
        return "and the task is paused"
    if fire_at > now:
        return f"to be decided {clock(fire_at)}"
    if not any(one.since <= now <= one.until for one in evidence.runtimes):
        return "and no runtime is alive to decide"
    return "and about to be decided"
