"""Events that start runs: arming who listens, hearing what is delivered, and deciding what was heard."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
import psycopg
from psycopg.rows import TupleRow, class_row, dict_row

from runtime.core.arriving import Arrived
from runtime.core.hearing import CHAIN, Heard, Listener, Start, Taken, Window, heard_by, judge
from runtime.core.identity import derive_run_id
from runtime.core.misfire import CatchUpRule
from runtime.core.overlap import Admission, Fate, Standing, admission, fate_of
from runtime.core.program import lane_of, start_deadline, task_label
from runtime.store.statements import statement
from schemas.durations import parse_duration

Connection = psycopg.AsyncConnection[Any]

_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class ArmedListener:
    """An event schedule as a revision has it.

    Attributes:
        position: its place among the task's schedules.
        of_task: the task whose events alone can pass its filter, if that is known.
        late_after: of one that listens to late runs: when they are.
    """

    task_uid: int
    digest: str
    position: int
    topic: str
    filter: str | None
    of_task: str | None
    late_after: timedelta | None
    quiet: timedelta | None
    most: int | None
    within: timedelta | None


@dataclass(frozen=True, slots=True)
class Due:
    """A listener whose events are to be decided."""

    task_uid: int
    digest: str


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of some events that a task had heard.

    Attributes:
        begun: how many runs may begin.
        waits: whether one waits for its turn.
        replaced: whether runs were ended in whose place one comes.
    """

    begun: int = 0
    waits: bool = False
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class _Locked:
    """A listener that is ours for a transaction, with its task."""

    task_uid: int
    digest: str
    position: int
    quiet: timedelta | None
    most: int | None
    heard: int
    fire_at: datetime
    revision_id: int
    body: Mapping[str, Any]
    retired_at: datetime | None
    now: datetime

    @property
    def window(self) -> Window:
        return Window(self.quiet, self.most)

    @property
    def limit(self) -> int:
        """How many events are decided together."""
        if self.position < 0:
            return _AT_ONCE
        return self.heard if self.quiet is not None else self.most or _AT_ONCE


def arm_listeners(
    connection: psycopg.Connection[TupleRow],
    task_uids: Sequence[int],
    armed: Sequence[ArmedListener],
) -> None:
    """Let these tasks listen to this and nothing else."""
    rows = [
        {
            "task_uid": one.task_uid,
            "digest": one.digest,
            "position": one.position,
            "topic": one.topic,
            "filter": one.filter,
            "of_task": one.of_task,
            "late_after": _seconds(one.late_after),
            "quiet": _seconds(one.quiet),
            "most": one.most,
            "within": _seconds(one.within),
        }
        for one in armed
    ]
    params = {"task_uids": list(task_uids), "armed": orjson.dumps(rows).decode()}
    connection.execute(statement("arm_listeners"), params)


async def hear(connection: Connection, events: Sequence[Arrived]) -> int:
    """Put on record for which tasks these events are; in the transaction that delivers them. How many are to be decided."""
    told = sorted({(event.topic, _task_of(event) or "") for event in events})
    topics = {"topics": [topic for topic, _ in told], "tasks": [task for _, task in told]}
    async with connection.cursor(row_factory=class_row(Listener)) as cursor:
        await cursor.execute(statement("list_listeners"), topics)
        listeners = await cursor.fetchall()
    heard = heard_by(listeners, events) if listeners else []
    if not heard:
        return 0
    params = {"heard": orjson.dumps([_told(one) for one in heard]).decode()}
    row = await (await connection.execute(statement("hear"), params)).fetchone()
    assert row is not None  # noqa: S101 - counts have a row
    return int(row[0] if isinstance(row, tuple) else row["heard"])


async def hears_own(connection: Connection) -> bool:
    """Whether some task listens to Ordinaut's own events."""
    row = await _row(connection, "hears_own", {})
    return row is not None and bool(row["hears"])


async def list_due(connection: Connection, limit: int) -> list[Due]:
    """Listeners whose events are to be decided, the longest due first."""
    async with connection.cursor(row_factory=class_row(Due)) as cursor:
        await cursor.execute(statement("list_due_listeners"), {"limit": limit})
        return await cursor.fetchall()


async def seconds_until_heard(
    connection: Connection, *, but: Collection[int] = ()
) -> float | None:
    """Seconds until events are to be decided, but for those of some tasks; None where none wait."""
    row = await _row(connection, "seconds_until_heard", {"but": list(but)})
    return None if row is None else row["seconds"]


async def decide_heard(connection: Connection, due: Due) -> Settled | None:
    """Decide what a listener has heard, at most a batch; None if somebody else is at it, or was."""
    which = {"task_uid": due.task_uid, "digest": due.digest}
    # A run waits for this: what needs no answer goes out with what comes next.
    async with connection.pipeline(), connection.transaction():
        await connection.execute(statement("lock_document"), which)
        async with connection.cursor(row_factory=class_row(_Locked)) as cursor:
            await cursor.execute(statement("lock_listener"), which)
            listener = await cursor.fetchone()
        if listener is None:
            return None
        taken = await _take(connection, listener)
        starts = await _judged(connection, listener, taken)
        settled = await _start(connection, listener, starts)
        await connection.execute(statement("settle_listener"), which)
        return settled


