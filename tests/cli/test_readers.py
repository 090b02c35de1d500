"""A role that only reads, as docs/operations.md makes it, looks at everything, and changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.support.cli import Cli
from tests.support.factories import NOON, insert_run, insert_schedule, insert_task

_DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
_LOOKS = (
    ("status",),
    ("top", "--count", "1"),
    ("logs",),
    ("logs", "report"),
    ("runs",),
    ("show", "last"),
    ("why", "report"),
    ("spend",),
    ("slo",),
    ("history",),
    ("audit",),
    ("audit", "verify"),
    ("approve",),
    ("settle",),
    ("hold",),
    ("token", "list"),
    ("migrate", "--status"),
)


@pytest.fixture
def role(rows: psycopg.Connection) -> Iterator[str]:
    """A name that no other test uses: roles are the server's."""
    name = f"reader_of_{rows.info.dbname}"
    yield name
    if rows.execute("select from pg_roles where rolname = %s", [name]).fetchone():
        rows.execute(f"drop owned by {name}".encode())
        rows.execute(f"drop role {name}".encode())


@pytest.fixture
def reader(cli: Cli, rows: psycopg.Connection, database: str, role: str) -> Cli:
    """A command line with that role; its database has a task with a run."""
    task = insert_task(rows, "report")
    insert_schedule(rows, task, next_for=NOON)
    insert_run(rows, task, state="failed", finished_at=NOON)
    written = _DOCUMENT.read_text("utf-8").partition("## Roles")[2]
    made = re.search(r"```sql\n(.*?)```", written, re.DOTALL)
    assert made is not None
    rows.execute(made[1].replace("ordinaut_reader", role).encode())
    conninfo = make_conninfo(database, user=role, password="readonly")
    return Cli({"ORDINAUT_DATABASE_URL": conninfo})


@pytest.mark.parametrize("look", _LOOKS, ids=" ".join)
def test_it_looks_at_everything(reader: Cli, look: tuple[str, ...]) -> None:
    found = reader(*look)

    assert found.status == 0, found.stderr


def test_what_it_may_not_do_is_said_with_what_tells_more(
    reader: Cli, rows: psycopg.Connection
) -> None:
    found = reader("pause", "report")

    assert found.status == 1
    assert "permission denied" in found.stderr
    assert "`ordinaut doctor` tells what it lacks" in found.stderr
    assert rows.execute("select count(*) from ordinaut.task_override").fetchone() == (0,)
