"""What the steps of one run wait for without a slot, over any number of leases: a time, a person's answer, or an event.

A wait begins on record. Whoever claims the run next finds it with its answer, or over, or neither. That an approval was not
given in time is never concluded from this process's own clock: the database takes no answer after that instant, and only
what was read there decides, so an answer and a timeout cannot both count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from runtime.caller import Caller
from runtime.clock import Clock
from runtime.core.callback import callback_topic
from runtime.core.calls import Call, StepCalls
from runtime.core.leftopen import LONGEST_HELD_SECONDS, MOST_ROUNDS, LeftOpen
from runtime.core.opencalls import OpenCall, question_of
from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.retry import REPEATABLE_EFFECTS
from runtime.core.waits import LOOKED_UP, RUN, SLEEP, WAITING_TOOLS, Wait, wait_for
from runtime.errors import OrdinautError
from runtime.progress import Progress
from runtime.store.children import child_id
from runtime.store.due_work import Claim
from runtime.store.recorded import Place, Waiting
from runtime.surroundings import Looking, Surroundings
from runtime.tools.builtin import waiting_tools
from runtime.underway import Landed, Ready, UnderWay

_TOOLS: Final = waiting_tools()
# How long a server is left alone that only asks to be called again.
_PAUSE_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Held:
    """The call waits; in this process it may be looked at again at `ready_at` of the monotonic clock."""

    ready_at: float


@dataclass(frozen=True, slots=True)
class Passed:
    """The wait is over, and the step goes on; `value` is what a step that only waits gives."""

    value: Any


@dataclass(frozen=True, slots=True)
class Ended:
    """The wait ends the call: it was refused, or nobody decided in time."""

    outcome: CallOutcome


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Nobody decided in time, and then the call is left out."""


@dataclass(frozen=True, slots=True)
class LookUp:
    """Only the database knows: look it up there, and ask what was `found`."""


Standing = Held | Passed | Ended | LeftOut | LookUp


_TOO_LATE: Final = Ended(
    CallOutcome("timeout", error=CallError("ORD414", "nobody decided in time"))
)


