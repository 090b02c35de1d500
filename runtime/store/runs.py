"""Runs as commands see them: asked for by hand, listed, found by what people type, and told in full."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from runtime.actor import Actor
from runtime.core.graph import ordered_needs
from runtime.core.identity import derive_run_id, first_id_of
from runtime.core.overlap import Admission, Fate
from runtime.core.program import lane_of, start_deadline, task_label
from runtime.core.spreading import spread
from runtime.core.storable import storable
from runtime.core.waits import WAITING_TOOLS
from runtime.errors import NotFound, Unstorable
from runtime.store.audit import Deed, write_audit
from runtime.store.backlog import let_in, tell_let_in
from runtime.store.due_work import OVER, WHOLE
from runtime.store.rows import Connection, fetch_rows
from runtime.store.statements import statement
from schemas.run import (
    Lease,
    RunEvent,
    RunList,
    RunReport,
    RunSummary,
    SlotHolder,
    SlotWait,
    StepReport,
    StepState,
    TryReport,
    WaitReport,
)

_LEASE: Final = ("ready_at", "runtime_id", "lease_epoch", "lease_until")
_NO_ITEMS: Final = {"items": 0, "failed_items": 0}


@dataclass(frozen=True, slots=True)
class FoundTask:
    """A task, and the instant at which it was looked up, to the millisecond."""

    uid: int
    revision_id: int
    body: Mapping[str, Any]
    retired_at: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Dedupe:
    """Whoever asks for a run with the same key `within` so much time gets the same run."""

    key: str
    within: timedelta


def find_task(connection: Connection, label: str) -> FoundTask | None:
    """The task with this name, retired or not."""
    namespace, slash, name = label.rpartition("/")
    identity = {"namespace": namespace if slash else "default", "name": name}
    rows = fetch_rows(connection, "find_task", **identity)
    return FoundTask(**rows[0]) if rows else None


def list_task_labels(connection: Connection) -> list[str]:
    """The names of all tasks in force."""
    return sorted(task_label(**row) for row in fetch_rows(connection, "list_task_names"))


def create_manual_run(
    connection: Connection,
    task: FoundTask,
    *,
    params: Mapping[str, Any],
    requested_by: Actor,
    entry: Admission,
    dedupe: Dedupe | None = None,
    event: Mapping[str, Any] | None = None,
    trace_link: str | None = None,
) -> tuple[UUID, Fate | Literal["retired", "repeated"]]:
    """Make a run of a task as it may be let in, and wake the runtimes; says what became of it.

    It exists only if it begins or waits for its turn, or was asked for before.

    Raises:
        Unstorable: ORD508, for a parameter or the event.
    """
    _require_storable({f"parameter {name}": value for name, value in params.items()})
    _require_storable({} if event is None else {"the event": event})
    trigger_key = uuid4().hex if dedupe is None else f"key {dedupe.key}"
    run_id = derive_run_id(task.uid, "manual", trigger_key, task.now)
    deadline = start_deadline(task.body)
    asked = {
        "run_id": run_id,
        "task_uid": task.uid,
        "revision_id": task.revision_id,
        "trigger_key": trigger_key,
        "occurrence_for": task.now,
        "params": Jsonb(params) if params else None,
        "event": None if event is None else Jsonb(event),
        "requested_by": requested_by.name,
        "start_until": None if deadline is None else task.now + deadline,
        "lane": lane_of(task.body),
        "trace_link": trace_link,
    }
    with connection.transaction():
        if dedupe is not None and (same := _find_same(connection, task.uid, trigger_key, dedupe)):
            return same, "repeated"
        fate = let_in(connection, task.uid, entry)
        if fate not in {"begin", "wait"}:
            return run_id, fate
        connection.execute(statement("create_manual_run"), asked | {"fate": fate})
        label = task_label(task.body["namespace"], task.body["name"])
        facts = {"run_id": str(run_id), "params": sorted(params)}
        write_audit(connection, requested_by, Deed("task.run", label, details=facts))
    tell_let_in(connection, task.uid, entry, fate)
    return run_id, fate


def _find_same(
    connection: Connection, task_uid: int, trigger_key: str, dedupe: Dedupe
) -> UUID | None:
    """The run that was asked for with the same key; who asks at the same moment waits until we have committed."""
    connection.execute(statement("lock_task_in_force"), {"task_uid": task_uid})
    asked = {"task_uid": task_uid, "trigger_key": trigger_key, "within": dedupe.within}
    return next(iter(_ids(connection, "find_same_run", asked)), None)


def _require_storable(values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if storable(value) != value:
            raise Unstorable(
                f"{name} holds a NUL or half of a surrogate pair, which PostgreSQL cannot keep",
                hint="leave the character out, or pass the text in another form, such as base64",
            )


def count_live_runtimes(connection: Connection) -> int:
    """How many runtimes are alive and take work."""
    return int(fetch_rows(connection, "count_live_runtimes")[0]["count"])


def list_runs(
    connection: Connection,
    *,
    task_uid: int | None,
    states: Sequence[str],
    limit: int,
    quarantined: bool = False,
    before: UUID | None = None,
) -> RunList:
    """The newest runs, of one task or all, in some states or any; or only those that are in quarantine.

    With `before`, those that come after this run in the list.
    """
    rows = fetch_rows(
        connection,
        "list_runs",
        task_uid=task_uid,
        states=list(states) or None,
        limit=limit,
        quarantined=quarantined,
        before=before,
    )
    now = fetch_rows(connection, "read_clock")[0]["now"]
    return RunList(now=now, runs=tuple(RunSummary(**_labelled(row)) for row in rows))


def list_active_runs(connection: Connection, *, limit: int) -> tuple[RunSummary, ...]:
    """Runs that are not over: those under way, those that wait, those that are queued; each the oldest first."""
    rows = fetch_rows(connection, "list_active_runs", limit=limit)
    return tuple(RunSummary(**_labelled(row)) for row in rows)


def find_latest_run(connection: Connection, task_uid: int | None) -> UUID | None:
    """The newest run, of one task or of all."""
    return next(iter(_ids(connection, "find_latest_run", {"task_uid": task_uid})), None)


def find_runs(connection: Connection, digits: str, *, limit: int) -> list[UUID]:
    """The runs whose id begins with these hexadecimal digits, and the recent ones whose id ends with them."""
    span = {"first": UUID(digits.ljust(32, "0")), "last": UUID(digits.ljust(32, "f"))}
    begin = _ids(connection, "find_runs_between", {**span, "limit": limit})
    end = _ids(connection, "find_runs_by_end", {"ending": digits, "limit": limit})
    return list(dict.fromkeys([*begin, *end]))


def load_run(connection: Connection, run_id: UUID) -> RunReport:
    """Everything that is known of a run.

    Raises:
        NotFound: ORD310, there is no such run, or no more.
    """
    which = {"run_id": run_id}
    rows = fetch_rows(connection, "load_run", **which)
    if not rows:
        raise NotFound(f"there is no run {run_id}", hint="`ordinaut runs` lists them")
    row = _labelled(rows[0])
    body = row.pop("body")
    reruns = _ids(
        connection,
        "list_reruns",
        which | {"task_uid": row.pop("task_uid"), "since_id": first_id_of(run_id)},
    )
    queued = {name: row.pop(name) for name in _LEASE}
    slot_key = row.pop("slot_key")
    results = fetch_rows(connection, "list_step_results", **which, waiting=sorted(WAITING_TOOLS))
    attempts = fetch_rows(connection, "list_step_attempts", **which)
    items = fetch_rows(connection, "count_step_items", **which)
    # Of a run that is over nothing waits, nor of the steps that came before those of `finally`.
    is_active = queued["ready_at"] is not None
    listed = _listed_steps(body)[any(result["step"] == OVER for result in results)]
    waits = fetch_rows(connection, "list_run_waits", **which) if is_active else ()
    return RunReport(
        **row,
        reruns=tuple(reruns),
        lease=Lease(**queued) if is_active else None,
        slot_wait=None if slot_key is None else _slot_wait(connection, slot_key),
        steps=_with_waits(
            _steps(
                body,
                results,
                attempts,
                items,
                is_leased=_is_leased(row, queued),
                is_active=is_active,
            ),
            [wait for wait in waits if wait["step"] in listed],
        ),
        events=tuple(RunEvent(**e) for e in fetch_rows(connection, "list_run_events", **which)),
    )


def run_progress(connection: Connection, run_id: UUID) -> tuple[str, int] | None:
    """The run's state and how many steps have ended: together they change whenever it gets further."""
    rows = fetch_rows(connection, "load_run_progress", run_id=run_id)
    return (rows[0]["state"], rows[0]["results"]) if rows else None


