"""The plan as JSON (`ordinaut plan --json`): what apply would write, why, and what that does to runs and fire times.

Fields are only ever added within `ordinaut.dev/plan/v1`. A plan holds no secret, only references to them. Its digest
covers what would be written and over which state, nothing that depends on the moment, the machine or the database.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, field_serializer

from schemas.base import JsonObject, Model
from schemas.drift import Strayed, StrayWrite
from schemas.freeze import PlanFreeze
from schemas.hold import PlanHold
from schemas.policy import PlanPolicy
from schemas.problem import Problem

PLAN_FORMAT: Final = "ordinaut.dev/plan/v1"

HIDDEN: Final = "(looks like a secret)"
"""What stands in a plan for what looks like a secret."""

Action = Literal["create", "update", "rename", "retire", "adopt"]
Reason = Literal[
    "git", "restored", "drift", "conflict", "converged", "defaults_changed", "unknown"
]
Facet = Literal["schedule", "pipeline", "policy", "meta"]
Level = Literal["low", "medium", "high"]


class PlanEnvironment(Model):
    """Where the plan would be applied."""

    name: str
    """The environment of the Project document."""
    installation_id: UUID | None = None
    """The database it was compared with; null if there is none yet."""


class PlanSource(Model):
    """What git wants, and whose it is."""

    project: str
    """The project that owns the documents."""
    commit: str | None = None
    """The commit; null outside git."""
    tree: str | None = None
    """The tree object of the specs folder at that commit."""
    branch: str | None = None
    """The branch; null outside git and on a detached head."""
    dirty: bool = False
    """Whether the specs differ from the commit."""
    author: str | None = None
    """Who wrote the commit."""
    pull_request: str | None = None
    """The pull request that is being checked, where the CI system names it."""


class PlanBase(Model):
    """The last revision of this project and environment."""

    revision: int
    """Its number."""
    commit: str | None = None
    """The newest commit that is known to say what is in force: the one it was applied from, or one that changed nothing."""
    dirty: bool = False
    """Whether what is in force differs from that commit."""
    actor: str
    """Who applied it."""
    applied_at: AwareDatetime
    """When it was applied."""


class GitBase(Model):
    """The commit that a plan of git against git takes for what is applied."""

    named: str
    """The revision that was named."""
    commit: str
    """Where the history of what is planned parts from it: git's merge base, as in a pull request."""
    broken: tuple[str, ...] = ()
    """Files that have errors there: what they held is unknown."""


class FieldChange(Model):
    """One field that differs."""

    op: Literal["add", "remove", "replace"]
    """What happens to it."""
    path: str
    """Where it is, as a JSON pointer into the body."""
    before: Any = None
    """The value in force."""
    after: Any = None
    """The value that git wants."""


class TimeFlag(Model):
    """Something about the clock that a reader should know."""

    kind: Literal["gap", "fold", "utc_offset_change", "excluded", "moved", "never_fires"]
    """A time that does not exist, one that happens twice, another offset from UTC, an occurrence that a calendar excludes or moves, or no occurrence at all."""
    at: AwareDatetime | None = None
    """The occurrence, or the instant at which the offset changes."""
    note: str
    """What happens, in words."""


class Preview(Model):
    """When a task fires, before and after; it depends on the moment the plan was made."""

    timezone: str
    """The zone of the times."""
    timezone_before: str | None = None
    """The zone of the times without the change; null where there is no schedule in force."""
    schedule_before: str | None = None
    """The schedule in force, in words."""
    schedule_after: str | None = None
    """The schedule that git wants, in words."""
    before: tuple[AwareDatetime, ...] = ()
    """The next fire times without the change."""
    after: tuple[AwareDatetime, ...] = ()
    """The next fire times with it."""
    runs_30d_before: int = 0
    """Occurrences in the next 30 days without the change."""
    runs_30d_after: int = 0
    """Occurrences in the next 30 days with it."""
    runs_estimated: bool = False
    """Whether a number is an estimate from the pace of the first 3,000 occurrences."""
    first_effect_at: AwareDatetime | None = None
    """The first instant at which it fires differently."""
    flags: tuple[TimeFlag, ...] = ()
    """What a reader should know about these times."""


