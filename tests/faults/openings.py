"""What the random courses begin with: for each pipeline some course of events that chance seldom comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tests.faults.wishes import FIRST_DAY, MINUTE, OTHER, PIPELINES, WORDS, Body, Step


@dataclass(frozen=True)
class Event:
    """Something that happens; `which` of those to whom it can happen is counted round. To nobody, it does not happen."""

    what: str
    which: int = 0
    given: Any = None


@dataclass(frozen=True)
class Opening:
    """A pipeline, what else its task is to be, and what happens when a run of it has begun."""

    steps: tuple[Step, ...]
    events: Sequence[Event]
    wants: Mapping[str, Any]


GOOD: Final = Event("come_back", given=("ok", False))
BAD: Final = Event("come_back", given=("tool_error", False))
LOST: Final = Event("come_back", given=("lost", False))
CLAIM: Final = Event("claim")
LOOK: Final = Event("let_through")
NEW: Final = Event("run_now")
LATER: Final = Event("wait", given=200)
CANCELLED: Final = Event("cancel", given=False)
ENDED: Final = Event("cancel", given=True)
FOUR: Final = FIRST_DAY + 4 * MINUTE
LAST: Final = (Step("z", "call"),)
# The first runtime holds a run, another takes it over, and the first does not know.
TAKEN_OVER: Final = Event("set_clock", 2, 20)
KILLED: Final = (Event("crash"), Event("wait", given=16), CLAIM)
ABOVE: Final = Body(overlap="allow", word=WORDS[0], priority=9)
BELOW: Final[Mapping[str, Any]] = {"overlap": "allow", "priority": 2, "deadline": None}
ALONE: Final[Mapping[str, Any]] = {
    "overlap": "allow",
    "slots": 0,
    "deadline": None,
    "last": (),
}
EACH_MINUTE: Final[Mapping[str, Any]] = {
    "catch_up": "latest",
    "period": MINUTE,
    "start": None,
    "until": None,
    "count": None,
}

# What each task is to be besides, and what happens when a run of it has begun.
_BEGINNINGS: Final[Sequence[tuple[Mapping[str, Any], Sequence[Event]]]] = (
    # What was denied stays so, is asked again, and approved a moment too late.
    (
        ALONE,
        (
            *(GOOD, Event("decide", given=False), Event("decide", given=True), CLAIM),
            *(Event("rerun", given=("a", False)), CLAIM, GOOD),
            Event("reach", given=(True, "decide")),
        ),
    ),
    # A call fails beside those for items, and one of these where it is run again.
    (
        ALONE,
        (
            *(TAKEN_OVER, LOST, GOOD, GOOD, Event("rerun", given=("failed", False)), CLAIM),
            *(Event("come_back", 1, ("tool_error", False)), GOOD),
            *(Event("rerun", 1, ("failed", False)), CLAIM),
        ),
    ),
    # Nobody knows what became of a call: somebody says so before and after another does, or nobody.
    (
        ALONE,
        (
            *(Event("settle_doubt", given="try_again"), LOST),
            *(Event("settle_doubt", given=what) for what in ("happened", "failed")),
            *(GOOD, CLAIM, GOOD, NEW, CLAIM, LOST, LOST),
        ),
    ),
    # Nobody waits for what it has started.
    ({"slots": 0, "last": LAST}, (GOOD, CANCELLED, Event("tell_parents"), CLAIM, GOOD)),
    # A lease holds to its very end. What is made up for goes behind what is due.
    (
        {**EACH_MINUTE, "overlap": "queue_all", "slots": 0, "last": (), "deadline": None},
        (
            *(
                Event("crash"),
                Event("reach", given=(True, "claim")),
                Event("wait", given=1),
                CLAIM,
            ),
            *(GOOD, LATER, Event("fire"), Event("backfill", given=6), ENDED),
        ),
    ),
    # Who may lose a run in a moment stops. What may have happened is not done again.
    (
        ALONE,
        (
            *(Event("wait", given=12), Event("beat"), Event("wait", given=5), CLAIM),
            *(GOOD, LOST, Event("rerun", given=("failed", False)), CLAIM),
        ),
    ),
    # The answer comes at the very end of the wait, and once more.
    (ALONE, (GOOD, Event("reach", given=(True, "call_back")), Event("call_back"), CLAIM)),
    # Some wait until it is too late for them; and an event comes at the very end of a wait.
    (
        {**EACH_MINUTE, "overlap": "queue_one", "slots": 0, "last": (), "deadline": MINUTE},
        (
            *(NEW, LATER, Event("fire"), LATER, NEW, LATER, ENDED, NEW, CLAIM, GOOD),
            *(Event("emit", given=(False, WORDS[1])), Event("reach", given=(True, "emit"))),
            CLAIM,
        ),
    ),
    # It is held by two, one of them wrongly, when it is approved: the other hears of it. What is woken by that tries nothing
    # again before its time, and what is run again keeps no bad result.
    (
        ALONE,
        (
            *(Event("set_clock", 1, 20), Event("decide", given=True), Event("attend"), GOOD, GOOD),
            *(NEW, CLAIM, BAD, Event("decide", given=True), CLAIM),
            *(NEW, CLAIM, Event("decide", 1, given=False), GOOD, CLAIM),
            *(Event("rerun", 2, ("a", False)), CLAIM),
        ),
    ),
    # Nothing is tried too often. Two that may kill their runtimes are executed one after the other, and given up.
    (
        ALONE,
        (BAD, Event("wait", given=11), CLAIM, BAD, NEW, NEW, CLAIM, *KILLED * 6),
    ),
    # While one has the slot, it becomes too late for another. The last time of all comes as well.
    (
        {**EACH_MINUTE, "until": FOUR, "overlap": "allow", "slots": 1, "deadline": MINUTE},
        (NEW, LOOK, LATER, LOOK, CLAIM, Event("wait", given=60), Event("fire")),
    ),
    # Who goes first has the slot first, not who came first; and one event ends one wait. Who goes first
    (
        {**BELOW, "word": ABOVE.word, "slots": 1},
        (
            Event("apply", given=(OTHER, replace(ABOVE, slots=1))),
            *(NEW, Event("run_now", 1), ENDED, LOOK, CLAIM, GOOD, LOOK, CLAIM),
            *(Event("emit", given=(False, WORDS[1])), CLAIM),
        ),
    ),
    # is claimed first too. What is said again is no other event, and of another who executes a run hears. Who goes first
    (
        {**BELOW, "slots": 0},
        (
            *(Event("emit", given=(True, WORDS[0])), Event("attend")),
            Event("apply", given=(OTHER, ABOVE)),
            *(NEW, Event("run_now", 1), Event("run_now", 1), Event("claim", 1)),
            *(Event("emit", given=(False, WORDS[0])), Event("attend")),
            *(GOOD, CLAIM, Event("reach", given=(True, "emit")), CLAIM),
        ),
    ),
    # begins first where both are due. Who is cancelled records nothing more.
    (
        {**BELOW, **EACH_MINUTE, "slots": 0, "last": LAST},
        (
            Event("apply", given=(OTHER, ABOVE)),
            *(Event("reach", given=(True, "fire")), Event("come_back", 1, ("lost", False))),
            *(CANCELLED, GOOD, CLAIM),
        ),
    ),
)
OPENINGS: Final = tuple(
    Opening(steps, events, wants)
    for steps, (wants, events) in zip(PIPELINES, _BEGINNINGS, strict=True)
)
