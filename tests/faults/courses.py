"""Courses of events: what people, tools and machines do, in an order that follows from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tests.faults.openings import OPENINGS, Event
from tests.faults.wishes import (
    MAIN,
    OTHER,
    WORDS,
    Body,
    Kind,
    some_body,
)


def _outcome(draw: random.Random) -> tuple[str, bool]:
    """How a call ends, and whether its runtime dies right after it has recorded that."""
    return draw.choice(["ok"] * 14 + ["tool_error"] * 3 + ["lost"] * 3), draw.random() < 0.1


def _applied(draw: random.Random) -> tuple[str, Body]:
    name = draw.choice([MAIN, OTHER])
    return name, some_body(draw, name)


def _meddling(draw: random.Random) -> tuple[str, Any] | None:
    """What happens at the very instant of which something was decided before."""
    return draw.choice([None, None, None, *_MEDDLING])


_MEDDLING = (
    ("pause", None),
    ("snooze", 1),
    ("run_now", None),
    ("fire", None),
    ("set_clock", -1),
    ("set_clock", 20),
)


# How often each happens, among all, and what else has to be drawn for it.
EVENTS: Mapping[str, tuple[int, Callable[[random.Random], Any]]] = {
    "apply": (2, _applied),
    "retire": (1, lambda _: None),
    "run_now": (6, lambda draw: draw.choice([None, *WORDS])),
    "rerun": (3, lambda draw: (draw.choice(["", "failed", "a", "b"]), draw.random() < 0.5)),
    "backfill": (2, lambda draw: draw.choice([2, 6])),
    "pause": (2, lambda _: None),
    "snooze": (2, lambda draw: draw.choice([1, 3])),
    "resume": (4, lambda _: None),
    "cancel": (3, lambda draw: draw.random() < 0.2),
    "decide": (2, lambda draw: draw.random() < 0.7),
    "settle_doubt": (2, lambda draw: draw.choice(["happened", "try_again", "failed"])),
    "emit": (2, lambda draw: (draw.random() < 0.3, draw.choice(WORDS))),
    "call_back": (2, lambda _: None),
    "wait": (6, lambda draw: draw.choice([5, 11, 16, 31, 60, 61, 200, 700])),
    "reach": (8, lambda draw: (draw.random() < 0.7, None)),
    "set_clock": (3, lambda draw: draw.choice([-90, -20, -1, 20, 20, 90])),
    "fire": (10, lambda _: None),
    "fire_all_at_once": (1, lambda _: None),
    "foresee": (3, _meddling),
    "let_through": (3, lambda _: None),
    "claim": (25, lambda _: None),
    "come_back": (50, _outcome),
    "tell_parents": (2, lambda _: None),
    "attend": (3, lambda _: None),
    "beat": (5, lambda _: None),
    "crash": (5, lambda _: None),
    "sweep": (3, lambda _: None),
}


# What the waits of steps are ended by.
ENDS: Mapping[Kind, str] = {
    "approve": "decide",
    "ask": "settle_doubt",
    "event": "emit",
    "callback": "call_back",
    "run": "tell_parents",
}


def course_of(seed: int, length: int) -> list[Event]:
    """A random course of events, the same for the same seed."""
    draw = random.Random(seed)
    # Each pipeline has its turn, however few courses there are, and what it waits for comes more often.
    opening = OPENINGS[seed % len(OPENINGS)]
    body = some_body(draw, MAIN, opening.steps)
    first = replace(body, **opening.wants)
    kinds = {step.kind for step in (*first.steps, *first.last)}
    wanted = {what for kind, what in ENDS.items() if kind in kinds}
    names = list(EVENTS)
    weights = [6 * weight if what in wanted else weight for what, (weight, _) in EVENTS.items()]
    course = [Event("apply", given=(MAIN, first))]
    if "run" in kinds:
        course.append(Event("apply", given=(OTHER, some_body(draw, OTHER))))
    course += [Event("emit", given=(False, "tea")), Event("run_now"), Event("claim")]
    course += [*opening.events, Event("apply", given=(MAIN, body))]
    course += [
        Event(what, draw.randrange(8), EVENTS[what][1](draw))
        for what in draw.choices(names, weights, k=length)
    ]
    return course
