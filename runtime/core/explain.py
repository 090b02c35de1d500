"""Why a task ran, did not run, or ran late at some time: an argument from what is on record, without a database.

Every occurrence in the time asked about is explained: by the run or the recorded skip that it became, or, while there is
none, by what it waits for. What the record does not hold is not guessed at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import islice, pairwise, takewhile
from typing import Final

from runtime.core.evidence import DecidedRun, Evidence, Pause, TaskStand
from runtime.core.explain_listeners import trigger_facts
from runtime.core.reasons import AWAITED, REASONS, Reason
from runtime.core.recurrence import Occurrence
from runtime.core.recurrence.zone import Zone, load_zone
from runtime.core.schedules import TaskSchedule, compile_schedules
from runtime.core.spans import exact_span
from schemas.explanation import Explained, Explanation, Stand, Verdict

LIMIT: Final = 50
"""At most so many occurrences are explained at once."""

# Less is not late: it is the time that deciding, claiming and starting take.
_LATE: Final = timedelta(seconds=1)
_LOOKED_BACK: Final = (
    timedelta(hours=2),
    timedelta(days=2),
    timedelta(days=40),
    timedelta(days=800),
)
_COUNTED: Final = 10_000


def explain(evidence: Evidence) -> Explanation:
    """Explain what became of a task's occurrences in a span of time."""
    return _Argument(evidence).explanation()


@dataclass(frozen=True, slots=True)
class _Reign:
    """A revision while it was in force, in the time asked about, with the schedule that it has if it is no retirement."""

    stand: TaskStand
    schedule: TaskSchedule | None
    since: datetime
    until: datetime

    def occurrences(self) -> Iterator[Occurrence]:
        """What the schedule has there, the excluded included."""
        if self.schedule is None:
            return
        just_before = self.since - timedelta(microseconds=1)
        for occurrence in islice(self.schedule.following(just_before), LIMIT + 1):
            if occurrence.at >= self.until:
                return
            yield occurrence


def _reigns(evidence: Evidence) -> tuple[_Reign, ...]:
    stands = evidence.stands
    begins = [max(evidence.since, stand.applied_at) for stand in stands]
    return tuple(
        _Reign(
            stand,
            None if stand.action == "retire" else compile_schedules(stand.body),
            begin,
            end,
        )
        for stand, (begin, end) in zip(stands, pairwise([*begins, evidence.until]), strict=True)
    )


