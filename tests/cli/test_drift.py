"""`ordinaut plan --drift-only` needs no specs, and `ordinaut status` shows what a runtime found."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
import pytest

from runtime.clock import SYSTEM_CLOCK
from runtime.drifting import DriftWatch
from runtime.store.pool import open_pool
from tests.cli.test_plan import specs
from tests.support.cli import Cli

__all__ = ["specs"]

BY_HAND = "update ordinaut.spec set body = jsonb_set(body, '{priority}', '9') where name = 'one'"


@pytest.fixture
def lost(specs: Path, cli: Cli) -> Cli:
    """A command line whose specs were applied, and are gone."""
    assert cli("apply", "--yes").status == 0
    shutil.rmtree(specs)
    return cli


def test_what_was_written_by_hand_is_told_and_may_fail_a_pipeline(
    lost: Cli, rows: psycopg.Connection
) -> None:
    clean = lost("plan", "--drift-only", "--fail-on", "drift")
    rows.execute(BY_HAND)

    told = lost("plan", "--drift-only")
    failed = lost("plan", "--drift-only", "--fail-on", "drift")

    assert (clean.status, clean.stdout[:11]) == (0, "No changes:")
    assert told.status == 0
    assert "    written by ordinaut, " in told.stdout
    assert (failed.status, "refuses this plan, drift: one" in failed.stderr) == (3, True)


def test_as_json_it_is_a_plan_with_the_writer_that_can_be_applied(
    lost: Cli, rows: psycopg.Connection, folder: Path
) -> None:
    rows.execute("set application_name = 'a script'")
    rows.execute(BY_HAND)

    plan = lost("plan", "--drift-only", "--json", "--out", "restore.json").json
    applied = lost("apply", "--plan", "restore.json")

    (change,) = plan["changes"]
    assert (change["reason"], change["stray_write"]["application"]) == ("drift", "a script")
    assert applied.lines[-1] == "Applied as r2: 1 restored to what git says."


def test_a_project_can_be_named(lost: Cli) -> None:
    (project,) = lost("plan", "--drift-only", "--json").json["source"]["project"].split()
    named = lost("plan", "--drift-only", "--project", project)
    other = lost("plan", "--drift-only", "--project", f"{project}x")

    assert named.status == 0
    assert (other.status, "error ORD310: nothing was ever applied" in other.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--drift-only", "--only", "one"), "leave out --base and --only"),
        (("--drift-only", "--base", "HEAD"), "leave out --base and --only"),
        (("--project", "home"), "--project is for --drift-only"),
    ],
)
def test_what_makes_no_sense_together_is_refused(
    alone: Cli, arguments: tuple[str, ...], complaint: str
) -> None:
    plan = alone("plan", *arguments)

    assert plan.status == 1
    assert complaint in plan.stderr


async def test_status_shows_what_a_runtime_found(
    lost: Cli, rows: psycopg.Connection, database: str
) -> None:
    rows.execute("set application_name = 'psql'")
    rows.execute(BY_HAND)
    before = lost("status", "--json").json["drift"]
    pool = await open_pool(database)
    try:
        await DriftWatch(pool, SYSTEM_CLOCK).run_once()
    finally:
        await pool.close()

    (found,) = lost("status", "--json").json["drift"]
    text = lost("status").stdout
    lost("apply", "--plan", _restored(lost))

    assert before == []
    assert (found["document"], found["policy"], found["application"]) == (
        "Task/one",
        "alert",
        "psql",
    )
    assert "DRIFTED" in text
    assert lost("status", "--json").json["drift"] == []


def _restored(cli: Cli) -> str:
    cli("plan", "--drift-only", "--out", "restore.json")
    return "restore.json"
