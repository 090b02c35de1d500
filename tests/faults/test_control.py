"""What people and policies demand of runs holds for every process that executes them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from runtime.manual import request_run
from runtime.store.connect import connect
from tests.faults.site import Site, step
from tests.support.cli import Cli
from tests.support.installed import install, task

SLOT = {"key": "crm", "limit": 1}


def ask(site: Site, label: str, **params: Any) -> UUID:
    """As `ordinaut run` does, in a process that executes nothing."""
    with connect(site.env["ORDINAUT_DATABASE_URL"]) as connection:
        return request_run(connection, label, params, may_overlap=True, needs_runtime=False)[0]


@pytest.mark.slow
async def test_a_cancelled_run_leaves_the_process_that_executes_it_at_once(site: Site) -> None:
    """Asserts: cancelled from outside, a run frees the only slot of its runtime although its lease has long to go; what
    its tool answers afterwards is not recorded.
    """
    cancelled = await site.queue(await site.install(step("long", "wait"), name="long"))
    other = await site.install(step("next"), name="next")
    async with site.runtime(lease="10m", concurrency="1"):
        await site.called("long")

        assert Cli(site.env)("cancel", str(cancelled), "--reason", "enough").status == 0

        following = await site.queue(other)
        assert await site.ended(following) == ["succeeded"]
        site.open_gate()
        assert await site.ended(await site.queue(other, "again")) == ["succeeded"]
    assert [row[0] for row in await site.results()] == ["next", "next"]
    assert await site.value("select state from ordinaut.run where run_id = %s", cancelled) == (
        "cancelled"
    )


@pytest.mark.slow
async def test_the_slot_of_a_killed_holder_stays_with_its_run_until_that_is_over(
    site: Site,
) -> None:
    """Asserts: of two runs that share a slot, in two runtimes, the second begins only after the first is over, although
    the first is killed with its runtime (SIGKILL) and goes on in the other.
    """
    await site.install(step("unused"))
    gated = task("gated", pipeline=[step("held", "wait")], concurrency=SLOT)
    await install(site.connection, gated)
    first = ask(site, "gated")
    async with site.runtime(lease="2s", poll="1s") as killed:
        await site.called("held")
        async with site.runtime(lease="2s", poll="1s"):
            await site.runtimes_alive(2)
            second = ask(site, "gated")
            killed.kill()
            await site.called("held", "held")
            query = "select state from ordinaut.run where run_id = %s"
            assert await site.value(query, second) == "queued"

            site.open_gate()
            assert await site.ended(first, second) == ["succeeded", "succeeded"]
    began, ended = (
        "select started_at from ordinaut.run where run_id = %s",
        "select finished_at from ordinaut.run where run_id = %s",
    )
    assert await site.value(began, second) >= await site.value(ended, first)
