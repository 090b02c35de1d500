"""What `ordinaut status --json` prints: what is applied, who works, what is due, and what still waits to be told."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime

from schemas.base import Model
from schemas.doctor import Finding
from schemas.drift import Drift
from schemas.event import Failure
from schemas.hold import Hold
from schemas.override import Pause
from schemas.run import Progress, RunState
from schemas.source import SourceStatus


class DatabaseStatus(Model):
    """PostgreSQL."""

    address: str
    """Where it is, without credentials."""
    version: str
    """The server's version."""
    schema_version: int
    """The number of the newest migration."""


class BusStatus(Model):
    """Redis or Valkey."""

    address: str | None = None
    """Where it is, without credentials; none where there is none now."""
    reachable: bool = False
    """Whether it answers."""
    problem: str | None = None
    """Why it does not."""
    stream: str
    """The stream that events go to."""
    events: int | None = None
    """How many events it holds."""


class AppliedRevision(Model):
    """The newest revision of a project and environment."""

    revision: int
    """Its number."""
    project: str
    """The project."""
    environment: str
    """The environment."""
    commit: str | None = None
    """The git commit it was applied from."""
    confirmed_commit: str | None = None
    """A newer commit that was found to say the same; null where there is none."""
    branch: str | None = None
    """The branch."""
    dirty: bool
    """Whether the specs differed from the commit."""
    author: str | None = None
    """Who wrote the commit."""
    actor: str
    """Who applied it."""
    applied_at: AwareDatetime
    """When."""


class RuntimeStatus(Model):
    """A runtime process that has not said goodbye."""

    runtime_id: int
    """Its number."""
    host: str
    """The machine it runs on."""
    pid: int
    """Its process there."""
    version: str
    """Its version."""
    started_at: AwareDatetime
    """When it began."""
    heartbeat_at: AwareDatetime
    """When it last said that it is alive."""
    draining: bool
    """Whether it takes no more work."""
    duties: tuple[str, ...]
    """Which of scheduler, worker and relay it is."""
    alive: bool
    """Whether it said so within three heartbeats."""


class ConditionStatus(Model):
    """A condition of a task, and what it remembers."""

    condition: int
    """Where it stands among the task's schedules, from 0."""
    uses: str
    """The tool it asks."""
    phase: Literal["armed", "spent", "released"]
    """Armed: it may fire. Spent: it fired, and waits to be rearmed. Released: it was rearmed while it was still met."""
    met_since: AwareDatetime | None = None
    """Since when every answer has met it; none if the last one did not."""
    next_poll_at: AwareDatetime
    """When the tool is asked next; while it is being asked, when that is given up for lost."""
    polled_at: AwareDatetime | None = None
    """When it was last asked."""
    failing_since: AwareDatetime | None = None
    """Since when no answer could be judged."""
    error: Failure | None = None
    """Why the last one could not."""


class TaskStatus(Model):
    """A task in force."""

    task: str
    """Its name, as `namespace/name` outside the default namespace."""
    project: str
    """Its project."""
    timezone: str | None = None
    """The zone in which people read its times."""
    schedule: Literal["armed", "over", "missing"] | None = None
    """Whether time will drive it again: armed, over if no occurrence is left, missing if somebody deleted its row, so that it
    does not fire until an apply arms it; none where time does not drive it."""
    next_for: AwareDatetime | None = None
    """The next occurrence, where it is armed."""
    next_due_at: AwareDatetime | None = None
    """When that is due, jitter included."""
    paused_at: AwareDatetime | None = None
    """Since when it is paused."""
    pause: Pause | None = None
    """Who paused it, why, and until when."""
    last_run_id: UUID | None = None
    """Its newest run."""
    last_state: RunState | None = None
    """Where that stands."""
    last_for: AwareDatetime | None = None
    """The occurrence it stands for."""
    conditions: tuple[ConditionStatus, ...] = ()
    """Its conditions."""


