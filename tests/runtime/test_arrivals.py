"""The services that see to events and answers: they go on by themselves, and outlive a database that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.support.executing import Bench, step
from tests.support.probes import within
from tests.support.scripted_tools import ScriptedTools


async def test_what_was_not_delivered_is_delivered_when_the_service_begins(bench: Bench) -> None:
    await bench.queue(
        pipeline=[step("wait", "ordinaut.wait_for", **{"with": {"event": "orders.paid"}})]
    )
    await bench.go(ScriptedTools())
    await bench.connection.execute(
        "insert into ordinaut.event (source, event_id, topic, data) values ('shop', '1', 'orders.paid', '1')"
    )
    serving = asyncio.create_task(bench.arrivals.run())

    async def ended() -> None:
        while await bench.row("select answer from ordinaut.wait") is None:
            pass

    await within(ended(), "the wait is ended")
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


@pytest.mark.parametrize("service", ["arrivals", "attention"])
async def test_a_database_that_is_away_is_asked_again(
    bench: Bench, service: str, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.queue(pipeline=[step("do")])
    bench.attention.listen(await bench.claim(), lambda: None)
    await bench.pool.close()
    run: Coroutine[Any, Any, None] = getattr(bench, service).run()
    serving = asyncio.create_task(run)

    async def rests() -> None:
        while not bench.clock.sleepers:
            await asyncio.wait([serving], timeout=0.001)

    await within(rests(), "it rests")
    assert not serving.done()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
