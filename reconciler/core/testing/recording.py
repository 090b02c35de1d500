"""A recorded run to a test: what its tools answered is given, and what it did is expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, get_args

from reconciler.core.desired import DEFAULT_ENVIRONMENT
from runtime.core.record import RecordedRun, RecordedTry, RecordedWait
from runtime.core.waits import EMIT, RUN, WAIT_FOR
from schemas.base import API_VERSION
from schemas.spec import POWERLESS_TOOLS
from schemas.testing import Failing

RECORDABLE: Final = frozenset({"succeeded", "failed", "waiting"})
"""States of runs that a test can expect."""

_FAILING: Final = frozenset(get_args(Failing))
_OUT_OF_TIME: Final = "ORD504"
# Before anything was sent: the run was out of time, the arguments do not fit, or the tool broke with its lock.
_NOT_SENT: Final = frozenset({_OUT_OF_TIME, "ORD403", "ORD419"})
_NOT_AS_EXPECTED: Final = "ORD412"
_COMPUTED: Final = POWERLESS_TOOLS | {EMIT}
_TRANSFORM: Final = "ordinaut.transform"
_SKIPPED: Final = "skipped"


def recorded_test(
    run: RecordedRun, name: str, *, any_order: bool, same_id: bool
) -> dict[str, Any]:
    """The test document of a run that has begun.

    Args:
        run: the run, in a state of `RECORDABLE`.
        name: what the test is called.
        any_order: leave the order of calls open.
        same_id: have the run played under its own id.
    """
    assert run.started_at is not None  # noqa: S101 - it has begun
    head: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "Test",
        "name": name,
        "description": f"Recorded from run {run.run_id}, by revision r{run.revision}.",
        "task": run.task,
    }
    if run.environment != DEFAULT_ENVIRONMENT:
        head["environment"] = run.environment
    head["now"] = _instant(run.started_at)
    if run.occurrence_for != run.started_at:
        head["occurrence_for"] = _instant(run.occurrence_for)
    if same_id:
        head["run_id"] = str(run.run_id)
    if run.trigger != ("manual" if run.event is None else "event"):
        head["trigger"] = run.trigger
    more = {"event": run.event, "params": run.params}
    head |= {key: dict(value) for key, value in more.items() if value}
    steps = steps_of(run.body)
    given = {step["id"]: one for step in steps if (one := _Given(run, step).value())}
    return (
        head | ({"given": given} if given else {}) | {"expect": _expected(run, steps, any_order)}
    )


def steps_of(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The steps of a task's body, those of `finally` last."""
    pipeline = body["pipeline"]
    is_used = isinstance(pipeline, Mapping)
    last = (pipeline if is_used else body).get("finally", ())
    return [*(pipeline["steps"] if is_used else pipeline), *last]


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()


