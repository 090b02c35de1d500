"""Many runs while something is wrong all the time: each succeeds, and counts once."""

from __future__ import annotations

from collections import defaultdict

from redis.asyncio import Redis

from tests.faults.site import Site
from tests.support.installed import install, task
from tests.support.probes import eventually
from tests.support.proxy import Proxy

_STEPS = [
    {"id": name, "uses": "llm.plan", "with": {"n": name}} for name in ("one", "two", "three")
]


async def test_two_runtimes_race_over_a_thousand_runs(site: Site) -> None:
    """Asserts: two runtimes that start together take 1,000 queued runs; each is begun once, succeeds, and has one
    result, from its first lease.
    """
    installed = await install(site.connection, task())
    await site.queue_many(installed, 1000)
    async with site.runtime(concurrency="8"), site.runtime(concurrency="8"):
        await eventually(lambda: _all_succeeded(site, 1000), "1,000 runs succeed", seconds=60)

    assert await site.value("select count(*) from ordinaut.step_result") == 1000
    assert await site.value("select count(*) from ordinaut.step_result where lease_epoch > 1") == 0
    assert await _told(site, "run.started") == 1000


async def test_connections_that_are_terminated_all_the_time_lose_nothing(site: Site) -> None:
    """Asserts: 200 runs of three steps, while every connection is terminated whenever there is progress; all succeed,
    and every step of every run has one result.
    """
    await site.queue_many(await install(site.connection, task(pipeline=_STEPS)), 200)
    terminations, seen = 0, 0

    async def terminate_until_done() -> bool:
        nonlocal terminations, seen
        recorded = await site.value("select count(*) from ordinaut.step_result")
        if recorded > seen:
            await site.rows(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
            terminations, seen = terminations + 1, recorded
        return await _all_succeeded(site, 200)

    async with site.runtime(concurrency="8"):
        await eventually(terminate_until_done, "200 runs succeed", seconds=60)

    assert terminations > 10
    assert await site.value("select count(*) from ordinaut.step_result") == 600


async def test_events_of_a_load_that_redis_missed_follow_in_order(
    site: Site, redis_url: str
) -> None:
    """Asserts: 100 runs finish while Redis cannot be reached; when it can, every event that was written reaches the
    stream, each run's in their order.
    """
    await site.queue_many(await install(site.connection, task(pipeline=_STEPS)), 100)
    async with Proxy(redis_url) as proxy, Redis.from_url(redis_url, decode_responses=True) as bus:
        proxy.refuse()
        async with site.runtime(redis_url=proxy.url):
            await eventually(lambda: _all_succeeded(site, 100), "100 runs succeed", seconds=40)
            assert await bus.xlen("ordinaut:events") == 0
            await proxy.resume()
            await eventually(
                lambda: site.value("select count(*) = 0 from ordinaut.outbox"),
                "publication",
                seconds=30,
            )

        by_run = defaultdict(list)
        for _, event in await bus.xrange("ordinaut:events"):
            by_run[event["runid"]].append(event["type"].removeprefix("ordinaut."))
    assert len(by_run) == 100
    assert {tuple(told) for told in by_run.values()} == {
        ("run.started", "step.succeeded", "step.succeeded", "step.succeeded", "run.succeeded")
    }


async def _all_succeeded(site: Site, count: int) -> bool:
    return await site.states() == {"succeeded": count}


async def _told(site: Site, kind: str) -> int:
    told: int = await site.value("select count(*) from ordinaut.event_log where type = %s", kind)
    return told
