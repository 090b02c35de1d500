"""`ordinaut fmt`: which files it takes, what it writes, and how it ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler import rewrite
from reconciler.rewrite import rewritings_of, write_anew
from tests.support.cli import Cli

ODD = "name: x\nkind: Agent\n"
EVEN = "kind: Agent\nname: x\n"


@pytest.fixture
def specs(folder: Path) -> Path:
    """A folder with one file in its form, and one that is not."""
    specs = folder / "specs"
    (specs / "deep").mkdir(parents=True)
    (specs / "even.yaml").write_text(EVEN)
    (specs / "deep" / "odd.yml").write_text(ODD)
    (specs / "days.ics").write_text("BEGIN:VCALENDAR")
    return specs


def test_it_writes_what_is_not_in_its_form_and_nothing_else(specs: Path, alone: Cli) -> None:
    os.utime(specs / "even.yaml", ns=(1, 1))
    (specs / "deep" / "odd.yml").chmod(0o640)

    done = alone("fmt")

    assert (done.status, done.stdout) == (0, "formatted specs/deep/odd.yml\n")
    assert done.stderr == "1 file formatted, 1 file unchanged\n"
    assert (specs / "deep" / "odd.yml").read_text() == EVEN
    assert (specs / "deep" / "odd.yml").stat().st_mode & 0o777 == 0o640
    assert (specs / "even.yaml").stat().st_mtime_ns == 1
    assert sorted(path.name for path in specs.rglob("*")) == [
        "days.ics",
        "deep",
        "even.yaml",
        "odd.yml",
    ]


def test_check_names_files_ends_with_2_and_writes_nothing(specs: Path, alone: Cli) -> None:
    found = alone("fmt", "--check")

    assert (found.status, found.stdout) == (2, "would format specs/deep/odd.yml\n")
    assert found.stderr == "1 file would be formatted, 1 file unchanged\n"
    assert (specs / "deep" / "odd.yml").read_text() == ODD
    assert alone("fmt", "--check", "specs/even.yaml").status == 0


def test_diff_shows_what_would_change_and_writes_nothing(specs: Path, alone: Cli) -> None:
    (specs / "deep" / "odd.yml").write_text(ODD.rstrip("\n"))

    shown = alone("fmt", "--diff")

    assert shown.status == 0
    assert shown.lines == [
        "--- specs/deep/odd.yml",
        "+++ specs/deep/odd.yml (formatted)",
        "@@ -1,2 +1,2 @@",
        "+kind: Agent",
        " name: x",
        "-kind: Agent",
    ]
    assert alone("fmt", "--diff", "--check").status == 2


def test_json_tells_the_same(specs: Path, alone: Cli) -> None:
    (specs / "broken.yaml").write_text("a: [\n")

    answer = alone("fmt", "--json")

    assert answer.status == 1
    assert answer.json | {
        "problems": [problem["file"] for problem in answer.json["problems"]]
    } == {
        "format": "ordinaut.dev/formatting/v1",
        "written": True,
        "changed": ["specs/deep/odd.yml"],
        "unchanged": 1,
        "problems": ["specs/broken.yaml"],
    }


def test_a_broken_file_is_named_with_its_place_and_left_alone(specs: Path, alone: Cli) -> None:
    (specs / "broken.yaml").write_text("a: 1\nb: ]\n")

    refused = alone("fmt")

    assert refused.status == 1
    assert "specs/broken.yaml:2:4: error ORD002:" in refused.stdout
    assert refused.stderr == "1 file formatted, 1 file unchanged, 1 file refused\n"
    assert (specs / "broken.yaml").read_text() == "a: 1\nb: ]\n"


def test_paths_may_repeat_and_lie_outside_of_the_working_folder(
    specs: Path, alone: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(specs / "deep")

    assert alone("fmt", "odd.yml", "../deep/odd.yml", "..", "--check").stdout == (
        "would format odd.yml\n"
    )


def test_a_path_that_is_not_there_is_an_error(folder: Path, alone: Cli) -> None:
    missing = alone("fmt", "nowhere")

    assert (missing.status, missing.stderr) == (
        1,
        "error ORD310: there is no file or folder nowhere\n",
    )


def test_an_empty_folder_holds_no_files(folder: Path, alone: Cli) -> None:
    assert alone("fmt", ".").stderr == "no files\n"


def test_links_are_not_followed(specs: Path, alone: Cli, tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text(ODD)
    (specs / "out.yaml").symlink_to(outside)
    (specs / "a-link.yaml").symlink_to(specs / "deep" / "odd.yml")
    (specs / "folder").symlink_to(tmp_path)

    whole = alone("fmt", "--json")
    named = alone("fmt", "specs/out.yaml")

    assert whole.json["changed"] == ["specs/deep/odd.yml"]
    assert {p["file"] for p in whole.json["problems"]} == {"specs/out.yaml", "specs/folder"}
    assert (named.status, "this is a link" in named.stdout) == (1, True)
    assert outside.read_text() == ODD
    assert (specs / "a-link.yaml").is_symlink()


def test_what_is_no_regular_file_is_refused(folder: Path, alone: Cli) -> None:
    os.mkfifo(folder / "pipe.yaml")

    assert "no regular file" in alone("fmt", "pipe.yaml").stdout


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux")
def test_a_file_that_cannot_be_read_is_named(folder: Path, alone: Cli) -> None:
    refused = alone("fmt", "/proc/self/mem")

    assert refused.stdout.startswith("/proc/self/mem:1:1: error ORD001: cannot be read:")


def test_a_file_that_somebody_saves_meanwhile_is_left_to_them(specs: Path) -> None:
    (one,) = rewritings_of([specs / "deep" / "odd.yml"])
    one.path.write_text("kind: Agent\nname: newer\n")

    problem = write_anew(one)

    assert problem is not None
    assert "was changed while" in problem.message
    assert one.path.read_text() == "kind: Agent\nname: newer\n"


def test_a_failed_write_leaves_the_file_and_nothing_beside_it(
    specs: Path, alone: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rewrite.os, "fsync", full)

    refused = alone("fmt")

    assert "cannot be written: No space left on device" in refused.stdout
    assert (refused.status, (specs / "deep" / "odd.yml").read_text()) == (1, ODD)
    assert [path.name for path in (specs / "deep").iterdir()] == ["odd.yml"]
