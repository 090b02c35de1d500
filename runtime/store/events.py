"""Events from outside: `arrive` is the one way in, `deliver` ends the waits that they are for.

An event commits before anybody looks for waits, and a wait before its run looks for events (`look`): of two at the same
moment the later one sees the other. A look and a delivery lock the run first, so that an event ends one wait of it, and
a wait that timed out stays so. What an event decides is on record with it, or neither is: it would not be said again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from runtime.actor import Actor
from runtime.core.arriving import Arrived, OpenWait, ended_by
from runtime.core.callback import callback_misfit, callback_topic, read_token
from runtime.core.storable import storable
from runtime.errors import LeaseLost, OrdinautError
from runtime.store.audit import Deed, write_audit_async
from runtime.store.children import answer_parents
from runtime.store.hearing import hear
from runtime.store.pool import Pool, borrow
from runtime.store.recorded import Place, Waiting
from runtime.store.runtimes import HEARD, RELATED
from runtime.store.statements import statement
from runtime.store.waits import NotAsked, decide

Connection = psycopg.AsyncConnection[Any]

_AT_ONCE: Final = 200
_FORGOTTEN_AT_ONCE: Final = 5_000


class CallbackRefused(OrdinautError):
    """A callback token that ends nothing: it is `unknown`, was `used`, or has `expired`."""

    default_code = "ORD315"

    def __init__(self, why: Literal["unknown", "used", "expired"], message: str) -> None:
        super().__init__(f"the callback token {message}")
        self.why = why


class CallbackMisfit(OrdinautError):
    """An answer that is not what the step asks for; the token is as good as before."""

    default_code = "ORD342"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened outside.

    Attributes:
        topic: what it is about.
        data: any JSON value.
        source: who says so.
        event_id: what the source calls it; the same event said again has the same id.
        trace_link: the span elsewhere that it was told from, as `kept_link` keeps it; for spans alone.
    """

    topic: str
    data: Any
    source: str
    event_id: str
    trace_link: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of an event: whether it was new, and how many waits it ended and tasks it is for so far."""

    is_new: bool
    ended: int
    heard: int = 0


@dataclass(frozen=True, slots=True)
class Delivered:
    """How many waits were ended, and how many events are for tasks to be started."""

    ended: int
    heard: int


async def arrive(connection: Connection, event: Event, *, actor: Actor | None = None) -> Arrival:
    """Take in an event, once, and end the waits that it is for.

    Args:
        connection: in autocommit mode; the event is on record, for good, before waits are looked for.
        event: the event. It may decide about a step that takes decisions by its topic; what a step emits does not come here,
            so no run approves anything.
        actor: who tells of it, for the audit log; None where it is no person, and the event itself says who.

    Raises:
        NotAsked: ORD418, it decides for somebody whom the step does not ask.
    """
    taken = await _take_in(connection, event, actor)
    if taken is None:
        return Arrival(is_new=False, ended=0)
    delivered = await deliver(connection)
    ended = delivered.ended + taken.decided()
    return Arrival(is_new=True, ended=ended, heard=delivered.heard)


async def insert_events(connection: Connection, events: Sequence[Event]) -> int:
    """Put events on record, each once; how many are new. In the caller's transaction."""
    return sum([await _insert(connection, event, is_told=True) for event in events])


async def put_on_record(connection: Connection, event: Event) -> bool:
    """As `arrive`, and leave it to runtimes to deliver the event: whoever tells of many waits for none of them.

    Whether it is new. It is on record, for good, when this returns.

    Raises:
        NotAsked: ORD418, it decides for somebody whom the step does not ask.
    """
    taken = await _take_in(connection, event)
    if taken is None:
        return False
    await connection.execute(statement("cry"), {"hint": RELATED})
    taken.decided()
    return True