class QueueEffect(Model):
    """What becomes of work that is due or under way."""

    cancelled: int = 0
    """Queued runs that are cancelled."""
    kept: int = 0
    """Queued runs that stay, pinned to their revision."""
    in_flight: int = 0
    """Runs under way, which finish on their revision."""
    ended: int = 0
    """Runs under way that are cancelled, because a task that is retired says so."""
    overdue: bool = False
    """Whether an occurrence is due that no runtime has decided yet: it is decided by the schedule in force."""


class ToolsEffect(Model):
    """Tools that a task calls from now on, or no longer."""

    added: tuple[str, ...] = ()
    """Tools it did not call before."""
    removed: tuple[str, ...] = ()
    """Tools it does not call any more."""
    destructive: tuple[str, ...] = ()
    """Of the added, those that destroy something: by their name, or by what the tool lock says of them."""
    offline: tuple[str, ...] = ()
    """Of the added, those that ask no language model, because the Project names none."""


class StepsEffect(Model):
    """Steps, by id, that differ."""

    added: tuple[str, ...] = ()
    """Steps that were not there before."""
    changed: tuple[str, ...] = ()
    """Steps that do something else."""
    removed: tuple[str, ...] = ()
    """Steps that are gone."""
    reordered: bool = False
    """Whether the steps that stay come in another order."""


class PlannedChange(Model):
    """One document that apply would write."""

    kind: str
    """The kind of document."""
    namespace: str
    """Its namespace."""
    name: str
    """Its name."""
    key: str
    """`name` in the default namespace, else `namespace/name`."""
    former_key: str | None = None
    """What it is called in the database, if that differs."""
    taken_from: str | None = None
    """The project and environment that it is taken over from, as `project/environment`; null if from nobody."""
    uid: int | None = None
    """The database's number for it; null if it is new."""
    action: Action
    """What is written."""
    reason: Reason
    """Why."""
    facets: tuple[Facet, ...] = ()
    """The parts that differ; for a creation, all."""
    impact: Level
    """How closely to look."""
    impact_reasons: tuple[str, ...] = ()
    """Why it is not `low`."""
    owner: str | None = None
    """Who answers for it."""
    file: str | None = None
    """Where it is written; null for what git no longer has."""
    line: int | None = None
    """The line on which it begins."""
    base_digest: str | None = None
    """The digest of what was last applied."""
    live_digest: str | None = None
    """The digest of the live row."""
    after_digest: str | None = None
    """The digest of `body`."""
    body: JsonObject | None = None
    """The normalised document that is written, without what looks like a secret; null for a retirement."""
    sensitive_paths: tuple[str, ...] = ()
    """Where in `body` something looks like a secret, as JSON pointers: it is neither printed nor kept in a file, so such a file cannot be applied."""
    ops: tuple[FieldChange, ...] = ()
    """The fields in which the live row and `body` differ."""
    tools: ToolsEffect = ToolsEffect()
    """Tools gained and lost."""
    gains: tuple[str, ...] = ()
    """What somebody may do from now on that they could not do before, in words that follow the name."""
    steps: StepsEffect = StepsEffect()
    """Steps that differ, of a task or pipeline that goes on existing."""
    strayed: tuple[Strayed, ...] = ()
    """What of the row somebody changed past git."""
    stray_write: StrayWrite | None = None
    """Who wrote the row past git, and when; null where nobody did, or it was not noticed."""
    queue: QueueEffect = QueueEffect()
    """What becomes of queued and running work."""
    preview: Preview | None = None
    """Fire times, for a task whose schedule is touched."""

    @property
    def shown_body(self) -> dict[str, Any] | None:
        """The body as it may be shown."""
        if self.body is None or not self.sensitive_paths:
            return self.body
        shown: dict[str, Any] = _concealed(self.body, "", self.sensitive_paths)
        return shown

    @field_serializer("body")
    def _written_out(self, _: Any) -> dict[str, Any] | None:
        return self.shown_body


def _concealed(value: Any, path: str, places: Collection[str]) -> Any:
    if path in places:
        return HIDDEN
    match value:
        case Mapping():
            parts = {key: key.replace("~", "~0").replace("/", "~1") for key in value}
            return {k: _concealed(v, f"{path}/{parts[k]}", places) for k, v in value.items()}
        case list() | tuple():
            return [_concealed(v, f"{path}/{n}", places) for n, v in enumerate(value)]
        case _:
            return value


