"""Plays one run: `runtime.execution` executes it, lease after lease, against a ledger, given tools and a leaping clock.

Nothing of how a run goes on is decided here. What a process of the runtime has around a run stands here instead: whoever
claims it again when it slept, its record, its tools, and time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from runtime.clock import SYSTEM_CLOCK
from runtime.core.course import Course
from runtime.core.identity import derive_run_id
from runtime.core.played import NotGiven, Played, StepPlayed
from runtime.core.program import Program, ProgramStep
from runtime.core.waits import RUN
from runtime.execution import Execution
from runtime.keyring import Keyring
from runtime.live import Live
from runtime.progress import SKIPPED
from runtime.rehearsal.given import Scene
from runtime.rehearsal.ledger import Ledger
from runtime.rehearsal.time import LeapingClock, LeapingLoop
from runtime.rehearsal.tools import AskModel, GivenTools, stand_in
from runtime.restoring import restore_course
from runtime.secrets import Secrets
from runtime.store.due_work import WHOLE, Claim
from runtime.store.recorded import Recorded
from runtime.surroundings import Surroundings
from runtime.tools.catalogue import ToolInfo
from runtime.underway import Landed, Ready

_KEY: Final = b"callback tokens of rehearsals"
# Rehearsals have no database: their programs hold no transactional step, and what is live no limit.
_NO_DATABASE: Final[Any] = None


def play(
    program: Program,
    scene: Scene,
    live: Live,
    secret_names: tuple[str, ...] = (),
    promised: Mapping[str, ToolInfo] = MappingProxyType({}),
    *,
    ask_model: AskModel | None = None,
) -> Played:
    """Play a run of a program from its beginning to its end, or to where the scene says nothing more.

    Args:
        program: what runs.
        scene: what it is given.
        live: what its agents may call; tool servers are not asked, and limits of calls do not count.
        secret_names: the secrets that it may name; each has a stand-in for its value.
        promised: what is known of tools, by address; calls and answers must fit.
        ask_model: calls `llm.*` for good; None to take what is given, or what is answered offline.
    """
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        return runner.run(
            _Play(program, scene, live, secret_names, promised, ask_model=ask_model).run()
        )


class _StandIns(Secrets):
    """Secrets whose values are what records show of them."""

    def __getitem__(self, name: str) -> str:
        if name not in self._sources:
            raise KeyError(name)
        return stand_in(name)


class _Rehearsed(Execution):
    """An execution that says whose each call is, and which steps began."""

    def __init__(self, *given: Any, tools: GivenTools, begun: set[str], **more: Any) -> None:
        super().__init__(*given, **more)
        self._tools = tools
        self._begun = begun

    def _open(self, step: ProgramStep) -> None:
        self._begun.add(step.name)
        super()._open(step)

    def _is_made_at_once(self, ready: Ready) -> bool:
        with self._tools.at(ready):
            return super()._is_made_at_once(ready)

    async def _call(self, ready: Ready) -> Landed:
        with self._tools.at(ready):
            landed = await super()._call(ready)
            if ready.call.step.uses == RUN and landed.outcome.kind == "ok":
                self._tools.note_once(ready)
            return landed


class _Play:
    """One run."""

    def __init__(
        self,
        program: Program,
        scene: Scene,
        live: Live,
        secret_names: tuple[str, ...],
        promised: Mapping[str, ToolInfo],
        *,
        ask_model: AskModel | None,
    ) -> None:
        self._program = _without_transactions(program)
        self._scene = scene
        self._live = live
        self._secrets = _StandIns(
            {name: {} for name in secret_names}, Keyring(Path(), SYSTEM_CLOCK)
        )
        self._clock = LeapingClock(scene.now)
        made_up = derive_run_id(0, "rehearsal", scene.name, scene.now)
        self._run_id = scene.run_id or made_up
        self._ledger = Ledger(scene, self._run_id, self._clock)
        self._tools = GivenTools(scene, self._clock, promised, ask_model)
        self._begun: set[str] = set()
        self._stood = (-1.0, 0)

    async def run(self) -> Played:
        """Play it."""
        try:
            while not await self._lease():
                if not await self._sleep():
                    return self._played("waiting")
        except NotGiven as fault:
            return self._played("broken off", fault)
        assert self._ledger.last is not None  # noqa: S101 - a lease ends with a report
        return self._played(self._ledger.last.state or "")

    async def _lease(self) -> bool:
        """Execute the run until it is over or goes to sleep; whether it is over."""
        ledger = self._ledger
        around = Surroundings(
            tools=self._tools,
            recorder=ledger,
            statements=_NO_DATABASE,
            rates=_NO_DATABASE,
            budgets=_NO_DATABASE,
            clock=self._clock,
            draw=random.Random(self._scene.name),  # noqa: S311 - spreads retries, guards nothing
            arrivals=ledger,
            attention=ledger,
            callback_key=_KEY,
            answers=_NO_DATABASE,
        )
        claim = self._claim()
        await _Rehearsed(
            around,
            claim,
            self._program,
            self._live,
            self._secrets,
            recorded=ledger.load(),
            tools=self._tools,
            begun=self._begun,
        ).run()
        return ledger.last is not None and ledger.last.move == "finish"

    async def _sleep(self) -> bool:
        """Let time pass until the run goes on; false if nothing is given that it goes on by."""
        report = self._ledger.last
        next_at = self._ledger.next_at()
        if report is None or next_at is None:
            return False
        before = self._clock.monotonic()
        await self._clock.sleep(min(next_at - before, report.wait_seconds))
        stands = self._clock.monotonic(), self._ledger.size
        if stands == self._stood:
            raise RuntimeError("a rehearsed run makes no progress")
        self._stood = stands
        return True

    def _claim(self) -> Claim:
        scene = self._scene
        now = self._clock.now()
        return Claim(
            run_id=self._run_id,
            task=self._program.label,
            task_uid=0,
            revision_id=0,
            lease_epoch=1,
            attempt=1,
            trigger=scene.trigger,
            occurrence_for=scene.occurrence_for or scene.now,
            due_at=scene.now,
            started_at=scene.now,
            claimed_at=now,
            params=scene.params,
            event=scene.event,
        )

    def _played(self, state: str, fault: NotGiven | None = None) -> Played:
        ledger = self._ledger
        error = ledger.last.error if ledger.last is not None else None
        steps = (*self._program.steps, *self._program.last)
        return Played(
            state=state,
            error=error,
            steps={step.name: self._step(step) for step in steps},
            calls=tuple(self._tools.called),
            values=_values(self._program, ledger.load()),
            seconds=self._clock.monotonic(),
            not_given=fault,
        )

    def _step(self, step: ProgramStep) -> StepPlayed:
        ledger, name = self._ledger, step.name
        calls = [
            found
            for place, found in ledger.results.items()
            if place[0] == name and place[1] != WHOLE
        ]
        skipped = sum(found["outcome"] == SKIPPED for found in calls)
        has_begun = name in self._begun
        played = StepPlayed(
            state=self._state(step),
            tries=sum(found["attempt"] for found in calls),
            failed=sum(found["outcome"] not in {"ok", SKIPPED} for found in calls),
            held=(len(calls) - skipped, skipped) if has_begun else (0, 0),
        )
        match played.state:
            case "waiting":
                kinds = [one.kind for place, one in ledger.open_waits.items() if place[0] == name]
                return replace(played, waits_for=kinds[0] if kinds else "unknown")
            case "skipped":
                return replace(played, because=self._why(step))
            case "failed":
                return replace(played, error=self._result(step)["error"])
            case _:
                return played

    def _result(self, step: ProgramStep) -> dict[str, Any]:
        """What the step ended with; empty if it did not end."""
        place = step.name, 0 if step.foreach is None else WHOLE
        return self._ledger.results.get(place, {})

    def _state(self, step: ProgramStep) -> str:
        ledger, name = self._ledger, step.name
        match self._result(step).get("outcome"):
            case "ok":
                return "succeeded"
            case "skipped":
                return "skipped"
            case None:
                asked = any(
                    place[0] == name and intent.is_asked
                    for place, (_, intent) in ledger.intents.items()
                )
                waits = any(place[0] == name for place in ledger.open_waits)
                return "waiting" if asked or waits else "not_reached"
            case _:
                return "failed"

    def _why(self, step: ProgramStep) -> str:
        if step.name not in self._begun:
            return "on_error"
        return "nobody_decided" if (step.name, 0) in self._ledger.waits else "if"


def _without_transactions(program: Program) -> Program:
    """The program without a call that the database makes, or spares: what those give is given as that of any other."""

    def without(steps: tuple[ProgramStep, ...]) -> tuple[ProgramStep, ...]:
        return tuple(
            replace(
                step,
                cache=None,
                effect="idempotent" if step.effect == "transactional" else step.effect,
            )
            for step in steps
        )

    return replace(program, steps=without(program.steps), last=without(program.last))


def _values(program: Program, recorded: Recorded) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for steps in (program.steps, program.last):
        restore_course(steps, recorded, Course(steps), values)
    return values
