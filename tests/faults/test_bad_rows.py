"""Rows that no program wrote: each fails for itself, and the batch that they came with goes on."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from tests.faults.site import Site
from tests.support.installed import HEAD, Installed, install, queue_run, task
from tests.support.probes import eventually

_BAD = {
    "no-pipeline": {"pipeline": None},
    "bad-template": {"pipeline": [{"id": "a", "uses": "llm.plan", "with": {"x": "${nowhere.("}}]},
    "no-such-tool": {"pipeline": [{"id": "a", "uses": "nobody.knows", "with": {}}]},
    "no-timeout": {"timeout": "soon"},
    "a-list": [],
}


async def break_row(site: Site, table: str, installed: Installed, change: object) -> None:
    """Somebody breaks a document's body by hand."""
    merge = "body || %s" if isinstance(change, dict) else "%s"
    await site.connection.execute(
        f"update ordinaut.{table} set body = {merge} where uid = %s".encode(),
        [Jsonb(change), installed.uid],
    )


async def spoil(site: Site, name: str, change: object) -> UUID:
    """A queued run of a task whose body somebody broke by hand."""
    installed = await install(site.connection, task(name))
    run_id = await queue_run(site.connection, installed)
    await break_row(site, "spec_revision", installed, change)
    return run_id


async def test_a_run_at_the_gate_whose_row_is_broken_fails_and_the_others_get_their_slots(
    site: Site,
) -> None:
    """Asserts: of runs that wait for slots some have rows that are broken in two ways. Each of these fails and says why; the
    sound ones, of the same key too, get slots and succeed, and the same runtime goes on.
    """
    slots = {"key": "crm", "limit": 2}
    sound = await install(site.connection, task("sound", concurrency=slots))
    good = [await queue_run(site.connection, sound, str(number), lane=105) for number in range(3)]
    bad = []
    for name, change in {"no-timeout": {"timeout": "soon"}, "a-list": []}.items():
        installed = await install(site.connection, task(name, concurrency=slots))
        bad.append(await queue_run(site.connection, installed, lane=105))
        await break_row(site, "spec_revision", installed, change)

    async with site.runtime(lease="30s"):
        assert await site.ended(*good) == ["succeeded"] * 3
        assert await site.ended(*bad) == ["failed"] * 2
        last = await site.queue(sound, "last")
        assert await site.ended(last) == ["succeeded"]

    assert await site.value("select count(*) from ordinaut.runtime") == 1


_SERVER = {"kind": "ToolServer", "stdio": {"command": "x"}}
_AGENT = {"kind": "Agent", "scopes": ["*"]}
_BROKEN_DOCUMENTS: dict[str, tuple[dict[str, Any], object]] = {
    "no-list": (_AGENT, {"scopes": 7}),
    "no-span": (_AGENT, {"rate_limits": [{"tools": "*", "calls": 1, "per": "soon"}]}),
    "no-command": (_SERVER, {"stdio": []}),
    "no-document": (_SERVER, []),
    "no-key": (_SERVER, {"rate_limits": [{"tools": "*", "calls": 1, "per": "1s", "key": "("}]}),
    "other": ({"kind": "Project"}, {"secrets": 7}),
}


async def test_a_document_that_is_broken_stops_only_those_who_use_it(site: Site) -> None:
    """Asserts: the rows of two agents, three tool servers and a project are broken. A runtime starts; a run that needs none of
    them succeeds, and those that do fail, each with the reason.
    """
    bad = []
    for name, (document, change) in _BROKEN_DOCUMENTS.items():
        broken = await install(site.connection, {**HEAD, "name": name, **document})
        await break_row(site, "spec", broken, change)
        if document is _SERVER:
            step = {"id": "a", "uses": f"{name}.do", "with": {}, "retry": {"attempts": 1}}
            needy = task(f"of-{name}", pipeline=[step])
        elif document is _AGENT:
            needy = task(f"of-{name}", agent=name)
        else:
            continue
        bad.append(await queue_run(site.connection, await install(site.connection, needy)))
    good = await queue_run(site.connection, await install(site.connection, task("sound")))

    async with site.runtime(lease="30s"):
        assert await site.ended(good) == ["succeeded"]
        assert await site.ended(*bad) == ["failed"] * 5

    codes = await site.rows("select error ->> 'code' from ordinaut.run where state = 'failed'")
    assert sorted(codes) == [("ORD317",)] * 4 + [("ORD501",)]


async def test_a_number_of_failures_that_is_none_pauses_nothing_and_stops_nobody(
    site: Site,
) -> None:
    """Asserts: `pause_after_failures` of a task whose run fails is no number. The runtime, and the next task that fails as
    often as it may, are none the worse for it.
    """
    steps = [{"id": "a", "uses": "nobody.knows", "with": {}}]
    broken = await install(site.connection, task("broken", pipeline=steps, pause_after_failures=1))
    await break_row(site, "spec", broken, {"pause_after_failures": "soon"})
    frail = await install(site.connection, task("frail", pipeline=steps, pause_after_failures=1))
    async with site.runtime(lease="30s"):
        for installed in (broken, frail):
            assert await site.ended(await site.queue(installed)) == ["failed"]
        paused = "select count(*) = 1 from ordinaut.task_override where task_uid = %s"
        await eventually(lambda: site.value(paused, frail.uid), "the pause of the other task")

    assert await site.value("select count(*) from ordinaut.task_override") == 1


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
