"""However many runs there were, `ordinaut status` reads few of them."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from runtime.store.rows import Connection
from runtime.store.statements import statement
from tests.store.test_plans import Plan, nodes
from tests.support.factories import insert_task

_RUNS = """
insert into ordinaut.run
    (run_id, task_uid, revision_id, trigger, trigger_key, occurrence_for, due_at, state, finished_at)
select uuidv7(), %s, %s, 'manual', n::text, now(), now(), 'succeeded', now() from generate_series(1, 5000) n
"""
_READ = (
    "list_standings",
    "list_troubles",
    "list_task_statuses",
    "load_queue_status",
    "load_asked_status",
    "list_promises",
)


@pytest.fixture
def many(database: str) -> Iterator[Connection]:
    """Ten tasks with five thousand runs each, all over."""
    with psycopg.connect(database, autocommit=True) as connection:
        for number in range(10):
            task = insert_task(connection, f"task-{number}")
            connection.execute(_RUNS, [task.uid, task.revision_id])
        connection.execute("vacuum analyze")
        yield connection


def scanned(plan: Plan) -> set[str]:
    """The tables of runs that are read from one end to the other."""
    return {
        node["Relation Name"]
        for node in nodes(plan)
        if node["Node Type"] in {"Seq Scan", "Parallel Seq Scan"}
        and node["Relation Name"].startswith(("run", "step_"))
        and node["Plan Rows"] > 100
    }


@pytest.mark.parametrize("name", _READ)
def test_no_run_that_is_over_is_read_but_the_newest_of_a_task(many: Connection, name: str) -> None:
    given = {"owner": None, "labels": None, "words": None, "limit": 15, "task": None}
    with many:
        row = many.execute(b"explain (format json) " + statement(name), given).fetchone()

    assert row is not None
    assert scanned(row[0][0]["Plan"]) == set()
