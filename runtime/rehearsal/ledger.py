"""The record of a rehearsed run: keeps in memory what the database keeps of any run, and answers its waits as the scene says."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from runtime.clock import Clock
from runtime.core.calls import Call
from runtime.core.outcomes import CallOutcome
from runtime.rehearsal.given import Answered, Scene
from runtime.store.due_work import Claim, Report
from runtime.store.recorded import Intent, Place, Recorded, Result, Tries, Waiting


@dataclass(slots=True)
class OpenWait:
    """A wait that has begun: what for, when it is over by itself, what ends it when, and whether the run knows that."""

    kind: str
    asked: Mapping[str, Any]
    until: float
    answered: Answered | None
    answered_at: float
    is_told: bool = False

    def stands(self, now: float) -> Waiting:
        """How it stands at monotonic time `now`; that it is over is told by that."""
        self.is_told = self.is_told or self.ends_at <= now
        is_answered = self.answered_at <= min(now, self.until) and self.answered is not None
        answer = self.answered.value if is_answered and self.answered is not None else None
        over_in = None if self.until == math.inf else round(self.until - now, 6)
        return Waiting(answer, over_in)

    @property
    def ends_at(self) -> float:
        """When it is over; infinite where the scene does not say."""
        if self.kind == "sleep":
            return self.until
        return math.inf if self.answered is None else min(self.until, self.answered_at)

    @property
    def is_foreseen(self) -> bool:
        """Whether it is said what becomes of it, even if that is nothing."""
        return self.kind == "sleep" or self.answered is not None


@dataclass(slots=True)
class Ledger:
    """What is on record of one run.

    Attributes:
        last: the report that was written last.
        results: of calls and steps that are over, as they were reported.
        tries: how many tries of a call failed and were followed by another, and when the next may follow.
        waits: that have begun.
        intents: calls that were about to be made, and by which try.
    """

    scene: Scene
    run_id: UUID
    clock: Clock
    last: Report | None = None
    results: dict[Place, dict[str, Any]] = field(default_factory=dict)
    tries: dict[Place, tuple[int, float]] = field(default_factory=dict)
    waits: dict[Place, OpenWait] = field(default_factory=dict)
    intents: dict[Place, tuple[int, Intent]] = field(default_factory=dict)
    _hear: Callable[[], None] | None = None

    async def record(self, report: Report) -> None:
        """Write a report."""
        now = self.clock.monotonic()
        self.last = report
        for result in report.results:
            self.results.setdefault(_place(result), result)
        for tried in report.attempts:
            ready_at = round(now + tried["wait_seconds"], 6)
            self.tries[_place(tried)] = tried["attempt"], ready_at
        for intent in report.intents:
            self.intents[_place(intent)] = intent["attempt"], self._intent(intent)
        for wait in report.waits:
            self.waits[_place(wait)] = self._wait(wait, now)
        self._ring_for_answers(now)

    def hand_over(self, reports: Iterable[tuple[Report, Any]]) -> None:
        """A rehearsed run waits for each of its reports."""
        raise NotImplementedError

    def load(self) -> Recorded:
        """What the next lease finds."""
        now = self.clock.monotonic()
        results = {
            place: Result(found["outcome"], found.get("output"), found.get("error"))
            for place, found in self.results.items()
        }
        tries = {
            place: Tries(count, max(0.0, ready_at - now))
            for place, (count, ready_at) in self.tries.items()
        }
        return Recorded(results, tries, self._standing(now), self._open_intents())

    async def look(self, claim: Claim, *, is_heeded: bool) -> Mapping[Place, Waiting]:  # noqa: ARG002 - one run has one ledger
        """Where the waits stand."""
        return self._standing(self.clock.monotonic())

    async def start(
        self,
        claim: Claim,  # noqa: ARG002 - one run has one ledger
        call: Call,
        arguments: Mapping[str, Any],  # noqa: ARG002 - what is started is no matter of this run
    ) -> CallOutcome | None:
        """Take it that the run was started."""
        wait = self.waits.get((call.step.name, call.iteration))
        if wait is not None and wait.answered is None:
            wait.answered = self.scene.child(call, wait.asked["run_id"])
            wait.answered_at = self.clock.monotonic() + wait.answered.after.total_seconds()
        return None

    def listen(self, claim: Claim, hear: Callable[[], None]) -> None:  # noqa: ARG002 - one run has one ledger
        """Call `hear` whenever a wait is answered."""
        if self._hear is None:
            self._hear = hear
            self._ring_for_answers(self.clock.monotonic())

    def forget(self, claim: Claim) -> None:  # noqa: ARG002 - one run has one ledger
        """The run listens no more."""
        self._hear = None

    @property
    def size(self) -> int:
        """How much is on record."""
        tried = sum(count for count, _ in self.tries.values())
        return len(self.results) + len(self.waits) + len(self.intents) + tried

    @property
    def open_waits(self) -> dict[Place, OpenWait]:
        """The waits of calls that are not over."""
        return {place: wait for place, wait in self.waits.items() if place not in self.results}

    def next_at(self) -> float | None:
        """When the run goes on by what the scene says, by the monotonic clock; None if it does not say."""
        now = self.clock.monotonic()
        # A try whose time has come was made, and waits for something else now.
        tried = [at for _, at in self.tries.values() if at > now]
        waits = [
            wait.ends_at
            for wait in self.open_waits.values()
            if wait.is_foreseen and not wait.is_told
        ]
        settled = [0.0 for intent in self._open_intents().values() if intent.answer is not None]
        return min([*tried, *waits, *settled], default=None)

    def _open_intents(self) -> dict[Place, Intent]:
        """Calls of which nobody knows the end: without a result, or a failed try of the same number."""
        return {
            place: intent
            for place, (attempt, intent) in self.intents.items()
            if place not in self.results and self.tries.get(place, (0, 0.0))[0] < attempt
        }

    def _standing(self, now: float) -> dict[Place, Waiting]:
        return {place: wait.stands(now) for place, wait in self.waits.items()}

    def _ring_for_answers(self, now: float) -> None:
        """Have an answer heard when it comes, if somebody listens."""
        if (hear := self._hear) is None:
            return
        for wait in self.open_waits.values():
            if wait.answered is not None and wait.answered.value is not None:
                asyncio.get_running_loop().call_later(max(0.0, wait.answered_at - now), hear)

    def _intent(self, intent: Mapping[str, Any]) -> Intent:
        if "asked" not in intent:
            return Intent()
        answer = self.scene.settlement(intent["step"], intent["iteration"], intent["attempt"])
        return Intent(is_asked=True, answer=answer)

    def _wait(self, wait: Mapping[str, Any], now: float) -> OpenWait:
        seconds = wait["seconds"]
        until = math.inf if seconds is None else round(now + seconds, 6)
        answered: Answered | None = None
        match wait["kind"]:
            case "approval":
                answered = self.scene.decision(wait["step"])
            case "event" | "callback":
                answered = self.scene.event_for(
                    wait["step"], self.run_id, wait["asked"], self.clock.now()
                )
            case _:
                # A time needs no answer, and that of a run is known when it is started.
                pass
        after = 0.0 if answered is None else answered.after.total_seconds()
        is_never = answered is None or answered.value is None
        return OpenWait(
            wait["kind"], wait["asked"], until, answered, math.inf if is_never else now + after
        )


def _place(row: Mapping[str, Any]) -> Place:
    return row["step"], row["iteration"]
