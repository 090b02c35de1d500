"""Connections that are dead and do not say so, as a lost firewall state leaves them: nobody waits for them for long."""

from __future__ import annotations

from tests.faults.site import Site, step
from tests.support.proxy import Proxy


async def test_a_runtime_gives_half_open_connections_up_and_its_work_goes_on(
    site: Site, database: str
) -> None:
    """Asserts: every connection of a runtime, that for wake-ups included, goes dead without a word while a call is under way. The
    result is recorded over a new one, under the first lease, and a run that is queued afterwards is found and succeeds.
    """
    installed = await site.install(step("only", "wait"))
    async with Proxy(database) as network:
        first = await site.queue(installed, "first")
        async with site.runtime(database_url=network.url, lease="12s", silence="1s", poll="1s"):
            await site.called("only")
            network.abandon()
            site.open_gate()
            assert await site.ended(first) == ["succeeded"]
            second = await site.queue(installed, "second")
            assert await site.ended(second) == ["succeeded"]

    assert site.diary == ["only", "only"]
    assert {epoch for _, _, epoch in await site.results()} == {1}
