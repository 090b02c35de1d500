"""`ordinaut adopt` takes over what another project has, or what no apply made, and nothing else."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.cli.test_plan import TASK, specs
from tests.support.cli import Cli

__all__ = ["specs"]

OWNERS = "select name, project, uid from ordinaut.spec where kind = 'Task' order by name"


@pytest.fixture
def other(specs: Path, cli: Cli) -> Path:
    """Specs of another project that name the first one's task `one` too, with another priority."""
    assert cli("apply", "--yes").status == 0
    other = specs.parent / "other"
    other.mkdir()
    for name in ("ordinaut", "fs"):
        text = (specs / f"{name}.yaml").read_text()
        (other / f"{name}.yaml").write_text(text.replace("home", "shop").replace("fs", "gs"))
    (other / "one.yaml").write_text(
        TASK.replace("NAME", "one").replace("fs.", "gs.") + "priority: 7\n"
    )
    return other


def test_a_document_of_another_project_comes_with_its_history(
    other: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    before = {name: uid for name, _, uid in rows.execute(OWNERS)}

    adopt = cli("adopt", "one", "--specs", "other", "--yes")

    assert (adopt.status, adopt.lines[-1]) == (0, "Applied as r2: 2 created, 1 adopted.")
    assert "    taken over from home/default, with its history" in adopt.lines
    assert rows.execute(OWNERS).fetchall() == [
        ("one", "shop", before["one"]),
        ("two", "home", before["two"]),
    ]
    assert cli("plan", "--specs", "other", "--detailed-exitcode").status == 0
    history = cli("history", "one")
    assert [line.split()[0] for line in history.lines[1:]] == ["r2", "r1"]
    assert "  adopt  " in history.lines[1]
    # The queue is left alone unless the schedule differs.
    assert rows.execute("select count(*) from ordinaut.schedule where generation > 1").fetchone() == (0,)  # fmt: skip


def test_where_it_came_from_its_name_is_refused_from_then_on(other: Path, cli: Cli) -> None:
    cli("adopt", "Task/one", "--specs", "other", "--yes")

    apply = cli("apply", "--yes")

    assert apply.status == 1
    assert "Task one belongs to project shop" in apply.stderr
    (other.parent / "specs" / "one.yaml").unlink()
    assert "- one" not in cli("plan").stdout


def test_what_another_project_has_is_refused_without_being_asked_for(
    other: Path, cli: Cli
) -> None:
    apply = cli("apply", "--specs", "other", "--yes")

    assert apply.status == 1
    assert "`ordinaut adopt Task/one` takes it over" in " ".join(apply.stderr.split())


def test_what_is_protected_there_stays_there(other: Path, specs: Path, cli: Cli) -> None:
    (specs / "one.yaml").write_text(TASK.replace("NAME", "one") + "protect: true\n")
    cli("apply", "--yes")

    adopt = cli("adopt", "one", "--specs", "other", "--yes")

    assert adopt.status == 1
    assert "and is protected there" in adopt.stderr


def test_a_row_that_no_apply_made_is_taken_over_and_fires(
    specs: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    cli("apply", "--yes")
    rows.execute(
        "insert into ordinaut.spec (project, environment, kind, namespace, name, revision_id, body, digest)"
        " select project, environment, kind, namespace, 'three', 1, body || '{\"name\": \"three\"}', 'none'"
        " from ordinaut.spec where name = 'two'"
    )
    (specs / "three.yaml").write_text(TASK.replace("NAME", "three"))

    adopt = cli("adopt", "three", "--yes")

    assert adopt.lines[-1] == "Applied as r2: 1 adopted."
    assert rows.execute(
        "select next_for > now() from ordinaut.schedule c join ordinaut.spec s on s.uid = c.task_uid"
        " where s.name = 'three'"
    ).fetchall() == [(True,)]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("three", "ORD310: the specs hold no Task three"),
        ("one", "ORD212: there is nothing to take over: Task one is new or ours already"),
        ("new", "ORD212: there is nothing to take over: Task new is new or ours already"),
    ],
)
def test_nothing_else_can_be_taken_over(
    specs: Path, cli: Cli, rows: psycopg.Connection, document: str, message: str
) -> None:
    cli("apply", "--yes")
    (specs / "new.yaml").write_text(TASK.replace("NAME", "new"))

    adopt = cli("adopt", document, "--yes")

    assert (adopt.status, message in adopt.stderr) == (1, True)
    assert rows.execute("select count(*) from ordinaut.revision").fetchone() == (1,)


def test_consent_is_asked_for(other: Path, cli: Cli) -> None:
    adopt = cli("adopt", "one", "--specs", "other")

    assert adopt.status == 1
    assert "adopt asks before it writes" in adopt.stderr


def test_what_else_would_be_taken_over_on_the_way_is_refused(
    other: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    rows.execute(
        "insert into ordinaut.spec (project, environment, kind, namespace, name, revision_id, body, digest)"
        " values ('shop', 'default', 'ToolServer', 'default', 'gs', 1, '{}', 'none')"
    )

    adopt = cli("adopt", "one", "--specs", "other", "--yes")

    assert (adopt.status, "takes over" in adopt.stderr) == (3, True)
    assert cli("adopt", "one", "ToolServer/gs", "--specs", "other", "--yes").status == 0
