"""What the tools of `ordinaut mcp` take and answer, where that is not what commands print anyway."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AwareDatetime, Field, StringConstraints

from schemas.base import Flag, Integer, Model
from schemas.board import BoardTask, Standing, StandingCount, StripRun
from schemas.override import Pause
from schemas.wishes import Reason, Wish

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


class WriteWish(Wish):
    """Something that changes what runs."""

    reason: Reason
    dry_run: Flag = False
    """Tell what would be done, by doing it and taking it back."""


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