async def arrive_by_token(
    connection: Connection, token: str, data: Any, trace_link: str | None = None
) -> Arrival:
    """Take in a callback: the wait that the token is for has ended, or does so as soon as it begins.

    Raises:
        CallbackRefused: ORD315, the token is unknown, was used, or has expired.
        CallbackMisfit: ORD342, the step asks for another answer.
    """
    async with connection.transaction():
        key = await _callback_key(connection)
        found = read_token(key, token.strip())
        if found is None:
            raise CallbackRefused("unknown", "was not made here")
        run_id, step = found
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement("find_callback"), {"run_id": run_id, "step": step})
            wait = await cursor.fetchone()
        if wait is None:
            raise CallbackRefused("expired", f"has expired: run {run_id} is over")
        event = Event(
            callback_topic(run_id, step), data, "callback", f"{run_id}:{step}", trace_link
        )
        if wait["is_used"]:
            raise CallbackRefused("used", "was used before")
        if wait["is_over"]:
            raise CallbackRefused("expired", f"has expired: step {step} waits no more")
        # First whether it was used: who says the same again is told that, whatever it says.
        if not await _insert(connection, event):
            raise CallbackRefused("used", "was used before")
        if misfit := callback_misfit(wait["body"], step, data):
            raise CallbackMisfit(
                f"step {step} asks for another answer: {misfit}",
                hint="the token was not used: answer again",
            )
    return Arrival(is_new=True, ended=(await deliver(connection)).ended)


async def deliver(connection: Connection) -> Delivered:
    """End the waits of every event that nobody has looked at, and put on record which tasks each is for."""
    ended = heard = 0
    while True:
        async with connection.pipeline(), connection.transaction():
            events = await _rows(connection, Arrived, "take_arrivals", {"limit": _AT_ONCE})
            if events:
                # Before the runs that wait: a document is locked before due work, and a listener stands between.
                heard += await hear(connection, events)
                ended += await _end_waits_for(connection, events)
                numbers = {"event_nos": [event.event_no for event in events]}
                await connection.execute(statement("mark_delivered"), numbers)
        if len(events) < _AT_ONCE:
            break
    if ended:
        await connection.execute(statement("wake"))
    if heard:
        await connection.execute(statement("cry"), {"hint": HEARD})
    return Delivered(ended, heard)


async def look(
    connection: Connection, run_id: UUID, lease_epoch: int, *, is_heeded: bool
) -> Mapping[Place, Waiting]:
    """Where the waits of a run stand, after those have ended whose event has come since it began, or whose run is over.

    Args:
        connection: the database.
        run_id: the run.
        lease_epoch: the lease under which it is held.
        is_heeded: whether all that waits goes by it; else the mark stays that something was answered.

    Raises:
        LeaseLost: another runtime holds the run.
    """
    async with connection.transaction():
        ours = {"run_id": run_id, "lease_epoch": lease_epoch}
        held = await connection.execute(statement("lock_held_run"), ours)
        if await held.fetchone() is None:
            raise LeaseLost(f"run {run_id}: the lease was lost")
        waits = await _rows(connection, OpenWait, "list_open_waits", {"run_ids": [run_id]})
        await _end_by_past_events(connection, run_id, waits)
        await answer_parents(connection, [run_id])
        if is_heeded:
            await connection.execute(statement("heed_answers"), {"run_id": run_id})
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement("read_waits"), {"run_id": run_id})
            return {
                (row["step"], row["iteration"]): Waiting(row["answer"], row["over_in"])
                for row in await cursor.fetchall()
            }


async def forget_events(connection: Connection, keep: timedelta) -> int:
    """Delete some events older than that which no active run could still look for, and what was set aside; how many events."""
    params = {"keep": keep, "limit": _FORGOTTEN_AT_ONCE}
    await connection.execute(statement("forget_poison"), params)
    return (await connection.execute(statement("forget_events"), params)).rowcount


async def load_callback_key(pool: Pool) -> bytes:
    """What this installation's callback tokens are made with."""
    async with borrow(pool) as connection:
        return await _callback_key(connection)


async def _callback_key(connection: Connection) -> bytes:
    row = await (await connection.execute(statement("read_callback_key"))).fetchone()
    assert row is not None  # noqa: S101 - an installation has its row
    return bytes(row[0] if isinstance(row, tuple) else row["callback_key"])


