"""What the steps of a rehearsed run meet: answers of tools, decisions, events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from runtime.core.arriving import Arrived, OpenWait, ended_by
from runtime.core.calls import Call
from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.played import NotGiven
from schemas.testing import Answer, Decision, Given, GivenForm

_CODES: Final = {
    "tool_error": "ORD404",
    "contract_error": "ORD407",
    "rejected": "ORD408",
    "not_sent": "ORD401",
    "lost": "ORD406",
    "timeout": "ORD405",
    "input_required": "ORD411",
}
_NOT_SENT: Final = frozenset({"not_sent", "rejected"})


@dataclass(frozen=True, slots=True)
class Answered:
    """What ends a wait, and how many seconds after it began; a value of None where nobody and nothing ever does."""

    value: Mapping[str, Any] | None
    after: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Scene:
    """What a rehearsed run is given.

    Attributes:
        name: tells its run from others.
        now: when it begins.
        occurrence_for: the nominal instant that it stands for; `now` if that is None.
        run_id: its id; made up of the name if that is None.
        trigger: what calls for it.
        params: parameters for this run alone.
        event: what calls for it, where an event does.
        given: what steps meet, by id.
    """

    name: str
    now: datetime
    occurrence_for: datetime | None = None
    run_id: UUID | None = None
    trigger: str = "manual"
    params: Mapping[str, Any] = field(default_factory=dict)
    event: Mapping[str, Any] | None = None
    given: Mapping[str, GivenForm] = field(default_factory=dict)

    def has_answers(self, step: str) -> bool:
        """Whether what the step's tool gives is given."""
        match self.given.get(step):
            case None:
                return False
            case Given() as given:
                several = given.items or given.tries
                return several is not None or _is_answer(given)
            case _:
                return True

    def answer(self, call: Call) -> Answer:
        """What one try of a call meets.

        Raises:
            NotGiven: ORD701.
        """
        step = call.step
        form: GivenForm | None = self.given.get(step.name)
        what = f"step {step.name} calls {step.uses}"
        found: Answer | tuple[Answer, ...] | None = form
        if isinstance(form, Given) and form.tries is not None:
            found = form.tries
        if isinstance(form, Given) and form.items is not None:
            what += f" for item {call.iteration}"
            found = form.items[call.iteration] if call.iteration < len(form.items) else None
        if isinstance(found, tuple):
            what += f" for the {_nth(call.attempt)} time"
            found = found[call.attempt - 1] if call.attempt <= len(found) else None
        if found is None or not _is_answer(found):
            hint = f"add what the tool answers under `given`, as `{step.name}:` with `result:` or `outcome:`"
            raise NotGiven(f"{what}, and nothing is given for that", step=step.name, hint=hint)
        return found

    def decision(self, step: str) -> Answered | None:
        """What a person decides who is asked by a step; None if the scene does not say."""
        given = self.given.get(step)
        if not isinstance(given, Given):
            return None
        match given.approval:
            case Decision() as decided:
                answer = decided.model_dump(mode="json", include={"approved", "by", "reason"})
                return Answered(answer, decided.takes)
            case "nobody":
                return Answered(None)
            case _:
                return Answered(None) if given.outcome == "timeout" else None

    def event_for(
        self, step: str, run_id: UUID, asked: Mapping[str, Any], now: datetime
    ) -> Answered | None:
        """The event that ends a wait which begins now; None if the scene gives none that would.

        Args:
            step: the step that waits.
            run_id: its run.
            asked: topic and filter.
            now: the instant.
        """
        given = self.given.get(step)
        if not isinstance(given, Given):
            return None
        if given.event is None:
            return Answered(None) if given.outcome == "timeout" else None
        event = given.event
        arrived = Arrived(
            0, event.source, event.id, event.topic or asked["topic"], event.data, now + event.takes
        )
        wait = OpenWait(run_id, step, 0, asked["topic"], asked.get("filter"), now, None)
        ended = ended_by([wait], [arrived], ())
        return Answered(arrived.value, event.takes) if ended else None

    def child(self, call: Call, run_id: str) -> Answered:
        """How the run ends that a step starts.

        Raises:
            NotGiven: ORD701.
        """
        answer = self.answer(call)
        if answer.outcome is None:
            told: dict[str, Any] = {"state": "succeeded", "value": answer.result}
        else:
            error = {"message": answer.message or "it failed", "code": answer.code or "ORD505"}
            told = {"state": "failed", "error": error}
        return Answered({"run_id": run_id} | told, answer.takes)

    def settlement(self, step: str, iteration: int, attempt: int) -> Mapping[str, Any] | None:
        """What a person says became of a call; None if nobody says anything."""
        form: Any = self.given.get(step)
        if isinstance(form, Given):
            form = form.tries or (form.items[iteration] if form.items is not None else form)
        answer: Answer = form[attempt - 1] if isinstance(form, tuple) else form
        if answer.settled is None:
            return None
        return {
            "settled": answer.settled,
            "result": answer.result,
            "by": "somebody",
            "reason": answer.message or "",
        }


def _is_answer(answer: Answer) -> bool:
    return bool(answer.model_fields_set & {"result", "outcome"})


def outcome_of(answer: Answer) -> CallOutcome:
    """What an answer says, as a tool's door gives it."""
    kind = answer.outcome
    if kind is None:
        return CallOutcome("ok", value=answer.result, sent=True)
    wait = answer.retry_after
    return CallOutcome(
        kind,
        error=CallError(answer.code or _CODES[kind], answer.message or f"the test gives {kind}"),
        sent=kind not in _NOT_SENT,
        retry_after=None if wait is None else wait.total_seconds(),
    )


def _nth(number: int) -> str:
    endings = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{endings.get(number, 'th')}"
