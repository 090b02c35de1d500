"""What the random courses begin with: for each pipeline some course of events that chance seldom comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.faults.wishes import MINUTE, OTHER, PIPELINES, WORDS, Body, Step


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
    wants: Mapping[str, Any] = field(default_factory=dict)


GOOD: Final = Event("come_back", given=("ok", False))
LOST: Final = Event("come_back", given=("lost", False))
CLAIM: Final = Event("claim")
LOOK: Final = Event("let_through")
# The first runtime holds a run, another takes it over, and the first does not know.
TAKEN_OVER: Final = Event("set_clock", 2, 20)
KILLED: Final = (Event("crash"), Event("wait", given=16), CLAIM)
OF_THE_OTHER: Final = Body(overlap="allow", word=WORDS[0], slots=1, priority=9)

_EVENTS: Final[Sequence[Sequence[Event]]] = (
    # What was denied is asked again.
    (GOOD, Event("decide", given=False), CLAIM, Event("rerun", given=("a", False)), CLAIM),
    (TAKEN_OVER,),
    (LOST, Event("settle_doubt", given="happened"), Event("settle_doubt", given="failed")),
    # Nobody waits for what it has started.
    (GOOD, Event("cancel", given=False), Event("tell_parents")),
    (),
    (GOOD, LOST, Event("rerun", given=("failed", False)), CLAIM),
    # The answer comes at the very end of the wait, and another event as well.
    (GOOD, Event("reach", given=(True, "call_back")), CLAIM),
    (GOOD, Event("emit", given=(False, WORDS[1])), Event("reach", given=(True, "emit")), CLAIM),
    # It is held by two, one of them wrongly, when it is approved: the other hears of it.
    (Event("set_clock", 1, 20), Event("decide", given=True), Event("attend"), GOOD, GOOD),
    # Two that may kill their runtimes are executed one after the other, and given up.
    (Event("run_now"), CLAIM, *KILLED, *KILLED, *KILLED, *KILLED, *KILLED, *KILLED),
    # While one has the slot, it becomes too late for another.
    (Event("run_now"), LOOK, Event("wait", given=200), LOOK, CLAIM),
    # Who goes first has the slot first, not who came first.
    (
        Event("apply", given=(OTHER, OF_THE_OTHER)),
        Event("run_now"),
        Event("run_now", 1),
        Event("cancel", given=True),
        LOOK,
        CLAIM,
    ),
    (GOOD, Event("reach", given=(True, "emit")), CLAIM),
    (Event("come_back", 1, ("lost", False)), GOOD),
)
_WANTS: Final[Mapping[int, Mapping[str, Any]]] = {
    9: {"overlap": "allow", "slots": 0, "deadline": None},
    10: {"overlap": "allow", "slots": 1, "deadline": MINUTE},
    11: {"overlap": "allow", "word": WORDS[0], "slots": 1, "priority": 2, "deadline": None},
}
OPENINGS: Final = tuple(
    Opening(steps, events, _WANTS.get(number, {}))
    for number, (steps, events) in enumerate(zip(PIPELINES, _EVENTS, strict=True))
)