@dataclass(frozen=True, slots=True)
class _Taken:
    """What a new event decides: how many steps go on by it, or why it may not."""

    count: int
    refusal: NotAsked | None

    def decided(self) -> int:
        if self.refusal is not None:
            raise self.refusal
        return self.count


async def _take_in(
    connection: Connection, event: Event, actor: Actor | None = None
) -> _Taken | None:
    """Put an event on record, and the decision that it holds with it; None if it came before."""
    deeds: list[tuple[Actor, Deed]] = []
    if actor is not None:
        facts = {"id": event.event_id, "source": event.source}
        deeds.append((actor, Deed("event.emit", event.topic, details=facts)))
    decision = refusal = None
    async with connection.transaction():
        if not await _insert(connection, event, is_told=True):
            return None
        try:
            decision = await decide(connection, event.topic, event.data)
        except NotAsked as error:
            # It happened all the same.
            refusal = error
        deeds += [] if decision is None else [decision]
        for author, deed in deeds:
            await write_audit_async(connection, author, deed)
    if decision is not None:
        await connection.execute(statement("wake"))
    return _Taken(int(decision is not None), refusal)


async def _insert(connection: Connection, event: Event, *, is_told: bool = False) -> bool:
    params = {
        "source": event.source,
        "event_id": event.event_id,
        "topic": event.topic,
        "data": Jsonb(storable(event.data)),
        "is_told": is_told,
        "trace_link": event.trace_link,
    }
    return (
        await (await connection.execute(statement("insert_event"), params)).fetchone() is not None
    )


async def _end_waits_for(connection: Connection, events: Sequence[Arrived]) -> int:
    topics = sorted({event.topic for event in events})
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(statement("lock_waiting_runs"), {"topics": topics})
    run_ids = [row["run_id"] for row in await cursor.fetchall()]
    if not run_ids:
        return 0
    waits = await _rows(connection, OpenWait, "list_open_waits", {"run_ids": run_ids})
    ended = ended_by(waits, events, await _used(connection, run_ids))
    await _write(connection, ended)
    return len(ended)


async def _end_by_past_events(
    connection: Connection, run_id: UUID, waits: Sequence[OpenWait]
) -> None:
    """Go through what came since the run began, a page at a time, until every wait has its event."""
    if not waits:
        return
    used = set(await _used(connection, [run_id]))
    since: datetime = min(wait.started_at for wait in waits)
    after, left = 0, list(waits)
    while left:
        page = {
            "topics": sorted({wait.topic for wait in left}),
            "since": since,
            "after": after,
            "limit": _AT_ONCE,
        }
        events = await _rows(connection, Arrived, "list_events_after", page)
        ended = ended_by(left, events, used)
        await _write(connection, ended)
        used |= {(wait.run_id, event.source, event.id) for wait, event in ended}
        over = {(wait.step, wait.iteration) for wait, _ in ended}
        left = [wait for wait in left if (wait.step, wait.iteration) not in over]
        if len(events) < _AT_ONCE:
            return
        after = events[-1].event_no


async def _used(connection: Connection, run_ids: Sequence[UUID]) -> list[tuple[UUID, str, str]]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement("list_used_events"), {"run_ids": list(run_ids)})
        return [(row["run_id"], row["source"], row["id"]) for row in await cursor.fetchall()]


async def _write(connection: Connection, ended: Iterable[tuple[OpenWait, Arrived]]) -> None:
    answers = [
        {
            "run_id": str(wait.run_id),
            "step": wait.step,
            "iteration": wait.iteration,
            "answer": event.value,
        }
        for wait, event in ended
    ]
    if answers:
        params = {"ended": orjson.dumps(answers).decode()}
        await connection.execute(statement("end_waits"), params)


async def _rows(connection: Connection, kind: type[Any], name: str, params: Any) -> list[Any]:
    async with connection.cursor(row_factory=class_row(kind)) as cursor:
        await cursor.execute(statement(name), params)
        return await cursor.fetchall()
