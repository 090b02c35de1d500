"""`ordinaut.progress`: runs say how far they are, on record with the step, and behind the fence."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from runtime.errors import LeaseLost
from runtime.store.due_work import Report
from runtime.store.status import load_status
from runtime.tools.builtin import builtin_tools, call_builtin
from schemas.status import BusStatus
from tests.support.executing import Bench, step
from tests.support.scripted_tools import ScriptedTools, ok

HALF = {"name": "rows", "done": 50, "total": 100, "failed": 3}


def counts(place: str, **given: Any) -> dict[str, Any]:
    return step(place, "ordinaut.progress", **{"with": given})


async def progress_of(bench: Bench, name: str) -> Any:
    return await bench.row(
        "select progress from ordinaut.run r join ordinaut.spec p on p.uid = r.task_uid "
        f"where p.name = '{name}'"
    )


async def test_a_run_says_how_far_it_is_and_the_last_word_counts(bench: Bench) -> None:
    later = {"name": "rows", "done": 97, "total": 100}
    await bench.queue(name="count", pipeline=[counts("half", **HALF), counts("end", **later)])

    await bench.go(ScriptedTools(ordinaut__progress=ok()))

    assert await progress_of(bench, "count") == {"rows": {"done": 97, "total": 100, "failed": 0}}


async def test_a_run_may_say_how_far_another_of_its_project_is(
    bench: Bench, database: str
) -> None:
    await bench.queue(
        name="long", pipeline=[step("wait", "ordinaut.sleep", **{"with": {"for": "1d"}})]
    )
    long = await bench.go(ScriptedTools())
    await bench.queue(name="teller", pipeline=[counts("tell", run=long.run, **HALF)])

    await bench.go(ScriptedTools(ordinaut__progress=ok()))

    assert await progress_of(bench, "teller") is None
    with psycopg.connect(database) as connection:
        [told] = load_status(connection, BusStatus(stream="events"), limit=5).progress
    assert (told.task, told.run_id, told.name) == ("long", long.run_id, "rows")
    assert (told.done, told.total, told.failed) == (50, 100, 3)


async def test_no_run_speaks_for_one_of_another_project(bench: Bench) -> None:
    await bench.queue(name="theirs", pipeline=[step("a")])
    theirs = await bench.go(ScriptedTools(tool__do=ok()))
    await bench.connection.execute("update ordinaut.spec set project = 'elsewhere'")
    await bench.queue(name="teller", pipeline=[counts("tell", run=theirs.run, **HALF)])

    await bench.go(ScriptedTools(ordinaut__progress=ok()))

    assert await progress_of(bench, "theirs") is None


async def test_whoever_lost_the_lease_says_nothing(bench: Bench) -> None:
    await bench.queue(name="count", pipeline=[step("a")])
    claim = await bench.claim()
    stale = Report(claim.run_id, claim.lease_epoch - 1, claim.task)
    stale.counted.append({"run": claim.run, **HALF})

    with pytest.raises(LeaseLost):
        await bench.recorder.record(stale)

    assert await progress_of(bench, "count") is None


async def test_a_run_counts_fifty_things_at_most(bench: Bench) -> None:
    names = [{"name": f"part {number}", "done": number, "total": 60} for number in range(60)]
    pipeline = [counts(f"s{number}", **one) for number, one in enumerate(names)]
    await bench.queue(name="count", pipeline=pipeline)

    await bench.go(ScriptedTools(ordinaut__progress=ok()))

    assert len(await progress_of(bench, "count")) <= 50


@pytest.mark.parametrize(
    "wrong", [{"done": -1}, {"total": "many"}, {"run": "last"}, {"name": ""}, {"percent": 3}]
)
def test_what_is_no_count_is_refused(wrong: dict[str, Any]) -> None:
    tool = builtin_tools()["ordinaut"]["progress"]

    assert call_builtin(tool, HALF).kind == "ok"
    assert call_builtin(tool, HALF | wrong).kind != "ok"