class _Given:
    """What one step of a run met."""

    def __init__(self, run: RecordedRun, step: Mapping[str, Any]) -> None:
        self._run = run
        self._step = step
        name = step["id"]
        self._tries = [one for one in run.tries if one.step == name and one.iteration >= 0]
        self._waits = [one for one in run.waits if one.step == name]
        # Only then how long calls took decided anything.
        self._is_timed = (run.error or {}).get("code") == _OUT_OF_TIME

    def value(self) -> Any:
        """As it stands under `given`; None if there is nothing to give."""
        uses = self._step["uses"]
        if uses == WAIT_FOR:
            return self._event()
        if uses == RUN:
            return self._child()
        decision = self._decision()
        if uses in _COMPUTED:
            return decision
        answers = self._answers()
        if decision is None:
            return answers
        return decision | ({"tries": answers} if isinstance(answers, list) else answers or {})

    def _event(self) -> dict[str, Any] | None:
        for wait in self._waits:
            if wait.answer is None:
                return None if self._run.state == "waiting" else {"outcome": "timeout"}
            event = {key: wait.answer[key] for key in ("data", "id", "source")}
            return {"event": event | _taken(wait)}
        return None

    def _child(self) -> dict[str, Any] | None:
        for wait in self._waits:
            if wait.answer is None:
                return None
            if wait.answer["state"] == "succeeded":
                return {"result": wait.answer.get("value")} | _taken(wait)
            error = wait.answer["error"]
            told = {key: error[key] for key in ("code", "message") if key in error}
            return {"outcome": "tool_error"} | told | _taken(wait)
        return None

    def _decision(self) -> dict[str, Any] | None:
        for wait in self._waits:
            if wait.kind == "approval" and wait.answer is not None:
                return {"approval": dict(wait.answer) | _taken(wait)}
            if wait.kind == "approval" and self._run.state != "waiting":
                return {"approval": "nobody"}
        return None

    def _answers(self) -> Any:
        if "foreach" not in self._step:
            return self._of_item(0)
        count = max((one.iteration for one in self._tries), default=-1) + 1
        # Of an item that made no call there is nothing to be asked.
        items = [self._of_item(number) or {"result": None} for number in range(count)]
        if not items:
            return None
        same = all(one == items[0] for one in items) and not isinstance(items[0], list)
        return items[0] if same else {"items": items}

    def _of_item(self, item: int) -> Any:
        tries = [one for one in self._tries if one.iteration == item and one.outcome != _SKIPPED]
        tries.sort(key=lambda one: one.attempt)
        answers = [answer for one in tries if (answer := self._answer(one)) is not None]
        return answers[0] if len(answers) == 1 and len(tries) == 1 else answers or None

    def _answer(self, one: RecordedTry) -> dict[str, Any] | None:
        said = self._run.settled.get((one.step, one.iteration, one.attempt))
        taken = {"takes": f"{round(one.seconds * 1000)}ms"} if self._is_timed else {}
        error = one.error or {}
        if said is not None:
            settled = {"outcome": "lost", "settled": said["settled"]}
            return settled | ({"result": one.output} if said["settled"] == "happened" else {})
        if one.outcome == "ok":
            return {"result": one.output} | taken
        if error.get("code") == _NOT_AS_EXPECTED and one.is_last:
            # The tool succeeded; what its step expects is judged anew.
            return {"result": one.output} | taken
        if one.outcome == "unknown":
            return {"outcome": "lost"} | taken
        if one.outcome not in _FAILING or error.get("code") == _OUT_OF_TIME:
            return None
        told = {key: error[key] for key in ("code", "message") if error.get(key)}
        return {"outcome": one.outcome} | told | taken


def _taken(wait: RecordedWait) -> dict[str, str]:
    """How long a wait took, to the second; nothing if less."""
    seconds = round(wait.seconds or 0.0)
    return {"takes": f"{seconds}s"} if seconds else {}


def _expected(
    run: RecordedRun, steps: Sequence[Mapping[str, Any]], any_order: bool
) -> dict[str, Any]:
    expected: dict[str, Any] = {}
    if run.state == "failed":
        error = run.error or {}
        expected["error"] = {key: error[key] for key in ("code", "step") if key in error}
    elif run.state != "succeeded":
        expected["state"] = run.state
    if any_order:
        expected["any_order"] = True
    expected["calls"] = list(_calls(run))
    ends = {
        step["id"]: end
        for step in steps
        if (end := _end(run, step["id"])) not in (None, "waiting")
    }
    if others := {name: end for name, end in ends.items() if end != "succeeded"}:
        expected["steps"] = others
    computed = {step["id"]: step for step in steps if step["uses"] == _TRANSFORM}
    values = {
        computed[one.step].get("save_as", one.step): one.output
        for one in run.tries
        if one.step in computed and one.outcome == "ok" and "foreach" not in computed[one.step]
    }
    return expected | ({"results": values} if values else {})


def _calls(run: RecordedRun) -> Iterator[dict[str, Any]]:
    for one in run.tries:
        code = (one.error or {}).get("code")
        # Without arguments nothing was called, nor where it was refused, or the run was out of time.
        was_made = one.attempt > 0 and one.outcome != "denied" and code not in _NOT_SENT
        if one.iteration < 0 or one.uses in POWERLESS_TOOLS or not was_made:
            continue
        if one.input is not None:
            yield {"step": one.step, "uses": one.uses, "with": one.input}
        elif not one.is_last:
            yield {"step": one.step}


def _end(run: RecordedRun, step: str) -> str | None:
    """How a step ended; None if it was not reached."""
    results = {one.iteration: one.outcome for one in run.tries if one.step == step and one.is_last}
    outcome = results.get(-1, results.get(0))
    if outcome is None or (-1 not in results and len(results) > 1):
        return "waiting" if run.state == "waiting" else "not_reached"
    return {"ok": "succeeded", _SKIPPED: "skipped"}.get(outcome, "failed")
