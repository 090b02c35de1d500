"""What the dashboard reads beside what commands do: where tasks stand, how they have been doing, and what time will bring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, get_args

import orjson
from psycopg.types.json import Jsonb

from runtime.core.program import task_label
from runtime.core.schedules import compile_schedules
from runtime.core.slots import TimedTask, timeline
from runtime.errors import ScheduleError
from runtime.store.rows import Connection, fetch_rows
from schemas.board import (
    Board,
    BoardTask,
    NamespaceStanding,
    PastSlot,
    Standing,
    StandingCount,
    Timeline,
)
from schemas.override import Pause
from schemas.run import RunSummary

MARKS: Final = 20
"""How many runs a strip shows."""

_ORDER: Final[tuple[Standing, ...]] = get_args(Standing)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks are asked for.

    Attributes:
        words: part of their `namespace/name`.
        after: the `namespace/name` that the page begins after.
    """

    owner: str | None = None
    labels: Mapping[str, str] | None = None
    words: str | None = None
    standing: Standing | None = None
    namespace: str | None = None
    after: str | None = None


EVERY_TASK: Final = Wanted()


def load_board(connection: Connection, wanted: Wanted, *, limit: int) -> Board:
    """A page of tasks with their newest runs, and how many stand where."""
    found = list_standings(connection, wanted)
    if wanted.namespace is not None:
        found = [row for row in found if row["namespace"] == wanted.namespace]
    fitting = [row for row in found if wanted.standing in {None, row["standing"]}]
    if wanted.after is not None:
        place = tuple(wanted.after.partition("/")[::2])
        fitting = [row for row in fitting if (row["namespace"], row["name"]) > place]
    page = fitting[:limit]
    last = page[-1] if len(fitting) > limit else None
    owners = tuple(row["owner"] for row in fetch_rows(connection, "list_owners"))
    return Board(
        now=_now(connection),
        total=len(found),
        counts=_counts(found),
        owners=owners,
        tasks=_tasks(connection, page),
        after=None if last is None else f"{last['namespace']}/{last['name']}",
    )


def load_board_task(connection: Connection, namespace: str, name: str) -> BoardTask | None:
    """One task with its newest runs; None if none of this name is in force."""
    found = list_standings(connection, Wanted(words=f"{namespace}/{name}"))
    exact = [row for row in found if (row["namespace"], row["name"]) == (namespace, name)]
    return next(iter(_tasks(connection, exact)), None)


def roll_up(standings: Iterable[Mapping[str, Any]]) -> tuple[NamespaceStanding, ...]:
    """Every namespace with how many of its tasks stand where, the worst first; of what `list_standings` gives."""
    by_namespace: dict[str, list[Mapping[str, Any]]] = {}
    for row in standings:
        by_namespace.setdefault(row["namespace"], []).append(row)
    rolled = []
    for namespace, rows in by_namespace.items():
        counts = _counts(rows)
        rolled.append(
            NamespaceStanding(namespace=namespace, worst=counts[0].standing, counts=counts)
        )
    return tuple(sorted(rolled, key=lambda one: (_ORDER.index(one.worst), one.namespace)))


def list_open_runs(connection: Connection, *, limit: int) -> tuple[RunSummary, ...]:
    """The newest runs that are not over."""
    rows = fetch_rows(connection, "list_open_runs", limit=limit)
    return tuple(
        RunSummary(task=task_label(row.pop("namespace"), row.pop("name")), **row) for row in rows
    )


def load_timeline(connection: Connection) -> Timeline:
    """The next day and week of all tasks, and the last day."""
    now = _now(connection)
    tasks = [_timed(row) for row in fetch_rows(connection, "list_timed_tasks")]
    hour = now.replace(minute=0, second=0, microsecond=0)
    past = fetch_rows(
        connection, "count_past_slots", since=hour - _DAY, until=hour + timedelta(hours=1)
    )
    return timeline(tasks, now, tuple(PastSlot(**row) for row in past))


def _timed(row: Mapping[str, Any]) -> TimedTask:
    body = {
        "namespace": row["namespace"],
        "name": row["name"],
        "schedule": row["schedule"],
        "calendars": row["calendars"] or {},
    }
    label = task_label(row["namespace"], row["name"])
    return TimedTask(label, body, is_held=bool(row["is_held"]), held_until=row["until"])


def list_standings(connection: Connection, wanted: Wanted = EVERY_TASK) -> list[dict[str, Any]]:
    """Tasks in force by name, each with `uid`, `namespace`, `name` and `standing`."""
    labels = None if not wanted.labels else Jsonb(dict(wanted.labels))
    return fetch_rows(
        connection, "list_standings", owner=wanted.owner, labels=labels, words=wanted.words
    )


def _counts(rows: Iterable[Mapping[str, Any]]) -> tuple[StandingCount, ...]:
    counted = Counter(row["standing"] for row in rows)
    return tuple(StandingCount(standing=one, tasks=counted[one]) for one in _ORDER if counted[one])


def _tasks(connection: Connection, page: Sequence[Mapping[str, Any]]) -> tuple[BoardTask, ...]:
    standings = {row["uid"]: row["standing"] for row in page}
    rows = fetch_rows(connection, "list_board_tasks", uids=list(standings), marks=MARKS)
    return tuple(_task(row, standings[row["uid"]]) for row in rows)


def _task(row: Mapping[str, Any], standing: Standing) -> BoardTask:
    body = row["body"] if isinstance(row["body"], dict) else {}
    words, zone = _schedule(body)
    # Nor may any other field.
    owner, labels = body.get("owner"), body.get("labels")
    since = row["paused_at"]
    override = {name: row[name] for name in ("actor", "reason", "until", "kind")}
    # Paused by hand, it has no override.
    known = {name: value for name, value in override.items() if value is not None}
    told = ("namespace", "name", "project", "file", "line", "commit", "revision", "next_for")
    return BoardTask(
        task=task_label(row["namespace"], row["name"]),
        **{name: row[name] for name in told},
        owner=owner if isinstance(owner, str) else None,
        labels={name: str(labels[name]) for name in labels} if isinstance(labels, dict) else {},
        standing=standing,
        schedule=words,
        timezone=zone,
        pause=Pause(since=since, **known) if since else None,
        runs=row["runs"],
    )


def _schedule(body: Mapping[str, Any]) -> tuple[str, str | None]:
    """The schedules of a body in plain words and their zone; a row that somebody broke past git must not take the page away."""
    told = {"schedule": body.get("schedule"), "calendars": body.get("calendars") or {}}
    return _described(orjson.dumps(told, default=str))


# A page of tasks is asked for again and again, and to understand its schedules would take longer than all the rest.
@lru_cache(maxsize=20_000)
def _described(written: bytes) -> tuple[str, str | None]:
    try:
        # Its name only scatters jitter.
        compiled = compile_schedules({"namespace": "", "name": "", **orjson.loads(written)})
    except (ScheduleError, KeyError, TypeError, ValueError):
        return "cannot be read", None
    return compiled.describe(), compiled.timezone


def _now(connection: Connection) -> datetime:
    now: datetime = fetch_rows(connection, "read_clock")[0]["now"]
    return now
