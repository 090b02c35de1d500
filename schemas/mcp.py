"""What the tools of `ordinaut mcp` take and answer, where that is not what commands print anyway."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from schemas.base import Identifier, Integer, Model
from schemas.board import BoardTask, Standing, StandingCount, StripRun
from schemas.drift import Drift
from schemas.event_log import EventPage
from schemas.override import Pause
from schemas.run import RunList, RunReport, RunState, RunSummary, StepReport
from schemas.spend import SpendBy
from schemas.upcoming import UpcomingOccurrence
from schemas.wishes import JsonObject, Wish

MAX_PAGE: Final = 100

Label = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128),
    Field(examples=["weekday-morning-briefing", "sales/follow-up"]),
]
"""A task's name; as `namespace/name` outside the default namespace."""
Words = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class PageWish(Wish):
    """A page of a list."""

    limit: Annotated[Integer, Field(ge=1, le=MAX_PAGE)] = 20
    """How many at most."""
    cursor: Annotated[str, StringConstraints(max_length=256)] | None = None
    """Where to go on: `next_cursor` of the page before."""


class ListTasks(PageWish):
    """Which tasks are wanted."""

    words: Words | None = None
    """Only those with this in their `namespace/name`."""
    namespace: Words | None = None
    """Only those in there; `default` where specs name none."""
    owner: Words | None = None
    """Only those that this one answers for."""
    standing: Standing | None = None
    """Only those that stand there; `failing` are those whose newest run failed."""


class TaskRow(Model):
    """A task in a list."""

    task: str
    """Its name, as `namespace/name` outside the default namespace."""
    standing: Standing
    """Where it stands."""
    schedule: str
    """Its schedules in plain words."""
    timezone: str | None = None
    """The zone in which people read its times."""
    next_for: AwareDatetime | None = None
    """The next occurrence; none where time does not drive it, or no more."""
    pause: Pause | None = None
    """Who holds it back, why and until when."""
    owner: str | None = None
    """Who answers for it."""
    last_run: StripRun | None = None
    """Its newest run."""

    @classmethod
    def of(cls, task: BoardTask) -> TaskRow:
        """What is shown of a task in a list."""
        return cls(
            **{name: getattr(task, name) for name in cls.model_fields if name != "last_run"},
            last_run=task.runs[0] if task.runs else None,
        )


class TaskRows(Model):
    """A page of tasks, by name."""

    now: AwareDatetime
    """The database's clock."""
    total: int
    """How many tasks there are with this owner and these words, wherever they stand."""
    counts: tuple[StandingCount, ...]
    """How many of them stand where, the worst first."""
    tasks: tuple[TaskRow, ...]
    """The page."""
    next_cursor: str | None = None
    """What to ask the next page with; none on the last."""


class GetStatus(Wish):
    """How much of the status is wanted."""

    limit: Annotated[Integer, Field(ge=0, le=MAX_PAGE)] = 15
    """How many tasks."""


class GetSpend(Wish):
    """Which spending is wanted."""

    by: SpendBy = "task"
    """What it is told by."""
    since: AwareDatetime | None = None
    """From then on; the last 30 days when left out."""


class GetTask(Wish):
    """Which task is wanted."""

    task: Label
    occurrences: Annotated[Integer, Field(ge=0, le=50)] = 5
    """How many of its next occurrences."""


class TaskAnswer(Model):
    """Everything that is in force of a task."""

    now: AwareDatetime
    """The database's clock."""
    task: BoardTask
    """Where it stands, its file and commit, and its newest runs."""
    manifest: dict[str, Any]
    """The document in force, without what is so by default."""
    next: tuple[UpcomingOccurrence, ...]
    """When it fires next, by its schedule alone."""
    drift: tuple[Drift, ...]
    """What somebody wrote of it past git."""


class ListRuns(PageWish):
    """Which runs are wanted."""

    task: Label | None = None
    """Only this task's."""
    states: Annotated[tuple[RunState, ...], Field(max_length=7)] = ()
    """Only those in one of these states; all when left out."""


class RunRows(RunList):
    """A page of runs, newest first."""

    next_cursor: str | None = None
    """What to ask the next page with; none on the last."""


