"""A runtime that dies while it asks a tool leaves the question to another, and its answer counts once."""

from __future__ import annotations

from tests.faults.site import Site, step
from tests.support.installed import arm, install, task
from tests.support.probes import eventually

CONDITION = {
    "uses": "diary.wait",
    "with": {"name": "asked"},
    "every": "1m",
    "when": "result == 'asked'",
}


async def test_a_poll_cut_off_in_the_middle_is_made_again_and_fires_once(
    site: Site, database: str
) -> None:
    """Asserts: after kill -9 the tool is asked once more, by another runtime and under a newer lease; one run starts, and a
    runtime that comes later starts no other.
    """
    await site.install(step("enter"))
    watch = task("watch", schedule={"condition": CONDITION}, pipeline=[step("told")])
    arm(database, await install(site.connection, watch))
    await ask_now(site)
    async with site.runtime() as runtime:
        await site.called("asked")
        runtime.kill()
        assert (await runtime.ended()).status == -9
    assert await site.states() == {}

    site.open_gate()
    async with site.runtime():
        await eventually(lambda: "told" in site.diary, "the run's step is called", seconds=20)
    assert site.diary[:3] == ["asked", "asked", "told"]
    await ask_now(site)
    async with site.runtime():
        settled = "select lease_epoch = 3 and runtime_id is null from ordinaut.condition"
        await eventually(lambda: site.value(settled), "it is asked again", seconds=20)

    assert await site.rows("select count(*), min(trigger) from ordinaut.run") == [(1, "condition")]
    assert await site.value("select phase from ordinaut.condition") == "spent"


async def ask_now(site: Site) -> None:
    """Do not wait for the next round time."""
    await site.connection.execute("update ordinaut.condition set next_poll_at = ordinaut.now()")
