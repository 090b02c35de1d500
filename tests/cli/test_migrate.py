"""`ordinaut migrate` moves the schema and says what it did."""

from __future__ import annotations

import pytest

from migrations import migrations
from runtime.errors import EXIT_LOCKED
from tests.support.cli import Cli

NEWEST = migrations()[-1].number


def test_a_current_schema_stays(cli: Cli) -> None:
    assert cli("migrate").stdout == f"the schema is at version {NEWEST}\n"


def test_it_goes_back_and_forth(cli: Cli) -> None:
    assert cli("migrate", "--to", "0").stdout == f"the schema went from version {NEWEST} to 0\n"
    assert "error ORD303" in cli("runs").stderr
    assert cli("migrate", "--json").json == {"before": 0, "after": NEWEST}
    assert cli("runs").status == 0


def test_status_lists_every_migration_and_changes_nothing(cli: Cli) -> None:
    cli("migrate", "--to", "0")

    lines = cli("migrate", "--status").lines

    assert lines[0].split() == ["NUMBER", "NAME", "APPLIED"]
    assert lines[1].startswith("0001    initial")
    assert all(line.endswith("not yet") for line in lines[1:])
    states = cli("migrate", "--status", "--json").json["migrations"]
    assert [state["applied_at"] for state in states] == [None] * NEWEST


def test_status_says_when_each_was_applied(cli: Cli) -> None:
    [first, *_] = cli("migrate", "--status", "--json").json["migrations"]

    assert (first["number"], first["name"]) == (1, "initial")
    assert first["applied_at"].endswith("Z")
    assert "+00:00" in cli("migrate", "--status").lines[1]


def test_a_version_that_does_not_exist_is_refused(cli: Cli) -> None:
    found = cli("migrate", "--to", "9999")

    assert (found.status, found.stdout) == (1, "")
    assert "error ORD303: there is no migration 9999" in found.stderr


def test_status_and_to_contradict_each_other(cli: Cli) -> None:
    found = cli("migrate", "--status", "--to", "0")

    assert found.status == 1
    assert "--status changes nothing" in found.stderr
    assert cli("runs").status == 0


def test_asking_for_the_status_makes_no_database(alone: Cli) -> None:
    found = alone("migrate", "--status")

    assert found.status == EXIT_LOCKED
    assert "there is no database yet" in found.stderr


@pytest.mark.slow
def test_migrating_makes_the_embedded_database(alone: Cli) -> None:
    assert alone("migrate").stdout == f"the schema went from version 0 to {NEWEST}\n"
    assert alone("runs").stderr == "no runs\n"
