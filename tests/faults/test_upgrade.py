"""A newer version migrates the database while runtimes of this one work."""

from __future__ import annotations

from tests.faults.site import Site, step
from tests.support.processes import ordinaut

_NEWER = (
    "insert into public.ordinaut_migration values (9999, 'future', 'x', now(), %s) returning 1"
)


async def test_runtimes_go_on_and_start_again_on_a_schema_that_was_only_extended(
    site: Site,
) -> None:
    """Asserts: a runtime works on, and another one of its version starts, while commands of its version refuse."""
    installed = await site.install(step("only"))
    async with site.runtime():
        await site.runtimes_alive(1)
        await site.rows(_NEWER, False)
        first = await site.queue(installed, "a")
        assert await site.ended(first) == ["succeeded"]
        async with site.runtime():
            await site.runtimes_alive(2)
            refused = await ordinaut("runs", cwd=site.folder, env=site.env)

    assert refused.status == 1
    assert "migration 9999 (future), which this program does not know" in refused.stderr


async def test_a_runtime_drains_when_the_schema_becomes_one_that_it_cannot_work_with(
    site: Site,
) -> None:
    """Asserts: within a heartbeat it takes nothing new; what it executes finishes; it ends with ORD303; and another one of
    its version refuses to start.
    """
    run_id = await site.queue(await site.install(step("only", "wait")))
    async with site.runtime(poll="200ms") as runtime:
        await site.called("only")
        await site.rows(_NEWER, True)
        await runtime.line("stopping: 1 active run has")
        site.open_gate()
        ended = await runtime.ended()
        again = await ordinaut("runtime", cwd=site.folder, env=site.env)

    assert await site.ended(run_id) == ["succeeded"]
    assert ended.status == 1
    assert "error ORD303: a newer program migrated the database" in ended.stderr
    assert again.status == 1
    assert "error ORD303" in again.stderr
