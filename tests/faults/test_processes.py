"""Several processes under one parent: none is lost for long, and none is left behind."""

from __future__ import annotations

import json
import os
import signal

from tests.faults.site import Site, step
from tests.support.probes import eventually


async def pids(site: Site) -> list[int]:
    """The processes that have announced themselves and not said farewell."""
    rows = await site.rows(
        "select pid from ordinaut.runtime where stopped_at is null order by runtime_id"
    )
    return [pid for (pid,) in rows]


async def test_a_child_that_is_killed_is_started_again_and_ctrl_c_drains_all_of_them(
    site: Site,
) -> None:
    """Asserts: the parent says which child ended and how, a new one takes its place, and the run of the killed one goes on
    after one lease. Ctrl-C in a terminal, which reaches the whole group, counts as one request: the run finishes, with one
    result; every process says farewell, and the exit code is 0.
    """
    run_id = await site.queue(await site.install(step("only", "wait")))
    async with site.runtime(processes="2") as parent:
        await site.runtimes_alive(2)
        await site.called("only")
        [(holder,)] = await site.rows(
            "select r.pid from ordinaut.runtime r join ordinaut.due_work w using (runtime_id)"
        )

        os.kill(holder, signal.SIGKILL)

        line = json.loads(await parent.line("ended by SIGKILL; started again in 1 s"))
        assert line["level"] == "error"
        await site.runtimes_alive(3)  # the killed one could not say farewell
        await site.called("only", "only")
        parent.interrupt_group()
        await parent.line("stopping: 1 active run has")
        site.open_gate()
        ended = await parent.ended()

    assert ended.status == 0
    assert await site.ended(run_id) == ["succeeded"]
    assert await site.results() == [("only", "ok", 2)]
    assert await pids(site) == [holder]
    numbers = {json.loads(line).get("child") for line in ended.stderr.splitlines()}
    assert numbers == {None, 1, 2}


async def test_children_end_when_their_parent_is_killed(site: Site) -> None:
    """Asserts: after SIGKILL of the parent the children drain and say farewell; none is left behind."""
    async with site.runtime(processes="2") as parent:
        await site.runtimes_alive(2)
        parent.kill()
        await eventually(lambda: _nobody(site), "the farewell of all children")


async def _nobody(site: Site) -> bool:
    return await pids(site) == []
