"""The service that heals: it goes on through every failure, and says each once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from reconciler.healing import Healer
from runtime.clock import SYSTEM_CLOCK
from runtime.drifting import DriftWatch
from runtime.store.pool import open_pool
from tests.support.applying import Bench, specs, task
from tests.support.probes import eventually

HEALED = "kind: Project\nname: platform\nowner: team-ops\nheal: heal"
BY_HAND = "update ordinaut.spec set body = jsonb_set(body, '{priority}', '9') where name = 'one'"


class Hasty:
    """The system's clock, whose sleeps are over at once."""

    now = SYSTEM_CLOCK.now
    monotonic = SYSTEM_CLOCK.monotonic

    def __init__(self) -> None:
        self.sleeps = 0

    async def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        await SYSTEM_CLOCK.sleep(min(seconds, 0.01))


@asynccontextmanager
async def healing(conninfo: str) -> AsyncIterator[Hasty]:
    clock = Hasty()
    service = asyncio.create_task(Healer(conninfo, clock).run())
    try:
        yield clock
    finally:
        service.cancel()
        await asyncio.gather(service, return_exceptions=True)


async def test_found_drift_is_healed_without_anybody_asking(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.apply(specs(task("one")), HEALED)
    pool = await open_pool(bench.url)
    try:
        async with healing(bench.url):
            bench.run(BY_HAND)
            await DriftWatch(pool, SYSTEM_CLOCK).run_once()
            await eventually(lambda: "is again as it was applied, by r2" in caplog.text, "healed")
    finally:
        await pool.close()

    assert bench.row("select body ->> 'priority' from ordinaut.spec where name = 'one'") == ("5",)


async def test_what_is_refused_is_said_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.apply(specs(task("one"), task("two")), HEALED)
    pool = await open_pool(bench.url)
    try:
        bench.run("update ordinaut.spec set name = 'uno' where name = 'one'")
        # Whoever it was gave its name to another row, so it cannot have it back.
        bench.run(
            "insert into ordinaut.spec (project, environment, kind, namespace, name, revision_id, body, digest)"
            " select project, environment, kind, namespace, 'one', revision_id, body, digest"
            " from ordinaut.spec where name = 'two'"
        )
        await DriftWatch(pool, SYSTEM_CLOCK).run_once()
        async with healing(bench.url) as clock:
            await eventually(lambda: clock.sleeps > 2, "three looks")
    finally:
        await pool.close()

    assert caplog.text.count("not healed: platform/default: r1 cannot be brought back:") == 1


async def test_a_database_that_is_away_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "ordinaut.healing")

    async with healing("postgresql://127.0.0.1:1/nothing") as clock:
        await eventually(lambda: clock.sleeps > 2, "three looks")

    assert caplog.text.count("not healed: the database nothing") == 1


async def test_looking_for_drift_goes_on_when_the_database_is_away(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.apply(specs(task("one")))
    bench.run(BY_HAND)
    pool, clock = await open_pool(bench.url), Hasty()
    service = asyncio.create_task(DriftWatch(pool, clock).run())
    try:
        await eventually(lambda: clock.sleeps > 1, "two looks")
        await pool.close()
        await eventually(lambda: "drift not looked for" in caplog.text, "a look that failed")
        assert not service.done()
    finally:
        service.cancel()
        await asyncio.gather(service, return_exceptions=True)

    assert caplog.text.count("Task/one differs from what was applied (content)") == 1
