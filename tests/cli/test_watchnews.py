"""What `ordinaut watch` says of saves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.cli.watchnews import JsonLines, Lines
from reconciler.reconcile import Folder
from tests.cli.test_plan import TASK, specs
from tests.support.cli import Cli

__all__ = ["specs"]

_NOTHING_NEW = "specs: nothing changed since the last apply\n"


@pytest.fixture
def folder_applied(specs: Path, database: str) -> Folder:
    return Folder(database, specs, "default")


def test_a_save_is_shown_and_applied_and_one_without_effect_is_passed_over(
    folder_applied: Folder, specs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Lines()
    told.begins(folder_applied)
    told.looked(folder_applied.look())
    began = capsys.readouterr().out
    assert began.startswith(f"watching {specs}\neach save is applied; Ctrl-C stops\n")
    assert "\n+ one  " in began
    assert began.endswith("applied revision r1: 4 create\n")

    (specs / "one.yaml").write_text(f"# a comment\n{TASK.replace('NAME', 'one')}")
    told.looked(folder_applied.look())
    assert capsys.readouterr().out == ""


def test_what_is_refused_is_shown_with_what_to_do_and_its_end_is_told(
    folder_applied: Folder, specs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Lines()
    told.looked(folder_applied.look())
    (specs / "one.yaml").write_text("kind: Tusk\n")
    told.looked(folder_applied.look())
    broken = capsys.readouterr().out
    for name in ("one", "two"):
        (specs / f"{name}.yaml").write_text("")
    told.looked(folder_applied.look())
    refused = capsys.readouterr().out
    for name in ("one", "two"):
        (specs / f"{name}.yaml").write_text(TASK.replace("NAME", name))
    told.looked(folder_applied.look())
    sound = capsys.readouterr().out

    assert "specs/one.yaml:1:" in broken
    assert broken.endswith("nothing was applied, the last good revision stays in force\n")
    assert "\n- one\n" in refused
    assert "\nORD203 the plan leaves nothing of the tasks\n  if that is meant: " in refused
    assert sound == _NOTHING_NEW


def test_a_broken_file_is_told_once_for_each_edit(
    folder_applied: Folder, specs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Lines()
    (specs / "one.yaml").write_text("kind: Tusk\n")

    told.looked(folder_applied.look())
    first = capsys.readouterr().out
    told.looked(folder_applied.look())
    again = capsys.readouterr().out
    (specs / "one.yaml").write_text("kind: Tusk\n\n")
    told.looked(folder_applied.look())

    assert again == ""
    assert capsys.readouterr().out == first


def test_names_that_belong_to_another_project_are_told_at_their_lines(
    folder_applied: Folder, specs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder_applied.look()
    project = specs / "ordinaut.yaml"
    project.write_text(project.read_text().replace("home", "office"))
    told, json_told = Lines(), JsonLines()

    told.looked(folder_applied.look())
    text = capsys.readouterr().out
    json_told.looked(folder_applied.look())
    line = json.loads(capsys.readouterr().out)

    assert "specs/one.yaml:1:1: error ORD204" in text
    assert "\nORD201 the specs cannot be applied to this database\n" in text
    assert (line["error"]["code"], {one["code"] for one in line["problems"]}) == (
        "ORD201",
        {"ORD204"},
    )


def test_a_preview_shows_a_plan_once(
    specs: Path, capsys: pytest.CaptureFixture[str], database: str
) -> None:
    folder = Folder(database, specs, "default", applies=False)
    told = Lines()
    told.begins(folder)
    told.looked(folder.look())
    assert "saves are shown, and not applied" in (began := capsys.readouterr().out)
    assert "\n+ one  " in began

    told.looked(folder.look())
    assert capsys.readouterr().out == ""
    Folder(database, specs, "default").look()
    told.looked(folder.look())
    assert capsys.readouterr().out == _NOTHING_NEW


def test_json_is_one_line_a_look(
    folder_applied: Folder, specs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = JsonLines()
    told.begins(folder_applied)
    told.looked(folder_applied.look())
    (specs / "one.yaml").write_text("kind: Tusk\n")
    told.looked(folder_applied.look())
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())

    assert (first["type"], first["plan"]["summary"]["create"], first["report"]["revision"]) == (
        "look",
        4,
        1,
    )
    assert (second["plan"], second["report"], len(second["problems"]) > 0) == (None, None, True)


def test_a_folder_that_is_not_there_is_an_error(alone: Cli) -> None:
    watch = alone("watch", "--plan-only")

    assert (watch.status, "there is no folder" in watch.stderr) == (1, True)