class _Argument:
    """One explanation in the making: the evidence, and how its times are told."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._reigns = _reigns(evidence)
        # What the task is measured by around that time: before it, and after it.
        self._first = self._reigns[0].schedule if self._reigns else None
        self._last = self._reigns[-1].schedule if self._reigns else None
        in_force = self._last or self._first
        self._schedule: TaskSchedule | None = in_force
        self._zone: Zone = load_zone(
            (in_force and in_force.timezone) or evidence.timezone or "UTC"
        )

    def explanation(self) -> Explanation:
        evidence, schedule = self._evidence, self._schedule
        explained = [self._decided(run) for run in evidence.decisions]
        recorded = {run.occurrence_for for run in evidence.decisions if run.trigger == "schedule"}
        explained += [
            self._open(one, reign.stand)
            for reign in self._reigns
            for one in reign.occurrences()
            if one.at not in recorded
        ]
        explained.sort(key=lambda one: one.at or evidence.since)
        return Explanation(
            task=evidence.label,
            timezone=self._zone.name,
            now=evidence.now,
            since=self._local(evidence.since),
            until=self._local(evidence.until),
            schedule=schedule.describe() if schedule else None,
            explained=tuple(explained[:LIMIT]) or (self._nothing(),),
            previous_at=self._previous(),
            next_at=self._next(),
            is_cut=len(explained) > LIMIT,
        )

    # what is on record

    def _decided(self, run: DecidedRun) -> Explained:
        verdict, sentence = self._outcome(run)
        late = run.started_at - _wanted_at(run) if run.started_at else None
        reason = _reason(run)
        return Explained(
            verdict=verdict,
            sentence=sentence,
            facts=tuple(self._facts(run)),
            hint=reason.hint if reason else None,
            at=self._local(run.occurrence_for),
            due_at=self._local(run.due_at),
            run_id=run.run_id,
            state=run.state,
            trigger=run.trigger,
            reason=run.reason,
            detail=run.detail,
            late_seconds=round(max(0.0, late.total_seconds()), 3) if late is not None else None,
            decided_at=self._local(run.created_at),
            decided_by=run.decided_by,
            tzdata=run.tzdata,
            stand=Stand(
                revision=run.revision,
                applied_at=run.applied_at,
                actor=run.actor,
                commit=run.commit,
            ),
        )

    def _outcome(self, run: DecidedRun) -> tuple[Verdict, str]:
        if run.state == "skipped":
            return "skipped", f"it did not run: {_because(run)}"
        if run.state == "cancelled":
            why = f": {_because(run)}" if run.reason else ""
            return "skipped" if run.started_at is None else "ran", f"it was cancelled{why}"
        if run.state in {"succeeded", "failed"} and run.started_at and run.finished_at:
            took = _span(run.finished_at - run.started_at)
            what = f"it ran, {self._lateness(run)}, and {run.state} after {took}"
            return "ran", what + (f": {run.error['message']}" if run.error else "")
        if run.state == "queued":
            return "active", f"it is queued: {self._what_it_waits_for(run)}"
        if run.state == "waiting":
            when = f", until {self._clock(run.ready_at)}" if run.ready_at else ""
            what = AWAITED.get(run.waits_for or "", "")
            return "active", f"it began, {self._lateness(run)}, and waits{what}{when}"
        return "active", f"it is running, begun {self._lateness(run)}"

    def _lateness(self, run: DecidedRun) -> str:
        late = (run.started_at or _wanted_at(run)) - _wanted_at(run)
        return "on time" if late < _LATE else f"{_span(late)} late"

    def _what_it_waits_for(self, run: DecidedRun) -> str:
        if run.waits_its_turn:
            return "it begins when the run of the task before it has ended"
        if run.ready_at and run.ready_at > self._evidence.now:
            return f"it begins at {self._clock(run.ready_at)}"
        if run.slot_key is not None:
            return f"it waits for a slot of the concurrency key {run.slot_key}"
        if not self._alive(self._evidence.now):
            return "no runtime is alive to take it"
        return "it waits for a runtime with room"

    def _facts(self, run: DecidedRun) -> Iterator[str]:
        if run.trigger != "schedule":
            joined = ": " if run.trigger == "event" else " by "
            by = joined + run.requested_by if run.requested_by else ""
            yield f"it was called for by {_TRIGGERS.get(run.trigger, run.trigger)}{by}"
        jitter = run.due_at - run.occurrence_for
        if run.trigger == "schedule" and jitter:
            yield f"jitter put it off by {_span(jitter)}"
        yield f"decided {self._clock(run.created_at)} {self._by(run)}, under revision {run.revision}"
        yield from self._why_decided_late(run)
        yield from self._why_started_late(run)

    def _by(self, run: DecidedRun) -> str:
        if run.decided_by is None:
            return "by an apply or a command"
        host = next(
            (one.host for one in self._evidence.runtimes if one.runtime_id == run.decided_by), None
        )
        return f"by runtime {run.decided_by}" + (f" on {host}" if host else "")

    def _why_decided_late(self, run: DecidedRun) -> Iterator[str]:
        if run.trigger != "schedule" or run.created_at - run.due_at < _LATE:
            return
        late = _span(run.created_at - run.due_at)
        pause = self._pause_at(run.due_at)
        if pause is not None:
            yield f"that was {late} after it was due, because the task was {self._held(pause)}"
        elif not self._alive(run.due_at):
            since = min(
                (one.since for one in self._evidence.runtimes if one.since > run.due_at),
                default=None,
            )
            until = f" until {self._clock(since)}" if since else ""
            yield f"that was {late} after it was due, because no runtime was alive{until}"
        else:
            yield f"that was {late} after it was due, though a runtime was alive: it was busy, or cut off"

    def _why_started_late(self, run: DecidedRun) -> Iterator[str]:
        waited = (run.started_at or run.created_at) - max(run.created_at, run.due_at)
        if run.started_at is not None and waited >= _LATE:
            if run.blocked_by is not None:
                yield f"it then waited {_span(waited)} for run {str(run.blocked_by)[-8:]} of the task to end"
            else:
                yield f"it then waited {_span(waited)} for a runtime with room"
        elif run.state == "skipped" and run.blocked_by is not None:
            yield f"the active run was {str(run.blocked_by)[-8:]}"

    # what is not on record

    def _open(self, occurrence: Occurrence, stand: TaskStand) -> Explained:
        verdict, sentence, hint = self._standing(occurrence, stand)
        return Explained(
            verdict=verdict,
            sentence=sentence,
            facts=tuple(self._found(occurrence)),
            hint=hint,
            at=self._local(occurrence.at),
            due_at=self._local(occurrence.due_at),
            reason="calendar" if occurrence.excluded_by else None,
            detail=occurrence.excluded_by,
            stand=_told(stand),
        )

    def _standing(
        self, occurrence: Occurrence, stand: TaskStand
    ) -> tuple[Verdict, str, str | None]:
        pause = self._pause_at(max(occurrence.due_at, self._evidence.now))
        if occurrence.due_at <= self._evidence.now:
            gone = self._why_gone(occurrence, stand)
            return ("nothing", gone, None) if gone else self._due(pause)
        if occurrence.excluded_by:
            return "upcoming", f"it will not run: {self._excluded(occurrence)}", None
        if pause is not None:
            return "held", f"it lies ahead, and the task is {self._held(pause)}", _END[pause.kind]
        return "upcoming", "it lies ahead and will run", None

    def _why_gone(self, occurrence: Occurrence, stand: TaskStand) -> str | None:
        """Why an occurrence of the past was never decided; None if it still is to be."""
        schedule = self._evidence.schedule
        if occurrence.at <= stand.applied_at:
            return f"this schedule counts from its apply at {self._clock(stand.applied_at)}"
        if schedule is None or occurrence.at <= schedule.cursor_for:
            return "nothing is on record: a later revision replaced the schedule"
        return None

    def _due(self, pause: Pause | None) -> tuple[Verdict, str, str | None]:
        if pause is not None:
            return "held", f"it is due, and the task is {self._held(pause)}", _END[pause.kind]
        if not self._alive(self._evidence.now):
            return "undecided", "it is due, and no runtime is alive to decide it", _START
        return "undecided", "it is due, and about to be decided", None

    def _found(self, occurrence: Occurrence) -> Iterator[str]:
        if occurrence.shifted:
            yield f"{occurrence.local_at:%H:%M} does not exist on that day; {self._clock(occurrence.at)} stands for it"
        elif occurrence.repeated:
            yield f"{occurrence.local_at:%H:%M} happens twice on that day"
        if occurrence.moved_from is not None:
            yield f"it stands in for {self._clock(occurrence.moved_from)}, which a calendar excludes"

    def _excluded(self, occurrence: Occurrence) -> str:
        to = occurrence.moved_to
        moved = f"; {self._clock(to)} stands in for it" if to else ""
        return f"calendar {occurrence.excluded_by} excludes it{moved}"

    def _nothing(self) -> Explained:
        stand = self._reigns[0].stand if self._reigns else None
        return Explained(
            verdict="nothing",
            sentence=self._why_nothing(stand),
            facts=tuple(trigger_facts(self._evidence, self._clock)) if stand else (),
            stand=stand and _told(stand),
        )

    def _why_nothing(self, stand: TaskStand | None) -> str:
        if stand is None:
            first = self._evidence.first_applied_at
            when = f": it was first applied at {self._clock(first)}" if first else ""
            return f"the task did not exist yet{when}"
        if self._schedule is None:
            return f"the task was not in force: revision {stand.revision} retired it at {self._clock(stand.applied_at)}"
        if not self._schedule.triggers:
            return f"time does not drive the task: it runs {self._schedule.describe()}"
        return "its schedule has no occurrence at that time"

    # around it

    def _previous(self) -> datetime | None:
        if self._first is None:
            return None
        since = self._evidence.since
        for span in _LOOKED_BACK:
            before = takewhile(lambda one: one.at < since, self._first.running(since - span))
            if last := deque(islice(before, _COUNTED), maxlen=1):
                return self._local(last[0].at)
        return None

    def _next(self) -> datetime | None:
        if self._last is None:
            return None
        following = self._last.next_running(self._evidence.until - timedelta(microseconds=1))
        return self._local(following.at) if following else None

    # words

    def _pause_at(self, instant: datetime) -> Pause | None:
        return next(
            (
                pause
                for pause in self._evidence.pauses
                if pause.since <= instant and (pause.until is None or pause.until > instant)
            ),
            None,
        )

    def _held(self, pause: Pause) -> str:
        until = f" until {self._clock(pause.until)}" if pause.until else ""
        reason = f" ({pause.reason})" if pause.reason else ""
        return f"{pause.kind}d by {pause.actor} from {self._clock(pause.since)}{until}{reason}"

    def _alive(self, instant: datetime) -> bool:
        return any(one.since <= instant <= one.until for one in self._evidence.runtimes)

    def _local(self, instant: datetime) -> datetime:
        return instant.astimezone(timezone(self._zone.offset(instant)))

    def _clock(self, instant: datetime) -> str:
        local = self._local(instant)
        seconds = ":%S" if local.second else ""
        return local.strftime(f"%a %Y-%m-%d %H:%M{seconds}")


def _told(stand: TaskStand) -> Stand:
    return Stand(
        revision=stand.revision,
        applied_at=stand.applied_at,
        actor=stand.actor,
        commit=stand.commit,
    )


_END: Final = {
    "pause": "`ordinaut resume` ends the pause; the catch-up policy then decides what it held back",
    "snooze": REASONS["snoozed"].hint,
}
_START: Final = (
    "start one with `ordinaut up` or `ordinaut runtime`; the catch-up policy then decides it"
)
_REPLACED: Final = Reason(
    "the next run of the task took its place",
    "any other overlap than cancel_running lets a run come to its end",
)
_TRIGGERS: Final = {
    "manual": "`ordinaut run`",
    "backfill": "`ordinaut backfill`",
    "rerun": "`ordinaut rerun`",
    "event": "an event",
    "condition": "its condition",
    "run": "another run",
}


def _span(span: timedelta) -> str:
    return exact_span(max(0.0, span.total_seconds()))


def _wanted_at(run: DecidedRun) -> datetime:
    """From when on a run may be late; a backfill is wanted when somebody asks, for an instant long gone."""
    return run.created_at if run.trigger == "backfill" else run.due_at


def _reason(run: DecidedRun) -> Reason | None:
    if run.state == "cancelled" and run.reason == "overlap":
        return _REPLACED
    return REASONS.get(run.reason or "")


def _because(run: DecidedRun) -> str:
    known = _reason(run)
    sentence = known.sentence if known else str(run.reason)
    return f"{sentence} ({run.detail})" if run.detail else sentence