Reference = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128),
    Field(examples=["3f9a1c20", "last", "weekday-morning-briefing"]),
]
"""A run: its id, six or more digits of either end of it, a task's name for its newest run, or `last`."""


class GetRun(Wish):
    """Which run is wanted."""

    run: Reference
    step: Identifier | None = None
    """One step of it, with all that it was given and gave; every step, with large values cut, when left out."""


class RunAnswer(Model):
    """The whole story of a run."""

    run: RunReport
    """The run."""
    cut: tuple[str, ...]
    """What was too large, such as `steps.brief.output`: there stands how it `begins`, and its `bytes`. Ask for the step by itself."""


class GetRunLogs(PageWish):
    """Whose events are wanted."""

    run: Reference | None = None
    """Only this run's."""
    task: Label | None = None
    """Only this task's, of all of its runs."""
    type: Annotated[str, StringConstraints(max_length=64, pattern="^[a-z_.]+$")] | None = None
    """Only those of this type, such as `run.failed`, or of those that begin so: `run.`."""


class LogRows(EventPage):
    """A page of events, newest first; large facts are cut."""

    next_cursor: str | None = None
    """What to ask the next page with; none on the last."""


class ExplainFailure(Wish):
    """Which failure is to be explained."""

    run: Reference
    """The run that failed; of a task its newest one that did."""


class FailureAnswer(Model):
    """Why a run failed, and what to do."""

    now: AwareDatetime
    """The database's clock."""
    run: RunSummary
    """The run."""
    story: tuple[str, ...]
    """How it came about, a sentence each."""
    meaning: str | None = None
    """What the code of its error means."""
    steps: tuple[StepReport, ...]
    """The steps that did not succeed, with their tries."""
    waits_for_people: tuple[str, ...]
    """Steps whose call may have happened, or that ask for a decision."""
    in_a_row: int
    """How many runs of the task failed in a row up to now; counting stops at 100."""
    last_success: RunSummary | None = None
    """The newest run that succeeded, as far as the last 100 tell."""
    changed_since: bool | None = None
    """Whether that one and this are of different revisions of the task; unknown where none succeeded."""
    rerun_by: RunSummary | None = None
    """The run that ran it once more, where one did."""
    advice: tuple[str, ...]
    """What to do next, in order."""


class PreviewSchedule(Wish):
    """Whose times are wanted: a task's in force, or those of a schedule that is not written yet."""

    task: Label | None = None
    """A task in force."""
    schedule: Annotated[JsonObject | list[JsonObject] | None, Field(examples=[{"rrule": "FREQ=DAILY;BYHOUR=8;BYMINUTE=30", "timezone": "Europe/Chisinau"}])] = None  # fmt: skip
    """What stands under `schedule` of a Task: one of rrule, cron, every or at, with its timezone; without calendars of the specs."""
    after: AwareDatetime | None = None
    """From this instant on; from now on when left out."""
    limit: Annotated[Integer, Field(ge=1, le=MAX_PAGE)] = 10
    """How many at most."""

    @model_validator(mode="after")
    def _one_of_both(self) -> PreviewSchedule:
        if (self.task is None) == (self.schedule is None):
            raise ValueError("give exactly one of task and schedule")
        return self


class ServerRow(Model):
    """A tool server in force, and how calls of it went."""

    server: str
    """Its name, as `namespace/name` outside the default namespace."""
    reached: str
    """The program that is started, or the address, without what may be secret."""
    description: str | None = None
    """What it is for."""
    owner: str | None = None
    """Who answers for it."""
    tools: tuple[str, ...] | None = None
    """What the tool lock holds it to; unknown where nobody locked it."""
    outcomes: dict[str, int]
    """How many calls ended how, of runs of the last 24 hours; `ok` is success."""
    last_ok_at: AwareDatetime | None = None
    """When one of them succeeded last."""
    last_failed_at: AwareDatetime | None = None
    """When one of them ended otherwise."""


class ServerRows(Model):
    """A page of tool servers, by name."""

    now: AwareDatetime
    """The database's clock."""
    servers: tuple[ServerRow, ...]
    """The page."""
    next_cursor: str | None = None
    """What to ask the next page with; none on the last."""


class ListServers(PageWish):
    """Which tool servers are wanted."""