class QueueStatus(Model):
    """Runs that are not over."""

    queued: int
    """Waiting to begin."""
    gated: int = 0
    """Of these, those that wait for a slot of their concurrency key."""
    running: int
    """Under way."""
    waiting: int
    """Asleep until their next try."""
    overdue: int
    """Ready, and taken by nobody."""
    oldest_ready_at: AwareDatetime | None = None
    """Since when the oldest of these is ready."""
    undecided: int = 0
    """Schedules whose next occurrence is due, and decided by nobody."""
    oldest_due_at: AwareDatetime | None = None
    """Since when the oldest of these is due."""


TroubleKind = Literal[
    "failing",
    "late",
    "missing",
    "paused_failing",
    "paused",
    "quarantined",
    "over_budget",
    "unanswered",
    "promise_broken",
    "promise_burning",
]


class Trouble(Model):
    """Tasks with which something is wrong, or which somebody holds back."""

    kind: TroubleKind
    """What: failing, late and missing as on the board; paused after failures, or held back by somebody; its newest run lost its
    runtime again and again, or was left out because a budget was used up; the tool of its condition gives no answer; the error budget of what is promised of it is used up, or goes so
    fast that somebody should look."""
    tasks: int
    """How many tasks."""
    names: tuple[str, ...]
    """The first five of them."""


class Verdict(Model):
    """Whether everything is all right."""

    state: Literal["well", "attention", "trouble"]
    """Trouble: something does not work, or nobody sees to it. Attention: somebody has to look. Well: neither."""
    headline: str
    """The same in one line."""
    findings: tuple[Finding, ...] = ()
    """What is not as it should be, the worst first; notes are good to know, and nothing is wrong with them."""


class AskedStatus(Model):
    """What runs ask people, and nobody has answered."""

    approvals: int
    """Steps that wait for a decision; `ordinaut approve` lists them."""
    unsettled: int
    """Calls that may have happened; `ordinaut settle` lists them."""


class RunProgress(Progress):
    """How far a run is that is not over."""

    run_id: UUID
    """The run."""
    task: str
    """Its task."""
    name: str
    """What is counted."""


class OutboxStatus(Model):
    """Events that are not yet on the stream."""

    events: int
    """How many; counting stops at 100,000."""
    oldest_at: AwareDatetime | None = None
    """When the oldest was written."""


class ZoneDataStatus(Model):
    """Time zone data."""

    version: str
    """The version that this program uses."""
    schedules: dict[str, int]
    """How many schedules had their next occurrence found by each version."""


class Status(Model):
    """Everything on one screen. Fields are only ever added within a format."""

    format: Literal["ordinaut.dev/status/v1"] = "ordinaut.dev/status/v1"
    """This format."""
    verdict: Verdict
    """Whether everything is all right."""
    now: AwareDatetime
    """The database's clock."""
    installation_id: UUID
    """The id of this installation."""
    database: DatabaseStatus
    """PostgreSQL."""
    bus: BusStatus
    """Redis or Valkey."""
    tzdata: ZoneDataStatus
    """Time zone data."""
    revisions: tuple[AppliedRevision, ...]
    """What is applied, a project and environment each."""
    holds: tuple[Hold, ...] = ()
    """What was rolled back and is not applied again by itself."""
    sources: tuple[SourceStatus, ...] = ()
    """The branches that are pulled, and where they stand."""
    drift: tuple[Drift, ...] = ()
    """What was written past git and stands."""
    runtimes: tuple[RuntimeStatus, ...]
    """Who works."""
    queue: QueueStatus
    """What is to be done."""
    asked: AskedStatus
    """What waits for people."""
    outbox: OutboxStatus
    """What is to be told."""
    progress: tuple[RunProgress, ...] = ()
    """How far runs are that say so and are not over, the oldest first, twenty at most."""
    troubles: tuple[Trouble, ...] = ()
    """Tasks with which something is wrong."""
    tasks_total: int
    """How many tasks are in force."""
    tasks: tuple[TaskStatus, ...]
    """Tasks, the one that fires next first."""