def _slot_wait(connection: Connection, key: str) -> SlotWait:
    holders = fetch_rows(connection, "list_slot_holders", slot_key=key)
    return SlotWait(key=key, holders=tuple(SlotHolder(**_labelled(row)) for row in holders))


def _is_leased(run: Mapping[str, Any], queued: Mapping[str, Any]) -> bool:
    """Whether a runtime executes the run now; one whose lease has ended is dead, or as good as that."""
    until = queued["lease_until"]
    return run["state"] == "running" and until is not None and until > run["now"]


def _steps(
    body: Mapping[str, Any],
    results: Sequence[dict[str, Any]],
    attempts: Sequence[dict[str, Any]],
    items: Sequence[dict[str, Any]],
    *,
    is_leased: bool,
    is_active: bool,
) -> tuple[StepReport, ...]:
    """The steps of a body in their order, each with what is recorded of it."""
    first, last = _listed_steps(body)
    steps = first | last
    spread = {name for name, step in steps.items() if "foreach" in step}
    recorded = {
        result["step"]: result
        for result in results
        if (result.pop("iteration") == WHOLE) == (result["step"] in spread)
    }
    counted = {count.pop("step"): count for count in items}
    tries: dict[str, list[TryReport]] = {}
    for attempt in attempts:
        name = attempt.pop("step")
        item = attempt.pop("item")
        tries.setdefault(name, []).append(
            TryReport(**attempt, item=item if name in spread else None)
        )
    listed = last if OVER in recorded else first
    under_way = _under_way(listed, recorded) if is_leased else frozenset()
    return tuple(
        _step(
            step,
            recorded.get(name),
            tuple(tries.get(name, ())),
            counted.get(name, _NO_ITEMS) if name in spread else {},
            is_under_way=name in under_way,
            is_active=is_active,
        )
        for name, step in steps.items()
    )


