"""What the reference of `test_model` keeps of tasks, runs and leases: plain records, each as small as its part."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Final, Literal
from uuid import UUID

from tests.faults.wishes import ITEMS, Body, Step

WHOLE: Final = -1
Place = tuple[str, int]
"""A step, and which of its items: 0 where it has none, WHOLE for all of them together."""
OVER: Final[Place] = ("(over)", 0)
"""Where it is recorded how the steps ended, before the last ones begin."""
_MANY: Final = 1_000_000
_MOVING: Final = frozenset({"sleep", "event", "callback"})
"""Waits that a time ends, also where it is executed."""
_A_STEP: Final = timedelta(seconds=30)
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)


def end_of(step: Step) -> Place:
    """Where it is recorded how a step ended."""
    return step.name, WHOLE if step.kind == "spread" else 0


def items_of(step: Step) -> list[Place]:
    """The calls that a step makes."""
    return [(step.name, item) for item in range(ITEMS if step.kind == "spread" else 1)]


@dataclass
class Snooze:
    """When a task is left alone; open until it is over or somebody ends it."""

    since: datetime
    until: datetime
    is_open: bool = True


@dataclass
class Task:
    """A task in force or retired, and up to where its occurrences are decided."""

    name: str
    body: Body
    cursor: datetime
    is_paused: bool = False
    is_retired: bool = False
    snoozes: list[Snooze] = field(default_factory=list)

    def reached(self, now: datetime) -> list[datetime]:
        """What time has reached, and nobody has decided."""
        return self.between(self.cursor, now)

    def between(self, after: datetime, until: datetime) -> list[datetime]:
        """When it is due after one instant and until another."""
        body = self.body
        last = until if body.until is None else min(until, body.until)
        # Where nothing else is said it counts from round times on.
        first = body.start or _EPOCH + (after - _EPOCH) // body.period * body.period
        found = list[datetime]()
        for number in range(body.count or _MANY):
            at = first + number * body.period
            if at > last:
                return found
            found += [at] if at > after else []
        return found

    def snooze(self, now: datetime, until: datetime) -> None:
        """What is due until then is left out; a snooze in force gets another end."""
        if snooze := self._snooze_in_force(now):
            snooze.until = until
        else:
            self.snoozes.append(Snooze(now, until))

    def resume(self, now: datetime) -> None:
        """Nothing holds it back any more."""
        self.is_paused = False
        if snooze := self._snooze_in_force(now):
            snooze.until, snooze.is_open = max(snooze.since, now), False

    def _snooze_in_force(self, now: datetime) -> Snooze | None:
        last = self.snoozes[-1] if self.snoozes else None
        return last if last is not None and last.is_open and last.until > now else None

    def leaves_out(self, at: datetime) -> bool:
        """Whether it is left out when it is due then."""
        return any(snooze.since <= at < snooze.until for snooze in self.snoozes)


@dataclass
class Wait:
    """A wait on record; `answer` is what a person said, or how what it waits for ended."""

    began_at: datetime
    until: datetime | None
    answer: bool | None = None


@dataclass(frozen=True)
class Result:
    """How a call or a step ended, under which lease that was recorded, and the error if it is one."""

    outcome: str
    epoch: int
    error: str | None = None


@dataclass(frozen=True)
class Try:
    """A try that failed, and when another may follow."""

    outcome: str
    ready_at: datetime


@dataclass
class Doubt:
    """A call that must not be made twice was about to be made: since when people are asked what became of it."""

    asked_at: datetime | None = None
    answer: Literal["happened", "try_again", "failed"] | None = None


@dataclass
class Run:
    """A run, or an occurrence that was skipped; `at` is the occurrence it is for, where it is for one."""

    run_id: UUID
    task: Task
    body: Body
    trigger: Literal["schedule", "manual", "backfill", "rerun", "run"]
    at: datetime | None = None
    given: str | None = None
    state: str = "queued"
    reason: str | None = None
    error: str | None = None
    place: Literal["queue", "backlog"] | None = None
    is_gated: bool = False
    has_slot: bool = False
    start_until: datetime | None = None
    ready_at: datetime | None = None
    lease_until: datetime | None = None
    started_at: datetime | None = None
    over_at: datetime | None = None
    """When its steps were over, and the last ones began."""
    epoch: int = 0
    attempt: int = 0
    is_followed: bool = False
    is_woken: bool = False
    results: dict[Place, Result] = field(default_factory=dict)
    tries: dict[tuple[Place, int], Try] = field(default_factory=dict)
    waits: dict[str, Wait] = field(default_factory=dict)
    doubts: dict[Place, Doubt] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    """The number of the event that ended the wait of a step."""
    child: UUID | None = None

    @property
    def word(self) -> str:
        return self.given or self.body.word

    @property
    def is_backfill(self) -> bool:
        return self.trigger == "backfill"

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that are under way, or would be: the last ones once the others are over."""
        return self.body.last if OVER in self.results else self.body.steps

    def step(self, name: str) -> Step:
        return next(one for one in (*self.body.steps, *self.body.last) if one.name == name)

    @property
    def turn_at(self) -> tuple[datetime, UUID]:
        """In this order runs go that are ready: a step of priority is worth half a minute of waiting."""
        assert self.ready_at is not None
        return self.ready_at + _A_STEP * (9 - self.body.priority), self.run_id

    @property
    def due_turn_at(self) -> tuple[datetime, UUID]:
        """In this order they go that are made together for their occurrences."""
        assert self.at is not None
        return self.at + _A_STEP * (9 - self.body.priority), self.run_id

    def is_late(self, now: datetime) -> bool:
        """Whether it has not begun, and is not to begin any more."""
        is_over = self.start_until is not None and self.start_until < now
        return self.place is not None and self.epoch == 0 and is_over

    def can_be_claimed(self, now: datetime) -> bool:
        is_free = self.lease_until is None or self.lease_until < now
        is_ready = self.ready_at is not None and self.ready_at <= now
        return self.place == "queue" and not self.is_gated and is_ready and is_free

    def tries_of(self, place: Place) -> list[Try]:
        return [one for (tried, _), one in self.tries.items() if tried == place]

    def open_waits(self, kind: str) -> list[tuple[str, Wait]]:
        """Waits of a kind that nothing has ended, in the order in which they began."""
        return [
            (name, wait)
            for name, wait in self.waits.items()
            if self.step(name).kind == kind
            and wait.answer is None
            and (name, 0) not in self.results
        ]

    def has_left(self, began_at: datetime) -> bool:
        """Whether it has come beyond the steps of that time."""
        return self.place != "queue" or (self.over_at is not None and self.over_at > began_at)

    def end(self, state: str, reason: str | None = None) -> None:
        self.state, self.reason, self.place = state, reason, None


