"""What people and policies demand of runs holds for every process that executes them."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from runtime.actor import Actor
from runtime.manual import request_run
from runtime.store.connect import connect
from tests.faults.site import Site, step
from tests.support.cli import Cli
from tests.support.installed import HEAD, install, task
from tests.support.probes import eventually

SLOT = {"key": "crm", "limit": 1}


def ask(site: Site, label: str, *, may_overlap: bool = True) -> UUID:
    """As `ordinaut run` does, in a process that executes nothing."""
    with connect(site.env["ORDINAUT_DATABASE_URL"]) as connection:
        return request_run(
            connection, label, {}, may_overlap=may_overlap, needs_runtime=False, actor=Actor("ada")
        )[0]


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


@pytest.mark.slow
async def test_three_processes_keep_every_limit_together(site: Site) -> None:
    """Asserts: three processes, none of which has room for all, work on runs that may not all be under way. While no tool
    answers, as many calls have been made as a concurrency key, a rate limit and an overlap policy allow, and no more; in the
    end each run was tried as often as it may, and the task that failed is paused once.
    """
    await site.install(step("unused"))
    limit = {"calls": 3, "per": "1h"}
    agent = {"kind": "Agent", "name": "bot", "scopes": ["*"], "rate_limits": [limit]}
    await install(site.connection, {**HEAD, **agent})
    again = {"attempts": 3, "initial": "10ms", "jitter": "none"}
    fail = {"name": "frail", "fail": True}
    for body in (
        task("gated", pipeline=[step("gated", "wait")], concurrency={"key": "crm", "limit": 2}),
        task("limited", pipeline=[step("limited")], agent="bot"),
        task("single", pipeline=[step("single", "wait")], overlap="queue_all"),
        task("frail", pipeline=[step("frail", "wait", **{"with": fail}, retry=again)], pause_after_failures=4),
    ):  # fmt: skip
        await install(site.connection, body)

    async with site.runtime(processes="3", concurrency="4", lease="30s") as parent:
        await site.runtimes_alive(3)
        asked = {"gated": 6, "limited": 8, "single": 3, "frail": 4}
        for name, count in asked.items():
            for _ in range(count):
                ask(site, name, may_overlap=name != "single")
        made = {"gated": 2, "limited": 3, "single": 1, "frail": 4}
        await eventually(lambda: Counter(site.diary) == made, "calls are made", seconds=20)
        settled = {"running": 7, "queued": 6, "succeeded": 3, "waiting": 5}
        await eventually(lambda: _are(site, settled), "all runs stand", seconds=20)
        assert Counter(site.diary) == made

        site.open_gate()
        over = {"succeeded": 12, "waiting": 5, "failed": 4}
        await eventually(lambda: _are(site, over), "what may end does", seconds=20)
        paused = "select count(*) = 1 from ordinaut.task_override"
        await eventually(lambda: site.value(paused), "the pause")
        parent.interrupt_group()
        assert (await parent.ended()).status == 0

    assert Counter(site.diary) == {"gated": 6, "limited": 3, "single": 3, "frail": 12}
    assert await most_at_once(site, "gated") == 2
    assert await most_at_once(site, "single") == 1


async def _are(site: Site, states: dict[str, int]) -> bool:
    return await site.states() == states


async def most_at_once(site: Site, name: str) -> Any:
    """How many runs of a task were under way at the same time."""
    return await site.value(
        "select max(active) from (select (select count(*) from ordinaut.run o where o.task_uid = r.task_uid"
        " and o.started_at <= r.started_at and o.finished_at > r.started_at) as active"
        " from ordinaut.run r join ordinaut.spec p on p.uid = r.task_uid and p.name = %s) x",
        name,
    )
