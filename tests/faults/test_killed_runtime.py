"""A runtime that is killed loses nothing, and nothing that was recorded is done again."""

from __future__ import annotations

from tests.faults.site import Site, step


async def test_a_run_cut_off_in_the_middle_of_a_step_goes_on_from_that_step(site: Site) -> None:
    """Asserts: after kill -9 and a restart the run succeeds; the step that had finished was called once, the one that
    was cut off twice; every step has exactly one result, the first from the first lease, the others from the second.
    """
    installed = await site.install(step("first"), step("second", "wait"), step("third"))
    run_id = await site.queue(installed)
    async with site.runtime() as runtime:
        await site.called("first", "second")
        runtime.kill()
        assert (await runtime.ended()).status == -9

    site.open_gate()
    async with site.runtime():
        assert await site.ended(run_id) == ["succeeded"]

    assert site.diary == ["first", "second", "second", "third"]
    assert await site.results() == [("first", "ok", 1), ("second", "ok", 2), ("third", "ok", 2)]


async def test_another_runtime_takes_over_when_the_lease_is_over(site: Site) -> None:
    """Asserts: a second runtime, there before the first is killed, finishes its run once its lease has ended, and not
    before.
    """
    run_id = await site.queue(await site.install(step("only", "wait")))
    async with site.runtime() as killed:
        await site.called("only")
        async with site.runtime():
            await site.runtimes_alive(2)
            killed.kill()
            lease_until = await site.value("select lease_until from ordinaut.due_work")
            await site.called("only", "only")
            assert await site.value("select ordinaut.now() > %s", lease_until)
            site.open_gate()
            assert await site.ended(run_id) == ["succeeded"]

    assert await site.results() == [("only", "ok", 2)]