class Guard(Model):
    """One rule that may refuse the plan."""

    name: str
    """Which."""
    ok: bool
    """Whether it lets the plan pass."""
    message: str
    """What was found, in words."""
    hint: str = ""
    """What to do about a refusal."""
    value: int = 0
    """How many documents it concerns."""
    limit: int | None = None
    """How many may be concerned, where the rule has a number."""


class Override(Model):
    """A pause or snooze that somebody set at run time: apply does not touch it."""

    key: str
    """The task."""
    kind: Literal["pause", "snooze"]
    """What was set."""
    actor: str
    """Who set it."""
    reason: str
    """Why; may be empty."""
    since: AwareDatetime | None = None
    """Since when it is in force."""
    until: AwareDatetime | None = None
    """When it ends; null if somebody has to end it."""
    timezone: str | None = None
    """The zone of the task; null where its schedule has none."""


class PlanSummary(Model):
    """The plan in numbers."""

    create: int = 0
    brought_back: int = 0
    """Those of the creations that had been retired, and come back with their history."""
    update: int = 0
    rename: int = 0
    retire: int = 0
    adopt: int = 0
    drift: int = 0
    """Updates that restore what somebody changed outside git."""
    conflict: int = 0
    """Updates of what somebody else changed too."""
    defaults_changed: int = 0
    """Updates of what nobody edited: this version of Ordinaut fills it out by other defaults."""
    unknown: int = 0
    """Documents whose former state is unknown, since it has errors in the commit they are compared with."""
    unchanged: int = 0
    unmanaged: int = 0
    """Rows that no revision wrote and git does not name."""
    impact: Level = "low"
    """The highest of all changes."""
    runs_30d_delta: int = 0
    """How many more runs there will be in the next 30 days."""
    first_effect_at: AwareDatetime | None = None
    """The first instant at which something fires differently."""
    owners: tuple[str, ...] = ()
    """Whose documents are touched."""


class Plan(Model):
    """What apply would do."""

    format: Literal["ordinaut.dev/plan/v1"] = PLAN_FORMAT
    """This format."""
    tool: str
    """The version of Ordinaut that made it."""
    normaliser_version: int
    """The version of the form in which documents are compared."""
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    """sha256 of what would be written and over which state."""
    environment: PlanEnvironment
    """Where it would be applied."""
    source: PlanSource
    """What git wants."""
    base: PlanBase | None = None
    """What is applied now; null before the first apply."""
    git_base: GitBase | None = None
    """The commit it was compared with instead of a database; null for a plan that can be applied."""
    only: tuple[str, ...] = ()
    """The keys and labels that were asked for; the plan is partial, and retires nothing, if there are any."""
    left_out: int = 0
    """How many other changes a partial plan leaves out."""
    as_of: AwareDatetime
    """When it was made."""
    tzdata: str
    """The time zone data that fire times were computed with."""
    tzdata_applied: dict[str, int] = Field(default_factory=dict)
    """How many schedules in force had their next occurrence found with other versions, by version."""
    applyable: bool
    """Whether no guard refuses it."""
    summary: PlanSummary
    """The plan in numbers."""
    changes: tuple[PlannedChange, ...] = ()
    """What apply would write, ordered by kind, namespace and name."""
    unmanaged: tuple[str, ...] = ()
    """Rows that no revision wrote and git does not name."""
    hold: PlanHold | None = None
    """What a rollback keeps from being applied again; null where nothing is held."""
    freeze: PlanFreeze | None = None
    """The freeze window that was open when the plan was made; null where none was."""
    overrides: tuple[Override, ...] = ()
    """Pauses and snoozes in force."""
    guards: tuple[Guard, ...] = ()
    """Every guard, passed or not, and every policy that refuses."""
    policies: tuple[PlanPolicy, ...] = ()
    """Every policy that judged it; none judges a plan without changes, or one that only restores what was applied."""
    diagnostics: tuple[Problem, ...] = ()
    """Warnings and notes about the specs, and what lint finds about the documents that are written."""
    linted: bool | None = None
    """Whether lint looked at what is written; false if that was too much to look at in passing, null if it was not asked."""
