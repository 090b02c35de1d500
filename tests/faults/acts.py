"""What happens in the world of `test_model`: each to the database, by the product, and to the reference."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from runtime.actor import Actor
from runtime.backfilling import Asked as Span
from runtime.backfilling import backfill_task
from runtime.cancelling import RunOver, cancel_run
from runtime.core.callback import callback_token
from runtime.errors import NotFound
from runtime.manual import RunRefused, request_run
from runtime.overrides import pause_task, resume_task, snooze_task
from runtime.rerunning import Rerun, rerun_run
from runtime.store.backlog import list_unwatched_turns
from runtime.store.events import Event
from runtime.store.settling import settle_call
from runtime.store.waits import answer_wait
from schemas.asked import Asked
from schemas.unsettled import Unsettled
from tests.faults.deciding import Edge
from tests.faults.records import Run
from tests.faults.reference import TRUSTED_LEASES
from tests.faults.wishes import (
    MINUTE,
    NEWS,
    WORDS,
    Body,
)
from tests.faults.world import World, one_of
from tests.support.driven import DrivenRuntime, quiet
from tests.support.scripted_tools import failed, ok

_TURNS = "select run_id, max(ready_at) from ordinaut.rate_turn group by 1"
_PARENTS = "select split_part(trigger_key, ':', 1)::uuid from ordinaut.run where trigger = 'run'"


class Acts(World):
    """All that people, runtimes and time do."""

    # People

    def apply(self, _: int, given: tuple[str, Body]) -> None:
        name, body = given
        self._apply({**self.bodies, name: body})

    def retire(self, which: int, _: None) -> None:
        if len(self.bodies) > 1:
            gone = self._named(which)
            left = {name: body for name, body in self.bodies.items() if name != gone}
            self._apply(left, retire=1)

    def run_now(self, which: int, word: str | None) -> None:
        name = self._named(which)
        # Runs of one instant are in no order that a test could know.
        self._pass(1)
        self._asked += 1
        run_id: UUID | None = None
        params = {"word": word} if word else {}
        with suppress(RunRefused):
            run_id = request_run(
                self._connection,
                name,
                params,
                may_overlap=False,
                needs_runtime=False,
                actor=Actor("ada"),
            )[0]
        task = self.reference.tasks[name]
        is_let_in = self.reference.ask_for(task, run_id or UUID(int=self._asked), word)
        assert is_let_in == (run_id is not None)

    def rerun(self, which: int, given: tuple[str, bool]) -> None:
        start, latest = given
        only_failed = start == "failed"
        named = None if start in {"", "failed"} else start
        for run in one_of([run for run in self.reference.runs.values() if run.started_at], which):
            self._pass(1)
            self._asked += 1
            run_id: UUID | None = None
            asked = Rerun(named, only_failed, latest)
            with suppress(RunRefused, NotFound):
                run_id = rerun_run(self._connection, run.run_id, asked, actor=Actor("ada"))
            is_let_in = self.reference.rerun(
                run,
                run_id or UUID(int=self._asked),
                start=named,
                only_failed=only_failed,
                latest=latest,
            )
            assert is_let_in == (run_id is not None)

    def backfill(self, which: int, minutes: int) -> None:
        name, now = self._named(which), self.reference.now
        since = now - minutes * MINUTE
        span = Span(since.isoformat(), now.isoformat(), None, dry_run=False, actor=Actor("ada"))
        backfill_task(self._connection, name, span)
        self.reference.backfill(self.reference.tasks[name], since)

    def pause(self, which: int, _: None) -> None:
        name = self._named(which)
        pause_task(self._connection, name, until=None, reason="", actor=Actor("ada"))
        self.reference.tasks[name].is_paused = True

    def snooze(self, which: int, minutes: int) -> None:
        name, now = self._named(which), self.reference.now
        # When it ends, its task may be due: that one runs.
        until = now.replace(second=0, microsecond=0) + minutes * MINUTE
        snooze_task(
            self._connection, name, until=until.isoformat(), reason=str(now), actor=Actor("ada")
        )
        self.reference.tasks[name].snooze(now, until)

    def resume(self, which: int, _: None) -> None:
        tasks = [one for one in self.reference.tasks.values() if not one.is_retired]
        for task in one_of([one for one in tasks if one.is_paused or one.snoozes], which):
            resume_task(self._connection, task.name, actor=Actor("ada"))
            task.resume(self.reference.now)

    def cancel(self, which: int, at_once: bool) -> None:
        for run in one_of(self._live_runs(), which):
            with suppress(RunOver):
                cancel_run(
                    self._connection, run.run_id, reason="", actor=Actor("ada"), at_once=at_once
                )
            self.reference.cancel(run, at_once=at_once)

    def decide(self, which: int, approved: bool) -> None:
        for run, step in one_of(self._asking(), which):
            self._decide(run, step, approved=approved)

    def _decide(self, run: Run, step: str, *, approved: bool) -> None:
        now = self.reference.now
        asked = Asked(
            task="", run_id=run.run_id, step=step, iteration=0, asked={}, began_at=now, now=now
        )
        counts = answer_wait(
            self._connection, asked, approved=approved, by=Actor("ada"), reason=""
        )
        assert counts == self.reference.answer(run, step, approved=approved)

    def settle_doubt(self, which: int, what: Literal["happened", "try_again", "failed"]) -> None:
        """Also a call that nobody is asked about yet, or no more."""
        for run, place in one_of(self._doubtful(), which):
            call = Unsettled(
                run_id=run.run_id,
                task="",
                step=place[0],
                iteration=place[1],
                attempt=1 + len(run.tries_of(place)),
                idempotency_key="",
                asked={},
                asked_at=self.reference.now,
                now=self.reference.now,
            )
            counts = settle_call(
                self._connection, call, settled=what, result=None, by=Actor("ada"), reason=""
            )
            assert counts == self.reference.settle_doubt(run, place, what)

    def emit(self, _: int, given: tuple[bool, str]) -> None:
        """What a source says again is no other event, whatever it says then."""
        is_again, word = given
        is_new = not is_again or not self._emitted
        self._emitted += is_new
        self._do(self._arrive(Event(NEWS, {"word": word}, "test", str(self._emitted))))
        if is_new:
            self.reference.emit(word)

    def call_back(self, which: int, _: None) -> None:
        for run, step in one_of(self._steps_of("callback"), which):
            self._call_back(run, step)

    def _call_back(self, run: Run, step: str) -> None:
        token = callback_token(self._key, run.run_id, step)
        assert self._do(self._arrive_by(token)) == self.reference.call_back(run, step)

    # Time

    def wait(self, _: int, seconds: float) -> None:
        self._pass(seconds)

    def reach(self, which: int, given: tuple[bool, str | None]) -> None:
        """Time comes to the very instant at which something begins or ends to be so, and mostly somebody notices then."""
        is_noticed, wanted = given
        edges = [edge for edge in self.reference.edges() if wanted in {None, edge.what}]
        for edge in one_of(edges[:8], which):
            self._pass((edge.at - self.reference.now).total_seconds())
            if is_noticed:
                self._notice(edge, which)

    def _notice(self, edge: Edge, which: int) -> None:
        run = self.reference.runs.get(edge.run_id)
        match edge.what:
            case "decide" if run is not None:
                if edge.step in run.waits:
                    self._decide(run, edge.step, approved=True)
            case "call_back" if run is not None:
                self._call_back(run, edge.step)
            case "emit" if run is not None:
                self.emit(which, (False, run.step(edge.step).wants or WORDS[0]))
            case what:
                getattr(self, what)(which, None)

    def set_clock(self, which: int, seconds: float) -> None:
        """Where it goes forward, leases are over that their holders still trust: mostly somebody takes one."""
        self._was_set_back |= seconds < 0
        self.reference.now += timedelta(seconds=seconds)
        self._do(self.clock.set(self.reference.now))
        if seconds > 0:
            self.claim(which, None)
            self.beat(which + 1, None)

    # Runtimes

    def fire(self, which: int, _: None) -> None:
        runtime = self._runtime(which)
        with self._firing(runtime, self.reference.due_now()):
            self._do(runtime.scheduler.run_once())

    def fire_all_at_once(self, _: int, __: None) -> None:
        # Who fires what is anybody's guess; what comes of it is not, unless some of it ends what somebody executes.
        held = [hold.run.task for hold in self.reference.holds]
        if all(task.body.overlap != "cancel_running" for task in held):
            for runtime in self.runtimes.values():
                runtime.begun.clear()
            self._do(self._all_fire())
            self._do(quiet(*self.runtimes.values()))
            self.reference.fire(min(self.runtimes), self.reference.due_now())
            for runtime in self.runtimes.values():
                self._begin_what_was_made(runtime)
            self._look_around()

    def foresee(self, which: int, meddling: tuple[str, Any] | None) -> None:
        """A runtime decides ahead what is due in a moment, and writes that at the instant: if nothing has changed by then
        of what it has foreseen.
        """
        runtime, at = self._runtime(which), self.reference.due_next()
        if at is None or at <= self.reference.now:
            return
        self._pass(max(0.0, (at - self.reference.now).total_seconds() - 0.5))
        behind = self.reference.due_now()
        self.fire(which, None)
        self._pass((at - self.reference.now).total_seconds())
        if meddling is not None:
            what, given = meddling
            getattr(self, what)(which + 1, given)
        due, before = self.reference.due_now(), self._cursors()
        runtime.begun.clear()
        room = runtime.room_ahead
        self._do(runtime.fire_foreseen())
        self._do(quiet(runtime))
        after = self._cursors()
        fired = {name for name in self.uids if after.get(name) != before.get(name)}
        assert fired <= due
        assert fired >= due - behind or meddling is not None or self._was_set_back
        self._compare_firing(runtime, fired, room)

    @contextmanager
    def _firing(self, runtime: DrivenRuntime, names: Collection[str]) -> Iterator[None]:
        """A runtime fires these schedules, and begins as many of the runs as it has room for."""
        runtime.begun.clear()
        room = runtime.room_ahead
        yield
        self._do(quiet(runtime))
        self._compare_firing(runtime, names, room)

    def _compare_firing(self, runtime: DrivenRuntime, names: Collection[str], room: int) -> None:
        before = set(self.reference.runs)
        self.reference.fire(runtime.number, names)
        now = self.reference.now
        made = [run for run_id, run in self.reference.runs.items() if run_id not in before]
        able = [run for run in made if run.can_be_claimed(now) and not run.is_late(now)]
        first = sorted(able, key=lambda run: run.due_turn_at)[:room]
        assert {claim.run_id for claim in runtime.begun} == {run.run_id for run in first}
        self._begin_what_was_made(runtime)
        self._look_around()

    def _begin_what_was_made(self, runtime: DrivenRuntime) -> None:
        for run in self._in_their_order([claim.run_id for claim in runtime.begun]):
            self.reference.claim(run, runtime.number)

    def _cursors(self) -> dict[str, Any]:
        rows = self.people.rows("select task_uid, cursor_for from ordinaut.schedule")
        cursors = dict(rows)
        return {name: cursors.get(uid) for name, uid in self.uids.items()}

    def let_through(self, which: int, _: None) -> None:
        self._do(self._runtime(which).gate.look())
        self.reference.let_through()

    def tell_parents(self, which: int, _: None) -> None:
        runtime = self._runtime(which)
        self._do(runtime.arrivals.run_once())
        self.reference.tell_parents(runtime.number)
        self._look_around()

    def come_back(
        self, which: int, given: tuple[Literal["ok", "tool_error", "lost"], bool]
    ) -> None:
        """A tool answers; also one that was called long ago, by a runtime that has lost its lease since."""
        outcome, dies = given
        if not self.reference.holds:
            self.claim(which, None)
        for hold in one_of(self.reference.holds, which):
            runtime, run = self.runtimes[hold.runtime], hold.run
            (place,) = one_of(sorted(hold.calls), which)
            # The results of items that come at the same moment may be written later together.
            self._pass(1)
            same = [
                one
                for one in self.reference.holds
                if one.runtime == hold.runtime and one.run is run and place in one.calls
            ]
            if hold not in same:
                # By then it has seen that it lost the run.
                return
            answer = ok() if outcome == "ok" else failed(outcome)
            runtime.tools.answer(run.run_id, place, answer, nth=same.index(hold))
            self._do(quiet(runtime))
            self.reference.come_back(hold, place, outcome)
            if dies:
                self._vanish(runtime)
            self._look_around()

    def beat(self, which: int, _: None) -> None:
        self._beat(self._runtime(which))

    def attend(self, which: int, _: None) -> None:
        # What came a moment ago may else be written together with what this leads to.
        self._pass(1)
        runtime = self._runtime(which)
        self._do(runtime.attention.run_once())
        self._do(quiet(runtime))
        self.reference.attend(runtime.number)
        self._look_around()

    def crash(self, which: int, _: None) -> None:
        self._vanish(self._runtime(which))

    def sweep(self, which: int, _: None) -> None:
        runtime = self._runtime(which)
        runtime.turns.pass_on(self._do(list_unwatched_turns(self._pool, limit=10)))
        self.reference.sweep()
        self._look_around()

    def claim(self, which: int, _: None) -> None:
        """A runtime claims; what of it is its own choice is taken from it, and whether it may is the reference's to say."""
        reference, runtime = self.reference, self._runtime(which)
        if not self._free():
            self.let_through(which, None)
        free = self._free()
        room, before = runtime.room, self._epochs()
        runtime.begun.clear()
        self._do(runtime.worker.run_once())
        self._do(quiet(runtime))
        begun = self._in_their_order([claim.run_id for claim in runtime.begun])
        after = self._epochs()
        others = [run for run in free if run not in begun]
        late = [run for run in others if run.run_id not in after]
        postponed = [
            run for run in others if run not in late and after[run.run_id] != before[run.run_id]
        ]
        taken = [*begun, *postponed, *late]
        assert all(run in free for run in begun)
        assert len(taken) == min(room, len(free))
        assert late == [run for run in taken if run.is_late(reference.now)]
        self._compare_order(runtime, taken, [run for run in others if run not in taken])
        self._compare_suspects(runtime)
        for run in late:
            reference.skip(run, runtime.number)
        for run in begun:
            reference.claim(run, runtime.number)
        for run in postponed:
            reference.postpone(run)
            assert run.attempt >= TRUSTED_LEASES, "it is not under suspicion"
            begins = any(claim.attempt > TRUSTED_LEASES for claim in runtime.begun)
            assert runtime.suspects or begins, "nothing else under suspicion is executed"
        self._look_around()

    def _compare_order(
        self, runtime: DrivenRuntime, taken: Sequence[Run], left: Sequence[Run]
    ) -> None:
        """Who goes first is claimed first; but of twenty runs one may be from any lane, so that none starves."""
        self._claimed[runtime.number] += len(taken)
        first = min((run.turn_at for run in left), default=None)
        for run in taken:
            if first is not None and run.turn_at > first:
                self._early[runtime.number, run.body.priority] += 1
        for lane in {run.body.priority for run in taken}:
            early = self._early[runtime.number, lane]
            assert early <= self._claimed[runtime.number] / 20, "it was not its turn"

    def _compare_suspects(self, runtime: DrivenRuntime) -> None:
        """Of runs that may kill their runtime, one is executed at a time."""
        before = {one.run.run_id for one in self.reference.holds if one.is_suspect}
        begun = {one.run_id for one in runtime.begun if one.attempt > TRUSTED_LEASES}
        here = {one.run.run_id for one in self.reference.holds if one.runtime == runtime.number}
        assert not begun or len(begun | before & here) == 1

    def _in_their_order(self, run_ids: Sequence[UUID]) -> list[Run]:
        """Of what begins at the same moment anyone may be the first to ask for a token, or to start a run."""
        begun = [self.reference.runs[run_id] for run_id in run_ids]
        if len(begun) < 2:
            return begun
        turns = dict(self.people.rows(_TURNS))
        parents = {row[0] for row in self.people.rows(_PARENTS)}

        def order(run: Run) -> tuple[datetime, int]:
            # Who was refused met one that is active, before that ended.
            starts = any(step.kind == "run" for step in run.body.steps)
            place = 1 if not starts else 2 if run.run_id in parents else 0
            return turns.get(run.run_id, self.reference.now), place

        return sorted(begun, key=order)

    def _epochs(self) -> dict[UUID, int]:
        rows = self.people.rows("select run_id, lease_epoch from ordinaut.due_work")
        return {row[0]: row[1] for row in rows}

    def _look_around(self) -> None:
        for runtime in self.runtimes.values():
            self._do(runtime.look_around())
        self.reference.look_around()