class Waits:
    """The waits of one claim of one run."""

    def __init__(
        self, recorded: Mapping[Place, Waiting], progress: Progress, caller: Caller, clock: Clock
    ) -> None:
        self._recorded = recorded
        self._progress = progress
        self._progress.has_waited = bool(recorded)
        self._caller = caller
        self._clock = clock
        self._read_at = clock.monotonic()
        self._over_at: dict[Place, float] = {}
        self._people: set[Place] = set()
        self._events: set[Place] = set()
        self._is_called = False

    @property
    def reason(self) -> str:
        """What a run waits for that goes to sleep now."""
        if self._people:
            return "approval"
        if self._events:
            return "event"
        return "sleep" if self._over_at else "retry"

    @property
    def next_at(self) -> float:
        """When the first wait is over by itself, by the monotonic clock; infinite if none ever is."""
        return min(self._over_at.values(), default=math.inf)

    def leave_open(self, calls: StepCalls, landed: Landed) -> bool:
        """The server left the call open: people are asked what it asks, or it is called again; false if it asked too often."""
        call, left = landed.call, landed.outcome.left_open
        now = self._clock.monotonic()
        if (
            left is not None
            and left.task is not None
            and left.task == call.task
            and not left.requests
        ):
            calls.hold(call, now + left.wait_seconds)
            return True
        if left is None or call.rounds >= MOST_ROUNDS:
            return False
        if left.repeats and call.step.effect not in REPEATABLE_EFFECTS:
            return False
        is_asked_again = left.repeats or left.task is not None
        earlier = call.opened.going_on.responses if is_asked_again and call.opened else {}
        opened = OpenCall(left, call.attempt, landed.shown, earlier=earlier, since=now)
        wait = _question(call, left, landed.shown) if left.requests else None
        self._progress.call_left_open(landed.tried, opened, wait)
        if wait is not None:
            place = question_of(call.step.name, call.attempt), call.iteration
            self._people.add(place)
            self._over_at[place] = math.inf if wait.seconds is None else now + wait.seconds
        calls.leave_open(call, math.inf if wait is not None else now + _pause(left), opened)
        return True

    def look(self, call: Call, arguments: Mapping[str, Any], shown: Any) -> Standing:
        """Where the wait of a call stands; it begins with the first look."""
        if call.opened is not None:
            return self._answered(call, call.opened)
        place = call.step.name, call.iteration
        known = self._recorded.get(place)
        if known is None and place not in self._over_at:
            return self._begin(call, arguments, shown)
        if call.step.uses == SLEEP:
            return self._slept(place, known)
        if call.step.uses in LOOKED_UP:
            return LookUp()
        return self._decided(call, place, known)

    async def heed(
        self, around: Surroundings, under_way: UnderWay, steps: Iterable[StepCalls]
    ) -> None:
        """Hear of answers while calls are under way, and have the steps look again that wait for them.

        Raises:
            LeaseLost: another runtime holds the run.
        """
        open_places = self._people | self._events
        if not open_places:
            return

        def hear() -> None:
            self._is_called = True
            under_way.ring()

        around.attention.listen(self._caller.claim, hear)
        if self._is_called:
            self._is_called = False
            self._learn(await around.arrivals.look(self._caller.claim, is_heeded=True))
            over = filter(self._is_over, open_places)
            # What a server asks stands under a name of its own.
            places = {(name.partition("(")[0], item) for name, item in over}
            for calls in steps:
                calls.look_again(places, self._read_at)

    def _learn(self, read: Mapping[Place, Waiting]) -> None:
        """Take what was read. Of two that read at once the earlier may be answered last, and no answer is ever taken back."""
        answered = {place: one for place, one in self._recorded.items() if one.answer is not None}
        self._recorded = {**self._recorded, **read, **answered}
        self._read_at = self._clock.monotonic()

    def _is_over(self, place: Place) -> bool:
        """Whether the wait of a place ended, by what was read last."""
        known = self._recorded.get(place)
        if known is None:
            return False
        return known.answer is not None or (known.over_in is not None and known.over_in <= 0)

    def forget_begun(self) -> None:
        """What has begun here is waited for no more."""
        for places in (self._over_at, self._people, self._events):
            places.clear()

    async def look_up(self, ready: Ready, arrivals: Looking, claim: Claim) -> Landed:
        """Learn from the database how the waits stand now; what that means for the call, `found` says.

        Raises:
            LeaseLost: another runtime holds the run.
        """
        call, arguments = ready.call, ready.arguments
        if call.step.uses == RUN:
            refused = self._caller.refusal(RUN) or await arrivals.start(claim, call, arguments)
            if refused is not None or not arguments.get("wait", True):
                value = {"run_id": str(child_id(claim, (call.step.name, call.iteration)))}
                outcome = refused or CallOutcome("ok", value=value)
                return Landed(call, ready.shown, outcome, 0.0)
        # Only the step that asks goes by it: others have not looked again.
        self._learn(await arrivals.look(claim, is_heeded=False))
        return Landed(call, ready.shown, CallOutcome("ok"), 0.0)

    def found(self, landed: Landed) -> Standing:
        """Where the wait for an event or a run stands, by what was learned last."""
        call = landed.call
        place = call.step.name, call.iteration
        if landed.outcome.kind != "ok":
            return Ended(landed.outcome)
        if landed.outcome.value is not None:
            return Passed(landed.outcome.value)
        known = self._recorded[place]
        over_at = math.inf if known.over_in is None else self._read_at + known.over_in
        if known.answer is None and (known.over_in is None or known.over_in > 0):
            self._over_at[place] = over_at
            self._events.add(place)
            return Held(over_at)
        self._over_at.pop(place, None)
        self._events.discard(place)
        if known.answer is None:
            late = CallError("ORD417", "no event came in time")
            return Ended(CallOutcome("timeout", error=late))
        return _of_child(known.answer) if call.step.uses == RUN else Passed(known.answer)

    def _begin(self, call: Call, arguments: Mapping[str, Any], shown: Any) -> Standing:
        step = call.step
        try:
            wait = self._wait(call, arguments, shown)
        except OrdinautError as error:
            told = CallError(error.code, error.message, error.hint)
            return Ended(CallOutcome("contract_error", error=told))
        if isinstance(wait, CallError):
            return Ended(CallOutcome("contract_error", error=wait))
        if step.foreach is not None and wait.kind == "approval":
            wait = replace(wait, asked={**wait.asked, "item": call.iteration})
        if wait.kind != "run" or arguments.get("wait", True):
            self._progress.wait_begun(step, call.iteration, wait)
        over_at = math.inf if wait.seconds is None else self._clock.monotonic() + wait.seconds
        place = step.name, call.iteration
        self._over_at[place] = over_at
        if wait.kind == "sleep":
            return Held(over_at)
        if step.uses in LOOKED_UP:
            return LookUp()
        self._people.add(place)
        return Held(math.inf)

    def _wait(self, call: Call, arguments: Mapping[str, Any], shown: Any) -> Wait | CallError:
        step = call.step
        if step.uses not in WAITING_TOOLS:
            assert step.approval is not None  # noqa: S101 - nothing else waits
            timeout = step.approval.timeout
            asked = {"uses": step.uses, "arguments": shown, "by": list(step.approval.by)}
            told = {"message": call.message, "event": step.approval.event}
            asked |= {name: value for name, value in told.items() if value is not None}
            return Wait("approval", None if timeout is None else timeout.total_seconds(), asked)
        problem = _TOOLS[step.uses].argument_error(arguments)
        # People see what records show: no secret.
        return problem or wait_for(
            step.uses,
            shown,
            self._caller.now,
            callback=callback_topic(self._caller.claim.run_id, step.name),
            child=str(child_id(self._caller.claim, (step.name, call.iteration))),
        )

    def _slept(self, place: Place, known: Waiting | None) -> Standing:
        if place not in self._over_at and known is not None:
            self._over_at[place] = self._read_at + (known.over_in or 0.0)
        over_at = self._over_at[place]
        if over_at > self._clock.monotonic():
            return Held(over_at)
        del self._over_at[place]
        return Passed(None)

    def _answered(self, call: Call, opened: OpenCall) -> Standing:
        """Where what the server asks stands; once it is answered, the call goes on with that."""
        if not opened.left.requests or opened.responses or opened.ended is not None:
            return Passed(None)
        place = question_of(call.step.name, opened.attempt), call.iteration
        standing = self._decided(call, place, self._recorded.get(place))
        if isinstance(standing, Passed):
            call.opened = replace(opened, responses=standing.value["responses"])
        standing = _TOO_LATE if isinstance(standing, LeftOut) else standing
        if isinstance(standing, Ended) and opened.left.task is not None:
            # The server is told before the step is over.
            call.opened = replace(opened, ended=standing.outcome)
            return Passed(None)
        return standing

    def _decided(self, call: Call, place: Place, known: Waiting | None) -> Standing:
        if known is None:
            # It began just now, and is not on record yet.
            return Held(math.inf)
        answer = known.answer
        self._people.discard(place)
        self._over_at.pop(place, None)
        if answer is not None:
            if answer["approved"]:
                return Passed(answer)
            reason = f": {answer['reason']}" if answer["reason"] else ""
            error = CallError("ORD413", f"{answer['by']} did not approve{reason}")
            return Ended(CallOutcome("denied", error=error))
        over_in = known.over_in
        if over_in is not None and over_in <= 0:
            if call.step.approval is not None and call.step.approval.on_timeout == "skip":
                return LeftOut()
            return _TOO_LATE
        self._over_at[place] = math.inf if over_in is None else self._read_at + over_in
        self._people.add(place)
        return Held(math.inf)


