"""`ordinaut record` prints a run as a test."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from tests.support.cli import Cli
from tests.support.factories import insert_run, insert_step_result, insert_task
from tests.support.trials import Shop


@pytest.fixture
def run(rows: psycopg.Connection) -> UUID:
    """A run of one call."""
    pipeline = [{"id": "pay", "uses": "bank.transfer", "with": {"amount": 500}}]
    run_id = insert_run(rows, insert_task(rows, name="rent", pipeline=pipeline))
    insert_step_result(
        rows, run_id, "pay", uses="bank.transfer", input={"amount": 500}, output={"id": 7}
    )
    return run_id


def test_a_run_is_printed_and_passes_as_a_test_of_the_specs(
    cli: Cli, folder: Path, run: UUID
) -> None:
    shop = Shop(folder)
    shop.task("{id: pay, uses: bank.transfer, with: {amount: 500}}")

    printed = cli("record", "rent", "--name", "it")
    written = cli("record", str(run), "--out", "specs/tests/new/rent.yaml")

    assert (printed.status, printed.stderr) == (0, "")
    assert f"Recorded from run {run}" in printed.stdout
    assert written.stdout == ""
    assert "`ordinaut test specs/tests/new/rent.yaml` plays it" in written.stderr
    played = cli("test")
    assert (played.status, played.stderr) == (0, "1 test: 1 passed\n")

    shop.task("{id: pay, uses: bank.transfer, with: {amount: 501}}")
    assert "ORD703" in cli("test").stdout


def test_what_is_not_found_again_is_told_beside_the_test(
    cli: Cli, rows: psycopg.Connection, run: UUID
) -> None:
    rows.execute("update ordinaut.step_result set input = '{}'")

    answer = cli("record", str(run))

    assert answer.status == 0
    assert answer.stdout.startswith("apiVersion: ordinaut/v1\nkind: Test\n")
    assert "ORD703" in answer.stderr
    assert "does not find everything again" in answer.stderr
    report = cli("record", str(run), "--name", "it", "--json").json
    assert report["test"]["given"] == {"pay": {"result": {"id": 7}}}
    assert [problem["code"] for problem in report["problems"]] == ["ORD703"]


def test_a_file_that_is_there_is_left_alone(cli: Cli, folder: Path, run: UUID) -> None:
    (folder / "it.yaml").write_text("mine")

    there, nowhere = (cli("record", str(run), "--out", name) for name in ("it.yaml", "it.yaml/x"))

    assert (there.status, nowhere.status) == (1, 1)
    assert "it.yaml is there already" in there.stderr
    assert (folder / "it.yaml").read_text() == "mine"


def test_a_name_that_is_none_and_a_run_that_is_not_there_are_refused(cli: Cli, run: UUID) -> None:
    name, nothing = cli("record", str(run), "--name", "A b"), cli("record", "0123456789")

    assert (name.status, nothing.status) == (1, 1)
    assert "'A b' is not" in name.stderr
    assert "ORD310" in nothing.stderr


def test_a_run_that_was_skipped_is_refused(cli: Cli, rows: psycopg.Connection) -> None:
    run_id = insert_run(rows, insert_task(rows, name="rent"), state="skipped")

    answer = cli("record", str(run_id))

    assert answer.status == 1
    assert "ORD707" in answer.stderr
