"""Specs change while a run is under way: it ends as it began, and what comes after it goes by the new ones."""

from __future__ import annotations

from tests.faults.site import Site, step
from tests.support.installed import install, task


async def test_a_run_keeps_its_revision_and_the_next_has_the_new_one(site: Site) -> None:
    """Asserts: the task changes while the second step of a run works, and the runtime is killed. Another one goes on with the
    steps of the run's own revision, and knows their results; the next run has the steps of the new one.
    """
    installed = await site.install(step("first"), step("second", "wait"), step("old"))
    before = await site.queue(installed, "before")
    async with site.runtime() as runtime:
        await site.called("first", "second")
        changed = await install(site.connection, task(pipeline=[step("new")]))
        runtime.kill()
        assert (await runtime.ended()).status == -9
    after = await site.queue(changed, "after")
    site.open_gate()
    async with site.runtime():
        assert await site.ended(before, after) == ["succeeded", "succeeded"]

    assert sorted(site.diary) == ["first", "new", "old", "second", "second"]
    pinned = "select revision_id from ordinaut.run where run_id = any(%s) order by run_id = %s"
    assert await site.rows(pinned, [before, after], after) == [
        (installed.revision_id,),
        (changed.revision_id,),
    ]
