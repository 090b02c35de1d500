"""What earlier leases of a run have recorded, for whoever goes on with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from runtime.core.leftopen import ASKS_AGAIN
from runtime.core.opencalls import OpenCall, open_call
from runtime.store.pool import Pool, fetch_all
from runtime.store.statements import statement

Place = tuple[str, int]
"""A step's id and an iteration: 0 for a step without `foreach`."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a call, or the whole of a `foreach` step, ended with."""

    outcome: str
    output: Any = None
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Tries:
    """Tries of a call that has no result yet.

    Attributes:
        count: how many there were.
        ready_in: how many seconds until another may follow.
        rounds: how many of them ended with the server asking something back.
        opened: what the next goes on with; None where it begins anew.
    """

    count: int
    ready_in: float
    rounds: int = 0
    opened: OpenCall | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A wait that has begun.

    Attributes:
        answer: what a person answered; None if nobody has.
        over_in: how many seconds are left until it is over by itself; None if it never is.
    """

    answer: Mapping[str, Any] | None
    over_in: float | None


@dataclass(frozen=True, slots=True)
class Intent:
    """A call that was about to be made, or was made, when nobody was left to see its end.

    Attributes:
        is_asked: whether people are asked what became of it.
        answer: what they said; None if nobody has.
    """

    is_asked: bool = False
    answer: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """What a run that is run again goes back to: the first of these runs, and how often it was done anew since."""

    run: str
    replay_no: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """What earlier leases of a run left.

    Attributes:
        results: of calls that are over.
        tries: of calls that are to be tried again.
        waits: that have begun, those of steps that are over included.
        intents: calls that were about to be made, and nobody knows whether they were.
        asked_for: how many seconds people were asked about such calls; the run's timeout stands still meanwhile.
        origin: what a run that is run again goes back to.
    """

    results: Mapping[Place, Result] = field(default_factory=dict)
    tries: Mapping[Place, Tries] = field(default_factory=dict)
    waits: Mapping[Place, Waiting] = field(default_factory=dict)
    intents: Mapping[Place, Intent] = field(default_factory=dict)
    asked_for: float = 0.0
    origin: Origin | None = None


NOTHING_RECORDED: Final = Recorded()


async def load_results(pool: Pool, run_id: UUID) -> Recorded:
    """What earlier leases of a run have recorded."""
    results: dict[Place, Result] = {}
    tries: dict[Place, Tries] = {}
    waits: dict[Place, Waiting] = {}
    intents: dict[Place, Intent] = {}
    asked_for = 0.0
    opened: dict[Place, OpenCall] = {}
    origin: Origin | None = None
    which = {"run_id": run_id, "asks_again": list(ASKS_AGAIN)}
    for row in await fetch_all(pool, statement("load_results"), which):
        place = row["step"], row["iteration"]
        match row["what"]:
            case "result":
                results[place] = Result(row["outcome"], row["output"], row["error"])
            case "tries":
                tries[place] = Tries(row["attempts"], max(0.0, row["ready_in"]), row["output"])
            case "open":
                opened[place] = open_call(row["output"], row["attempts"], row["ready_in"])
            case "wait":
                waits[place] = Waiting(row["output"], row["ready_in"])
            case "intent":
                intents[place] = Intent(row["outcome"] is not None, row["output"])
            case "origin":
                origin = Origin(row["step"], row["iteration"])
            case _:
                asked_for = row["ready_in"]
    for place, one in opened.items():
        tries[place] = replace(tries[place], opened=one)
    return Recorded(results, tries, waits, intents, asked_for, origin)
