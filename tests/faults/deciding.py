"""What is decided of schedules, turns and ends, in plain Python: the half of `reference` in which no runtime has a share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple, Protocol
from uuid import UUID

from tests.faults.records import (
    OVER,
    Hold,
    Place,
    Result,
    Run,
    Task,
)
from tests.faults.wishes import NEWS, WORDS, Kind

ON_TIME: Final = timedelta(seconds=60)
_ACTIVE: Final = frozenset({"queued", "running", "waiting"})


class Ids(Protocol):
    """What runs are called that nobody asks for by hand."""

    def of_occurrence(self, task: str, at: datetime) -> UUID: ...
    def of_backfill(self, task: str, at: datetime, tries: int) -> UUID: ...
    def of_child(self, parent: Run, step: str) -> UUID: ...


NOTICED: Final[Mapping[Kind, str]] = {
    "approve": "decide",
    "callback": "call_back",
    "event": "emit",
}
"""Waits that may be answered up to some instant, and how."""


class Edge(NamedTuple):
    """An instant, who would notice it, and where that is an answer, the step that waits for it."""

    at: datetime
    what: str
    run_id: UUID = UUID(int=0)
    step: str = ""


class Deciding:
    """Everything that is there, and what time and the ends of runs make of it."""

    def __init__(self, now: datetime, ids: Ids) -> None:
        self.now = now
        self.ids = ids
        self.monotonic = 0.0
        self.tasks: dict[str, Task] = {}
        self.runs: dict[UUID, Run] = {}
        self.holds: list[Hold] = []
        self.events: list[tuple[str, str | None, datetime]] = []
        """Topics, what something said that happened under them, and when."""
        self.spent_until: datetime | None = None
        """When the one token of the rate limit is back."""
        self.turns: dict[tuple[UUID, Place, int], datetime] = {}
        """Tries of calls that wait for a token, and when they have it."""
        self.told: list[tuple[int, Task]] = []
        """Runtimes that are about to look whether the turn of a run of a task has come."""

    def _end_run(self, run: Run, reason: str, *, at_once: bool = False) -> str:
        """End a run over the head of whoever executes it: whether its last steps begin, go on, or there are none."""
        has_begun = run.place == "queue" and run.started_at is not None
        has_last = has_begun and run.body.last and not at_once
        fate = "none" if not has_last else "goes on" if OVER in run.results else "begins"
        if fate == "begins":
            run.epoch += 1
            run.results[OVER] = Result("cancelled", run.epoch, "ORD510")
            run.over_at, run.reason = self.now, reason
            run.lease_until, run.attempt, run.is_woken, run.ready_at = None, 0, False, self.now
        elif fate == "none":
            run.end("cancelled", reason)
        return fate

    def _happen(self, topic: str, word: str | None = None) -> None:
        self.events.append((topic, word, self.now))
        for run in self.runs.values():
            if run.place == "queue" and self._end_waits_for_events(run):
                self._wake(run)

    def _end_waits_for_events(self, run: Run) -> bool:
        """Give each wait the first event since the run began that came in time and ended no other; whether one had any."""
        has_ended = False
        for name, wait in (*run.open_waits("event"), *run.open_waits("callback")):
            wanted = run.step(name).wants
            for number, (topic, word, at) in enumerate(self.events):
                is_its = topic == topic_of(run, name) and number not in run.used.values()
                is_its = is_its and wanted in {None, word}
                is_in_time = wait.until is None or at <= wait.until
                assert run.started_at is not None
                if is_its and is_in_time and at >= run.started_at:
                    wait.answer, run.used[name], has_ended = True, number, True
                    break
        return has_ended

    def _wake(self, run: Run) -> None:
        run.is_woken = True
        if run.lease_until is None:
            run.ready_at = self.now

    def edges(self) -> list[Edge]:
        """Instants ahead at which something begins or ends to be so, and who would notice."""
        found = set[Edge]()
        for task in self.tasks.values():
            if not task.is_retired:
                owed = [at + task.body.window for at in task.reached(self.now)]
                found |= {Edge(at, "fire") for at in (*self._ahead(task), *owed)}
        for run in self.runs.values():
            late = [run.start_until] if run.place and run.epoch == 0 else []
            if run.place == "queue":
                found |= {Edge(at, "claim") for at in (run.lease_until, run.ready_at, *late) if at}
                found |= {
                    Edge(wait.until, what, run.run_id, step)
                    for kind, what in NOTICED.items()
                    for step, wait in run.open_waits(kind)
                    if wait.until
                }
        return sorted(edge for edge in found if edge.at > self.now)

    def _ahead(self, task: Task) -> list[datetime]:
        return task.between(self.now, self.now + 2 * task.body.period)

    def due_next(self) -> datetime | None:
        """When a schedule is due next."""
        active = [one for one in self.tasks.values() if not (one.is_paused or one.is_retired)]
        return min((at for task in active for at in self._ahead(task)), default=None)

    def due_now(self) -> set[str]:
        """The tasks that somebody has to decide now."""
        return {
            task.name
            for task in self.tasks.values()
            if not task.is_paused and not task.is_retired and task.reached(self.now)
        }

    def fire(self, runtime: int, names: Collection[str]) -> None:
        """The schedules of these tasks are decided; runs that this runtime executes, and that are ended by it, stop at once."""
        for task in self.tasks.values():
            if task.name in names:
                touched, ended = self._decide(task)
                self.holds = [
                    hold
                    for hold in self.holds
                    if not (hold.run in ended and hold.runtime == runtime)
                ]
                if touched:
                    self.told.append((runtime, task))

    def _decide(self, task: Task) -> tuple[bool, list[Run]]:
        """Decide what time has reached: whether somebody must look at the backlog then, and the runs that were ended."""
        reached = task.reached(self.now)
        if not reached:
            return False, []
        reasons = self._passed_over(task, reached)
        chosen = [at for at in reached if at not in reasons]
        has_touched, ended = False, list[Run]()
        for at in reached:
            if self.ids.of_occurrence(task.name, at) in self.runs:
                continue
            if at in reasons:
                self._new_at(task, at).end("skipped", reasons[at])
                continue
            late = self.now - at > ON_TIME or len(chosen) > 1
            missed = task.body.most if task.body.catch_up == "all" and late else 0
            is_late = any(run.is_late(self.now) for run in self._runs_of(task))
            has_touched |= is_late and task.body.overlap != "allow"
            fate = self._let_in(task, task.body.overlap, missed=missed, ended=ended)
            run = self._new_at(task, at)
            if fate == "skip":
                room = _room(task.body.overlap, missed=missed)
                run.end("skipped", "overlap_queue_full" if room else "overlap")
            else:
                self._place(run, fate, at)
            has_touched |= fate == "backlog" or bool(ended)
        task.cursor = reached[-1]
        return has_touched, ended

    def _passed_over(self, task: Task, reached: Sequence[datetime]) -> dict[datetime, str]:
        """Why some of what time has reached does not run."""
        body = task.body
        reasons = {at: "catch_up_window" for at in reached if self.now - at > body.window}
        if body.deadline is not None:
            late = (at for at in reached if self.now - at > body.deadline)
            reasons = dict.fromkeys(late, "start_deadline") | reasons
        reasons |= {at: "snoozed" for at in reached if task.leaves_out(at)}
        fresh = [at for at in reached if at not in reasons]
        is_replacing = body.overlap == "cancel_running"
        match body.catch_up:
            case "latest":
                reasons |= dict.fromkeys(fresh[:-1], "catch_up_latest")
            case "all":
                left = 1 if is_replacing else body.most
                reason = "overlap_replaced" if is_replacing else "catch_up_max"
                reasons |= dict.fromkeys(fresh[:-left], reason)
            case _:
                kept = [at for at in fresh if self.now - at <= ON_TIME]
                kept = kept[-1:] if is_replacing else kept
                reasons |= {at: "catch_up_skip" for at in fresh if at not in kept}
        return reasons

    def _let_in(
        self,
        task: Task,
        overlap: str,
        *,
        missed: int = 0,
        ended: list[Run] | None = None,
    ) -> Literal["queue", "backlog", "skip"]:
        """What becomes of another run of a task, and which are ended for it; a backfill that is under way takes nobody's
        place, and no run takes its. Who is too late to begin is in nobody's way.
        """
        for run in self._runs_of(task) if overlap != "allow" else ():
            self._skip_late(run)
        regular = [
            run for run in self._runs_of(task) if run.state in _ACTIVE and not run.is_backfill
        ]
        for run in regular if overlap == "cancel_running" else ():
            if self._end_run(run, "overlap") != "goes on" and ended is not None:
                ended.append(run)
        active, waiting = self._active(task), self._waiting(task)
        if overlap == "allow" or not (active or waiting):
            return "queue"
        room = _room(overlap, missed=missed)
        if all(run.is_backfill for run in active):
            room = max(1, room)
        return "backlog" if sum(not run.is_backfill for run in waiting) < room else "skip"

    def _begin_run(self, run: Run, fate: Literal["queue", "backlog"]) -> None:
        self._place(self._add(run), fate, self.now)
        if fate == "backlog":
            self.look(run.task)

    def _place(self, run: Run, place: Literal["queue", "backlog"], due_at: datetime) -> None:
        run.place = place
        run.ready_at = max(self.now, due_at) if place == "queue" else due_at

    def _skip_late(self, run: Run) -> None:
        if run.is_late(self.now):
            run.end("skipped", "start_deadline")

    def look(self, task: Task) -> None:
        """Somebody looks whether the turn of a run has come."""
        behind = self._waiting(task)
        for run in behind:
            self._skip_late(run)
        waiting, active = self._waiting(task), self._active(task)
        if not waiting:
            return
        if any(task.body.overlap != "allow" or run.is_backfill for run in active):
            for run in active:
                run.is_followed = True
            return
        first = waiting[0]
        assert first.ready_at is not None
        self._place(first, "queue", first.ready_at)
        first.is_followed = len(behind) > 1

    def sweep(self) -> None:
        """Somebody looks after tasks where nobody would notice that a turn has come."""
        for task in self.tasks.values():
            if not any(run.is_followed for run in self._active(task)):
                self.look(task)

    def let_through(self) -> None:
        """Runs that need a slot of their word get those that are free; the one that is first says how many there are."""
        for word in WORDS:
            waiting = [
                run
                for run in self.runs.values()
                if run.place == "queue" and run.is_gated and run.word == word and run.ready_at
                if run.ready_at <= self.now
            ]
            holders = (run for run in self.runs.values() if run.place and run.word == word)
            taken = sum(run.has_slot for run in holders)
            first = min(waiting, key=lambda run: (run.ready_at, run.run_id), default=None)
            room = first.body.slots - taken if first else 0
            for run in waiting:
                # Who is not to begin needs no slot for that.
                run.is_gated = not run.is_late(self.now)
            waiting = sorted((run for run in waiting if run.is_gated), key=lambda run: run.turn_at)
            for run in waiting[: max(0, room)]:
                run.is_gated, run.has_slot = False, True

    def tell_parents(self, runtime: int) -> None:
        """Runs that wait for others hear of their ends; those that nobody waits for any more are ended, and that is heard of."""
        while True:
            for run in self.runs.values():
                if self._hear_of_child(run):
                    self._wake(run)
            unwanted = list(filter(self._is_unwanted, self.runs.values()))
            if not unwanted:
                return
            for child in unwanted:
                is_followed = child.place == "queue" and child.is_followed
                if self._end_run(child, "cancelled") != "begins" and is_followed:
                    self.told.append((runtime, child.task))

    def _is_unwanted(self, child: Run) -> bool:
        """Whether a run was started by one that waits for it no more, and has not come to its last steps."""
        return (
            child.place is not None
            and OVER not in child.results
            and any(
                run.child == child.run_id and run.has_left(wait.began_at)
                for run in self.runs.values()
                for _, wait in run.open_waits("run")
            )
        )

    def _hear_of_child(self, run: Run) -> bool:
        """Whether a run hears now that the one it waits for is over."""
        child = self.runs.get(run.child) if run.child else None
        is_news = False
        for _, wait in run.open_waits("run"):
            if child is not None and child.place is None:
                wait.answer, is_news = child.state == "succeeded", True
        return is_news

    def look_around(self) -> None:
        """Every runtime looks where it was told to."""
        for _, task in self.told:
            self.look(task)
        self.told.clear()

    def _new_at(self, task: Task, at: datetime) -> Run:
        run_id = self.ids.of_occurrence(task.name, at)
        return self._add(Run(run_id, task, task.body, "schedule", at))

    def _add(self, run: Run) -> Run:
        run.is_gated = run.body.slots > 0
        if run.body.deadline is not None and not run.is_backfill:
            run.start_until = (run.at or self.now) + run.body.deadline
        self.runs[run.run_id] = run
        return run

    def _runs_of(self, task: Task) -> list[Run]:
        return [run for run in self.runs.values() if run.task is task]

    def _active(self, task: Task) -> list[Run]:
        return [run for run in self._runs_of(task) if run.place == "queue"]

    def _waiting(self, task: Task) -> list[Run]:
        found = [run for run in self._runs_of(task) if run.place == "backlog"]
        return sorted(found, key=lambda run: (run.is_backfill, run.run_id))


def _room(overlap: str, *, missed: int) -> int:
    """How many runs of a task may wait."""
    return {"skip": missed, "queue_one": max(1, missed), "allow": 0}.get(overlap, 1000)


def topic_of(run: Run, step: str) -> str:
    return NEWS if run.step(step).kind == "event" else f"{run.run_id} {step}"
