"""Rows that no program wrote: each fails for itself, and the batch that they came with goes on."""

from __future__ import annotations

from uuid import UUID

from psycopg.types.json import Jsonb

from tests.faults.site import Site
from tests.support.installed import install, queue_run, task

_BAD = {
    "no-pipeline": {"pipeline": None},
    "bad-template": {"pipeline": [{"id": "a", "uses": "llm.plan", "with": {"x": "${nowhere.("}}]},
    "no-such-tool": {"pipeline": [{"id": "a", "uses": "nobody.knows", "with": {}}]},
    "no-timeout": {"timeout": "soon"},
    "a-list": [],
}


async def spoil(site: Site, name: str, change: object) -> UUID:
    """A queued run of a task whose body somebody broke by hand."""
    installed = await install(site.connection, task(name))
    run_id = await queue_run(site.connection, installed)
    merge = "body || %s" if isinstance(change, dict) else "%s"
    await site.connection.execute(
        f"update ordinaut.spec_revision set body = {merge} where uid = %s".encode(),
        [Jsonb(change), installed.uid],
    )
    return run_id


async def test_a_run_that_cannot_be_executed_fails_and_the_others_of_its_batch_succeed(
    site: Site,
) -> None:
    """Asserts: runs whose rows are broken in five ways are claimed in one batch with three sound ones. Each broken run fails
    and says why, the sound ones succeed, and each was begun once.
    """
    sound = await install(site.connection, task("sound"))
    good = [await queue_run(site.connection, sound, str(number)) for number in range(3)]
    bad = {name: await spoil(site, name, change) for name, change in _BAD.items()}

    async with site.runtime(lease="30s"):
        assert await site.ended(*good) == ["succeeded"] * 3
        assert await site.ended(*bad.values()) == ["failed"] * len(bad)

    told = await site.rows("select count(*) from ordinaut.run where state = 'failed' and error ->> 'code' ~ '^ORD'")  # fmt: skip
    assert told == [(len(bad),)]
    assert await site.value("select count(*) from ordinaut.due_work") == 0
