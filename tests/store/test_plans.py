"""Plans are kept for as long as a session lasts: whatever was in the tables when they were made, they go through indexes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from runtime.store.pool import Connection, Pool, open_pool
from runtime.store.retention import make_partitions
from runtime.store.statements import statement
from tests.support.installed import install, task

Plan = dict[str, Any]

# With every batch of runs, or every run.
_HOT = ("claim_due", "record_progress", "seconds_until_ready", "load_results")
# With every call that a budget is for, or whose answer may be reused.
_OF_CALLS = (
    "sum_spending",
    "list_budget_holds",
    "hold_budget",
    "free_budget",
    "count_run",
    "record_usage",
    "find_answer",
    "keep_answer",
    "forget_answers",
)
_GROWS = re.compile(
    r"due_work|(run|step_result|step_attempt|step_intent|wait|call_usage)(_\d+|_default)?|budget_hold|budget_run|answer"
)
_MANY = """
with r as (
    insert into ordinaut.run
        (run_id, task_uid, revision_id, trigger, trigger_key, occurrence_for, due_at, state)
    select uuidv7(), %s, %s, 'manual', n::text, now(), now(), 'queued' from generate_series(1, 5000) n
    returning run_id, task_uid, revision_id)
insert into ordinaut.due_work (run_id, task_uid, revision_id, ready_at, lane)
select run_id, task_uid, revision_id, now(), 5 from r
"""


@pytest.fixture
async def one(database: str) -> AsyncIterator[Pool]:
    """A pool of one connection, as a runtime has them."""
    pool = await open_pool(database, size=1)
    yield pool
    await pool.close()


async def plan_of(session: Connection, name: str) -> Plan:
    """The plan that a session of the runtime makes for a statement, and keeps."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    text = re.sub(r"%\((\w+)\)s", number, statement(name).decode()).replace("%%", "%")
    await session.execute(f"prepare {name} as {text}".encode(), prepare=False)
    unknown = ", ".join(["null"] * len(names))
    explain = f"explain (format json) execute {name}({unknown})"
    row = await (await session.execute(explain.encode(), prepare=False)).fetchone()
    assert row is not None
    plan: Plan = row["QUERY PLAN"][0]["Plan"]
    return plan


def nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def read_whole(plan: Plan) -> set[str]:
    """The growing tables that are read from one end to the other, be it along an index."""
    return {
        node["Relation Name"]
        for node in nodes(plan)
        if node["Node Type"] in {"Seq Scan", "Index Scan", "Index Only Scan"}
        and "Index Cond" not in node
        and _GROWS.fullmatch(node["Relation Name"])
    }


@pytest.fixture(params=["nothing yet", "nothing any more", "many rows, unknown", "many rows"])
async def filled(
    request: pytest.FixtureRequest, one: Pool, connection: psycopg.AsyncConnection
) -> Pool:
    """What there is when a session makes its plans."""
    await make_partitions(one)
    installed = await install(connection, task())
    if "many" in request.param:
        await connection.execute(_MANY, [installed.uid, installed.revision_id])
    if request.param in {"nothing any more", "many rows"}:
        await connection.execute("vacuum analyze")
    return one


async def test_whatever_is_there_when_a_plan_is_made_no_growing_table_is_read_whole(
    filled: Pool,
) -> None:
    async with filled.connection() as session:
        found = {name: read_whole(await plan_of(session, name)) for name in (*_HOT, *_OF_CALLS)}

    assert {name: tables for name, tables in found.items() if tables} == {}


async def test_a_claim_looks_up_each_run_that_it_starts(filled: Pool) -> None:
    async with filled.connection() as session:
        plan = await plan_of(session, "claim_due")

    (started,) = (node for node in nodes(plan) if node.get("Subplan Name") == "CTE started")
    kinds = {node["Node Type"] for node in nodes(started)}
    assert kinds <= {
        "ModifyTable", "Append", "Result", "CTE Scan", "Index Scan", "Bitmap Heap Scan", "Bitmap Index Scan",
    }  # fmt: skip
    looked_up = [node for node in nodes(started) if "Index Cond" in node]
    assert looked_up
    assert all(re.match(r"\((r\.|r_\d\.)?run_id = ANY", node["Index Cond"]) for node in looked_up)