@dataclass
class Hold:
    """What one runtime believes to execute; `calls` are those it waits for, `known` how waits stood when it looked, and
    `settled` what people had said of calls when it began. Spans are measured by a clock that nobody sets.
    """

    run: Run
    runtime: int
    epoch: int
    is_suspect: bool
    trusted_until: float
    calls: set[Place] = field(default_factory=set)
    known: dict[str, str | None] = field(default_factory=dict)
    settled: dict[Place, str] = field(default_factory=dict)
    doubted: set[Place] = field(default_factory=set)
    """Calls that nobody knows the end of, as far as it has come to them."""
    spread: set[Step] = field(default_factory=set)
    """Steps of many calls that have begun here and are not over."""
    over_at: dict[str, float] = field(default_factory=dict)
    """When the waits are over that have begun, and are not."""
    turn_at: dict[Place, float] = field(default_factory=dict)
    again_at: dict[Place, float] = field(default_factory=dict)
    """When another try of a call may follow."""
    error: str | None = None
    """Why the steps under way fail."""
    error_before: str | None = None
    """Why those failed that came before the last ones."""
    says: bool = False

    @property
    def is_current(self) -> bool:
        return self.run.place == "queue" and self.run.epoch == self.epoch

    @property
    def listens(self) -> bool:
        """Whether it hears of answers: some step waits for one."""
        return any(self.run.step(name).kind != "sleep" for name in self.over_at)

    @property
    def moves_at(self) -> float:
        """When it goes on by itself, whatever else it waits for; infinite if it does not."""
        if self.error is not None:
            return inf
        waits = ((self.run.step(name).kind, at) for name, at in self.over_at.items())
        over_at = [at for kind, at in waits if kind in _MOVING]
        places = (self.turn_at.keys() | self.again_at.keys()) - self.calls - self.doubted
        calls_at = [max(self.turn_at.get(one, 0), self.again_at.get(one, 0)) for one in places]
        return min((*over_at, *calls_at), default=inf)

    @property
    def is_over(self) -> bool:
        """Whether nothing of the steps under way is left to be done."""
        ends = all(end_of(step) in self.run.results for step in self.run.steps)
        return not self.calls and (ends or self.error is not None)
