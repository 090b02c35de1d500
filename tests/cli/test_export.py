"""`ordinaut export`: what is in force as files or as one stream, and never over what is there."""

from __future__ import annotations

from pathlib import Path

import psycopg

from tests.cli.test_plan import TASK, specs
from tests.support.cli import Cli

__all__ = ["specs"]


def test_the_stream_is_specs_that_change_nothing(specs: Path, cli: Cli) -> None:
    cli("apply", "--yes")

    export = cli("export", "--skip-defaults")

    assert (export.status, export.stderr) == (0, "")
    for path in specs.iterdir():
        path.unlink()
    (specs / "all.yaml").write_text(export.stdout)
    assert cli("plan").stdout == "No changes: 4 documents match r1.\n"
    assert cli("fmt", "--check").status == 0


def test_a_folder_gets_a_file_for_each_document_and_none_twice(
    specs: Path, folder: Path, cli: Cli
) -> None:
    (specs / "ops.yaml").write_text(TASK.replace("NAME", "one\nnamespace: ops"))
    cli("apply", "--yes")

    export = cli("export", "--out", "found")
    again = cli("export", "--out", "found")

    assert export.lines == [
        "found/ordinaut.yaml",
        "found/tasks/one.yaml",
        "found/tasks/two.yaml",
        "found/tasks/ops/one.yaml",
        "found/servers/fs.yaml",
    ]
    assert cli("plan", "--specs", "found").stdout == "No changes: 5 documents match r1.\n"
    assert again.status == 1
    assert "error ORD213: found/ordinaut.yaml is there already" in again.stderr


def test_nothing_is_written_where_one_file_is_in_the_way(
    specs: Path, folder: Path, cli: Cli
) -> None:
    cli("apply", "--yes")
    (folder / "found" / "servers").mkdir(parents=True)
    (folder / "found" / "servers" / "fs.yaml").write_text("mine")

    assert cli("export", "--out", "found").status == 1
    assert [path.name for path in (folder / "found").rglob("*.yaml")] == ["fs.yaml"]


def test_what_cannot_be_written_is_told(specs: Path, folder: Path, cli: Cli) -> None:
    cli("apply", "--yes")
    (folder / "found").write_text("a file")

    export = cli("export", "--out", "found")

    assert (export.status, "error ORD213: found/ordinaut.yaml cannot be written" in export.stderr) == (1, True)  # fmt: skip


def test_documents_are_named_as_elsewhere(specs: Path, cli: Cli) -> None:
    cli("apply", "--yes")

    named = cli("export", "two", "ToolServer/fs", "--json")
    missing = cli("export", "too")

    assert [(one["kind"], one["name"]) for one in named.json] == [
        ("Task", "two"),
        ("ToolServer", "fs"),
    ]
    assert (missing.status, "there is no Task too in force" in missing.stderr) == (1, True)
    assert "did you mean `two`?" in missing.stderr


def test_of_several_projects_one_is_named(specs: Path, folder: Path, cli: Cli) -> None:
    cli("apply", "--yes")
    other = folder / "other"
    other.mkdir()
    project = (specs / "ordinaut.yaml").read_text().replace("home", "shop")
    (other / "ordinaut.yaml").write_text(project)
    cli("apply", "--yes", "--specs", "other")

    unclear, clear = cli("export"), cli("export", "--project", "shop", "--json")

    assert unclear.status == 1
    assert "name one with --project: home/default, shop/default" in unclear.stderr
    assert [one["name"] for one in clear.json] == ["shop"]


def test_before_the_first_apply_there_is_nothing_to_export(cli: Cli) -> None:
    export = cli("export")

    assert (export.status, "there is nothing in force" in export.stderr) == (1, True)


def test_a_calendar_s_file_is_named_since_the_database_does_not_hold_it(
    specs: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    (specs / "days.ics").write_text(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\n"
        "DTSTART;VALUE=DATE:20261225\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        newline="",
    )
    calendar = (
        "apiVersion: ordinaut/v1\nkind: Calendar\nname: days\ntimezone: UTC\nics: days.ics\n"
    )
    (specs / "days.yaml").write_text(calendar)
    assert cli("apply", "--yes").status == 0

    export = cli("export", "Calendar/days", "--skip-defaults")

    assert export.stdout == calendar
    assert export.stderr.startswith("Calendar days reads days.ics, which the database does not")
