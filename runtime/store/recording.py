"""Reads a run with everything that it recorded."""

from __future__ import annotations

from uuid import UUID

from runtime.core.program import task_label
from runtime.core.record import RecordedRun, RecordedTry, RecordedWait
from runtime.errors import NotFound
from runtime.store.rows import Connection, fetch_rows


def load_recorded_run(connection: Connection, run_id: UUID) -> RecordedRun:
    """A run as it is on record.

    Raises:
        NotFound: ORD310, there is no such run, or no more.
    """
    which = {"run_id": run_id}
    rows = fetch_rows(connection, "load_run_for_test", **which)
    if not rows:
        raise NotFound(f"there is no run {run_id}", hint="`ordinaut runs` lists them")
    row = rows[0]
    waits = fetch_rows(connection, "list_waits_for_test", **which)
    settled = fetch_rows(connection, "list_settled_for_test", **which)
    return RecordedRun(
        task=task_label(row.pop("namespace"), row.pop("name")),
        **row,
        tries=tuple(_tries(connection, run_id)),
        waits=tuple(RecordedWait(**wait) for wait in waits),
        settled={
            (one["step"], one["iteration"], one["attempt"]): one["answer"] for one in settled
        },
    )


def _tries(connection: Connection, run_id: UUID) -> list[RecordedTry]:
    results = fetch_rows(connection, "list_results_for_test", run_id=run_id)
    ended = {(one["step"], one["iteration"]): one for one in results}
    tries = [RecordedTry(**one, is_last=True) for one in results]
    for attempt in fetch_rows(connection, "list_step_attempts", run_id=run_id):
        attempt.pop("retry_at")
        if attempt["outcome"] in {"input_required", "task"}:
            # It went on: with what people answered, it is one call.
            continue
        place = attempt["step"], attempt.pop("item")
        # Templates are filled in once for all tries of a call.
        last = ended.get(place, {})
        tries.append(
            RecordedTry(
                **attempt,
                iteration=place[1],
                uses=last.get("uses", ""),
                input=last.get("input"),
                output=None,
                is_last=False,
            )
        )
    return sorted(tries, key=_order)


def _order(one: RecordedTry) -> tuple[object, ...]:
    return one.started_at, one.finished_at, one.step, one.iteration, one.attempt