async def _take(connection: Connection, listener: _Locked) -> list[Taken]:
    params = {
        "task_uid": listener.task_uid,
        "digest": listener.digest,
        "limit": listener.limit,
        "chain": CHAIN,
    }
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement("take_heard"), params)
        return [
            Taken(
                Arrived(
                    *(
                        row[name]
                        for name in ("event_no", "source", "id", "topic", "data", "arrived_at")
                    )
                ),
                row["reason"],
                row["detail"],
                row["was_paused"],
                (row["deep"], row["own"]),
            )
            for row in await cursor.fetchall()
        ]


async def _judged(
    connection: Connection, listener: _Locked, taken: Sequence[Taken]
) -> list[Start]:
    if listener.position < 0:
        gone = "retired" if listener.retired_at is not None else "replaced"
        taken = [replace(one, reason=one.reason or gone) for one in taken]
    body = listener.body
    catch_up = body["catch_up"]
    which = {"task_uid": listener.task_uid, "digest": listener.digest}
    oldest = min((one.event.arrived_at for one in taken), default=listener.now)
    snoozes = await _rows(connection, "list_snoozes", which | {"from": oldest})
    later = 0
    if any(one.was_paused for one in taken):
        row = await _row(connection, "count_missed", which | {"most": catch_up["max"]})
        later = row["missed"] if row else 0
    rule = CatchUpRule(
        policy=catch_up["policy"],
        window=parse_duration(catch_up["window"]),
        max=catch_up["max"],
        start_deadline=start_deadline(body),
        replacing=body["overlap"] == "cancel_running",
        snoozed=tuple((row["since"], row["until"]) for row in snoozes),
    )
    return judge(taken, listener.window, rule, listener.now, missed_later=later)


async def _start(connection: Connection, listener: _Locked, starts: Sequence[Start]) -> Settled:
    """Make the runs, as `runtime.store.backlog.let_in` lets in one, and record the skips."""
    body = listener.body
    wanted = [one for one in starts if one.reason is None]
    entry = admission(
        body["overlap"], missed=body["catch_up"]["max"] if any(one.missed for one in wanted) else 0
    )
    standing = Standing()
    if wanted and not entry.beside:
        standing = await _met(connection, listener.task_uid, entry)
    fates: list[Fate | None] = []
    for one in starts:
        fate = None if one.reason is not None else fate_of(entry, standing)
        standing = _after(standing, fate)
        fates.append(fate)
    decisions = [_decision(listener, one, fate) for one, fate in zip(starts, fates, strict=True)]
    params = {
        "task_uid": listener.task_uid,
        "revision_id": listener.revision_id,
        "task": task_label(body["namespace"], body["name"]),
        "lane": lane_of(body),
        "decisions": orjson.dumps(decisions).decode(),
    }
    if decisions:
        await connection.execute(statement("start_by_events"), params)
    replaced = bool(wanted) and entry.replaces
    return Settled(fates.count("begin"), "wait" in fates, replaced)


async def _met(connection: Connection, task_uid: int, entry: Admission) -> Standing:
    which = {"task_uid": task_uid}
    await connection.execute(statement("keep_others_from_starting"), which)
    await connection.execute(statement("make_way"), which | {"replaces": entry.replaces})
    row = await _row(connection, "read_standing", which)
    assert row is not None  # noqa: S101 - counts have a row
    return Standing(**row)


def _after(standing: Standing, fate: Fate | None) -> Standing:
    """What the next run meets."""
    match fate:
        case "begin":
            return replace(standing, runs=True, is_busy=True)
        case "wait":
            return replace(standing, is_busy=True, waits=standing.waits + 1)
        case _:
            return standing


def _decision(listener: _Locked, start: Start, fate: Fate | None) -> dict[str, Any]:
    event = start.event
    deadline = start_deadline(listener.body)
    number = str(event.event_no)
    due_at = event.arrived_at if listener.window == Window() else listener.fire_at
    refused = fate if fate in {"overlap", "overlap_queue_full"} else None
    return {
        "run_id": derive_run_id(listener.task_uid, "event", number, event.arrived_at),
        "trigger_key": number,
        "occurrence_for": event.arrived_at,
        "due_at": due_at,
        "event": start.payload,
        "fate": fate,
        "reason": start.reason or refused,
        "detail": start.detail if start.reason else event.topic if refused else None,
        "start_until": None if deadline is None else due_at + deadline,
    }


def _task_of(event: Arrived) -> str | None:
    task = event.data.get("task") if isinstance(event.data, dict) else None
    return task if isinstance(task, str) else None


def _told(one: Heard) -> dict[str, Any]:
    return {
        "task_uid": one.task_uid,
        "digest": one.digest,
        "event_no": one.event_no,
        "arrived_at": one.arrived_at,
        "reason": one.reason,
        "detail": one.detail,
    }


def _seconds(span: timedelta | None) -> str | None:
    """An interval as PostgreSQL reads it out of JSON."""
    return None if span is None else f"{span.total_seconds()} seconds"


async def _row(
    connection: Connection, name: str, params: Mapping[str, Any]
) -> dict[str, Any] | None:
    return next(iter(await _rows(connection, name, params)), None)


async def _rows(connection: Connection, name: str, params: Mapping[str, Any]) -> list[Any]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement(name), params)
        return await cursor.fetchall()
