from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from runtime.core.identity import derive_run_id, idempotency_key

AT = datetime(2026, 1, 5, 6, 30, tzinfo=UTC)


def test_the_same_firing_has_the_same_id_everywhere() -> None:
    first = derive_run_id(7, "schedule", "", AT)
    elsewhere = derive_run_id(7, "schedule", "", AT.astimezone())

    assert first == elsewhere == UUID("019b8cd9-2640-8d87-9a0a-68e3dcc14c1a")


def test_another_task_trigger_key_or_instant_is_another_run() -> None:
    ids = {
        derive_run_id(7, "schedule", "", AT),
        derive_run_id(8, "schedule", "", AT),
        derive_run_id(7, "manual", "", AT),
        derive_run_id(7, "manual", "a", AT),
        derive_run_id(7, "schedule", "", AT + timedelta(microseconds=1)),
    }

    assert len(ids) == 5


def test_ids_sort_by_occurrence() -> None:
    instants = [AT + timedelta(milliseconds=n) for n in range(50)]

    ids = [derive_run_id(1, "schedule", "", instant) for instant in instants]

    assert ids == sorted(ids)


def test_an_id_is_a_version_8_uuid_that_begins_with_its_milliseconds() -> None:
    run_id = derive_run_id(7, "schedule", "", AT)

    assert (run_id.version, run_id.variant) == (8, "specified in RFC 4122")
    assert int.from_bytes(run_id.bytes[:6], "big") == int(AT.timestamp() * 1000)


def test_every_try_of_a_step_has_the_same_idempotency_key_and_every_item_its_own() -> None:
    run_id = derive_run_id(7, "schedule", "", AT)

    assert idempotency_key(run_id, "send", 0) == idempotency_key(run_id, "send", 0)
    assert len({idempotency_key(run_id, step, n) for step in ("send", "ask") for n in (0, 1)}) == 4
