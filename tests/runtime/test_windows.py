"""One run for several events: after a quiet while, or a batch at a time, whatever restarts in between."""

from __future__ import annotations

import pytest

from tests.support.hearing import Listening

BATCH = {"max": 3, "within": "1m"}


async def payloads(listening: Listening) -> list[tuple[object, ...]]:
    """Of each run the order of its event, how many it is for, and the orders of all."""
    return await listening.rows(
        "select event #> '{data,order}', event -> 'count',"
        " (select jsonb_agg(i #> '{data,order}') from jsonb_array_elements(event -> 'items') i)"
        " from ordinaut.run where state <> 'skipped' order by trigger_key::bigint"
    )


async def test_a_debounced_task_runs_once_after_a_quiet_while_with_the_last_event(
    listening: Listening,
) -> None:
    await listening.listen(debounce="30s")
    for number in (1, 2, 3):
        await listening.emit(number)
        await listening.clock.advance(29)
        await listening.decide()
    assert await payloads(listening) == []

    await listening.clock.advance(2)
    await listening.decide()

    assert await payloads(listening) == [(3, 3, None)]
    assert await listening.rows(
        "select r.due_at - r.occurrence_for = interval '30s', l.heard, l.fire_at"
        " from ordinaut.run r cross join ordinaut.listener l"
    ) == [(True, 0, None)]


async def test_the_next_event_begins_the_next_while(listening: Listening) -> None:
    await listening.listen(debounce="30s", overlap="allow")
    for number in (1, 2):
        await listening.emit(number)
        await listening.clock.advance(31)
        await listening.decide()

    assert await payloads(listening) == [(1, 1, None), (2, 1, None)]


async def test_a_batch_is_closed_when_it_is_full_and_the_rest_begins_another(
    listening: Listening,
) -> None:
    await listening.listen(batch=BATCH, overlap="allow")
    for number in range(1, 6):
        await listening.emit(number)
    await listening.decide()
    await listening.decide()
    assert await payloads(listening) == [(3, 3, [1, 2, 3])]

    await listening.clock.advance(61)
    await listening.decide()

    assert await payloads(listening) == [(3, 3, [1, 2, 3]), (5, 2, [4, 5])]


async def test_a_batch_is_closed_so_long_after_its_first_event(listening: Listening) -> None:
    await listening.listen(batch=BATCH)
    await listening.emit(1)
    await listening.clock.advance(59)
    await listening.emit(2)
    await listening.decide()
    assert await payloads(listening) == []

    await listening.clock.advance(2)
    await listening.decide()

    assert await payloads(listening) == [(2, 2, [1, 2])]


async def test_many_full_batches_go_one_after_another(listening: Listening) -> None:
    await listening.listen(batch=BATCH, overlap="allow")
    for number in range(1, 10):
        await listening.emit(number)

    while await listening.decide():
        pass

    assert [items for _, _, items in await payloads(listening)] == [
        [1, 2, 3], [4, 5, 6], [7, 8, 9],
    ]  # fmt: skip


async def test_a_service_wakes_when_a_window_closes(listening: Listening) -> None:
    await listening.listen(debounce="30s")
    await listening.emit(1)

    decided, left = await listening.hearing.run_once()

    assert decided == 0
    assert left is not None
    assert 29 < left <= 30


@pytest.mark.parametrize("window", [{"debounce": "30s"}, {"batch": BATCH}])
async def test_what_cannot_run_is_not_in_the_window(
    listening: Listening, window: dict[str, object]
) -> None:
    await listening.listen(filter="length(data.order) > `0`", **window)
    await listening.emit(1)
    await listening.emit(2, data={"order": [2]})
    await listening.clock.advance(61)
    await listening.decide()

    assert await listening.rows(
        "select state, reason, event -> 'count' from ordinaut.run order by trigger_key::bigint"
    ) == [("skipped", "filter_failed", None), ("queued", None, 1)]


async def test_what_a_pause_held_back_is_one_run(listening: Listening) -> None:
    installed = await listening.listen(debounce="30s")
    await listening.override(installed)
    for number in (1, 2):
        await listening.emit(number)
        await listening.clock.advance(3600)
    await listening.decide()
    assert await payloads(listening) == []

    await listening.override(installed, over=True)
    await listening.decide()

    assert await payloads(listening) == [(2, 2, None)]
