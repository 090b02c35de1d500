"""Rule about tasks that their own events start again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from reconciler.core.lint.world import World
from reconciler.core.references import steps_of
from runtime.core.hearing import OWN, matches
from runtime.core.waits import EMIT
from schemas.event import EVENTS
from schemas.problem import Problem
from schemas.schedule import EventSchedule
from schemas.task import Task

_OF_RUNS: Final = tuple(f"{OWN}{kind}" for kind in EVENTS if kind.startswith(("run.", "step.")))


def own_events(world: World) -> Iterator[Problem]:
    """ORD818: a task listens to what its own runs tell, and no filter leaves that out."""
    for entry, _ in world.tasks():
        task = entry.document
        assert isinstance(task, Task)  # noqa: S101 - what was asked
        told = {*_OF_RUNS, *_emitted(task)}
        for number, schedule in enumerate(task.schedule):
            if not isinstance(schedule, EventSchedule) or schedule.filter is not None:
                continue
            own = sorted(topic for topic in told if matches(schedule.event, topic))
            if own:
                yield from entry.problem(
                    ("schedule", number, "event"),
                    "ORD818",
                    f"runs of this task tell of `{own[0]}` themselves, and would start it again",
                    "leave its own out with `filter`, such as \"data.task != 'its-name'\", or emit another topic",
                )


def _emitted(task: Task) -> Iterator[str]:
    for _, step in steps_of(task):
        topic = step.with_.get("event")
        if step.uses == EMIT and isinstance(topic, str) and "${" not in topic:
            yield topic