def _listed_steps(
    body: Mapping[str, Any],
) -> tuple[dict[str, Mapping[str, Any]], dict[str, Mapping[str, Any]]]:
    """The steps of a body by id, and those of its `finally`."""
    pipeline = body["pipeline"]
    steps, holder = (
        (pipeline["steps"], pipeline) if isinstance(pipeline, Mapping) else (pipeline, body)
    )
    first, last = (
        {step["id"]: step for step in spread(one)} for one in (steps, holder.get("finally", ()))
    )
    return first, last


def _with_waits(
    steps: Iterable[StepReport], waits: Sequence[dict[str, Any]]
) -> tuple[StepReport, ...]:
    """The steps of a run that is not over, with what they wait for."""
    found: dict[str, list[WaitReport]] = {}
    for wait in waits:
        kept = {name: wait[name] for name in ("kind", "until", "asked")}
        found.setdefault(wait["step"], []).append(WaitReport(**kept))
    return tuple(
        step.model_copy(update={"state": "waiting", "waits": tuple(found[step.step])})
        if step.step in found and step.outcome is None
        else step
        for step in steps
    )


def _under_way(
    steps: Mapping[str, Mapping[str, Any]], recorded: Collection[str]
) -> frozenset[str]:
    """The steps that have no result yet, and whose needs all have one."""
    needs = ordered_needs((name, step.get("needs")) for name, step in steps.items())
    return frozenset(
        name
        for name, needed in needs.items()
        if name not in recorded and all(need in recorded for need in needed)
    )


def _step(
    step: Mapping[str, Any],
    result: Mapping[str, Any] | None,
    tries: tuple[TryReport, ...],
    items: Mapping[str, int],
    *,
    is_under_way: bool,
    is_active: bool,
) -> StepReport:
    if result is None:
        again: StepState = "retrying" if tries and is_active else "pending"
        state: StepState = "running" if is_under_way else again
        return StepReport(step=step["id"], uses=step["uses"], state=state, tries=tries, **items)
    return StepReport(**result, state=_step_state(result["outcome"]), tries=tries, **items)


def _step_state(outcome: str) -> StepState:
    match outcome:
        case "ok":
            return "succeeded"
        case "skipped":
            return "skipped"
        case _:
            return "failed"


def _labelled(row: dict[str, Any]) -> dict[str, Any]:
    row["task"] = task_label(row.pop("namespace"), row.pop("name"))
    return row


def _ids(connection: Connection, name: str, params: Mapping[str, Any]) -> list[UUID]:
    return [row["run_id"] for row in fetch_rows(connection, name, **params)]