def _question(call: Call, left: LeftOpen, shown: Any) -> Wait:
    """What people are asked, and how long they may answer: as the step's approval says, if it has one."""
    step, approval = call.step, call.step.approval
    asked = {
        "uses": step.uses,
        "arguments": shown,
        "by": [] if approval is None else list(approval.by),
        "requests": left.requests,
    }
    item = {} if step.foreach is None else {"item": call.iteration}
    timeout = None if approval is None else approval.timeout
    return Wait("approval", None if timeout is None else timeout.total_seconds(), asked | item)


def _pause(left: LeftOpen) -> float:
    """How long a call that was left open is not looked at; a short time is waited where it is followed."""
    if left.task is None:
        return _PAUSE_SECONDS
    return left.wait_seconds if left.wait_seconds > LONGEST_HELD_SECONDS else 0.0


def _of_child(answer: Mapping[str, Any]) -> Standing:
    """What the end of the run that it waited for means for a step."""
    if answer["state"] == "succeeded":
        return Passed(answer["value"])
    error = answer["error"]
    detail = " ".join(text for text in (error.get("code"), error.get("detail")) if text)
    message = f"run {answer['run_id']} {answer['state']}: {error['message']}"
    return Ended(CallOutcome("tool_error", error=CallError("ORD509", message, detail)))
