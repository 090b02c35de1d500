"""`ordinaut lint`: arguments, formats and exit codes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.cli import Cli

PROJECT = "apiVersion: ordinaut/v1\nkind: Project\nname: home\nowner: me\n"
TASK = "apiVersion: ordinaut/v1\nkind: Task\nname: {}\nschedule: {}\npipeline: [{{id: a, uses: llm.plan}}]\n"
ENDED = "{at: '2026-01-01T00:00Z'}"
SECRET = "hunter2-hunter2"


@pytest.fixture
def specs(folder: Path) -> Path:
    """A folder with one schedule that has ended, in a folder of its own."""
    specs = folder / "specs"
    (specs / "old").mkdir(parents=True)
    (specs / "ordinaut.yaml").write_text(PROJECT)
    (specs / "one.yaml").write_text(TASK.format("one", "{manual: true}"))
    (specs / "old" / "two.yaml").write_text(TASK.format("two", ENDED))
    return specs


def test_advice_is_printed_with_its_line(specs: Path, alone: Cli) -> None:
    advised = alone("lint")

    assert (advised.status, advised.stderr) == (0, "3 documents in 3 files: 1 warning\n")
    assert advised.lines == [
        "specs/old/two.yaml:4:16: warning ORD803: the schedule has ended: it never fires",
        "    again",
        "    4 | schedule: {at: '2026-01-01T00:00Z'}",
        "      |                ^",
        "  hint: remove it, or give it a later end",
        "",
    ]


def test_fail_on_warning_ends_with_1(specs: Path, alone: Cli) -> None:
    assert alone("lint", "--fail-on", "warning").status == 1
    assert alone("lint", "--fail-on", "warning", "--from", "2025-01-01").status == 0


def test_only_what_stands_in_the_paths_is_shown(specs: Path, alone: Cli) -> None:
    assert alone("lint", "specs/one.yaml", "specs/ordinaut.yaml").stdout == ""
    assert len(alone("lint", "specs/old", "--json").json["problems"]) == 1
    assert (
        len(alone("lint", "specs/one.yaml", "specs/old/two.yaml", "--json").json["problems"]) == 1
    )


def test_another_folder_may_be_named(
    specs: Path, alone: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    assert len(alone("lint", str(specs), "--json").json["problems"]) == 1


def test_it_speaks_to_machines(specs: Path, alone: Cli) -> None:
    answer = alone("lint", "--json").json

    assert (answer["format"], answer["valid"], answer["warnings"]) == (
        "ordinaut.dev/validation/v1",
        True,
        1,
    )
    assert alone("lint", "--format", "github").stdout.startswith(
        "::warning file=specs/old/two.yaml,line=4,col=16,title=ORD803::"
    )
    (run,) = alone("lint", "--format", "sarif").json["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["ORD803"]


def test_specs_with_errors_get_these_instead_of_advice(specs: Path, alone: Cli) -> None:
    (specs / "one.yaml").write_text("kind: Task\n")

    refused = alone("lint")

    assert refused.status == 1
    assert "ORD803" not in refused.stdout
    assert "specs/one.yaml:1:1: error ORD004" in refused.stdout


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_a_secret_is_never_printed(specs: Path, alone: Cli, form: str) -> None:
    step = f"[{{id: a, uses: llm.plan, with: {{note: ä, password: {SECRET}, then: {SECRET}}}}}]"
    (specs / "one.yaml").write_text(
        TASK.format("one", "{manual: true}").replace("[{id: a, uses: llm.plan}]", step)
    )

    leaked = alone("lint", "--format", form)

    assert leaked.status == 1
    assert "ORD807" in leaked.stdout
    assert SECRET not in leaked.stdout + leaked.stderr


def test_a_former_name_is_as_old_as_its_line_in_git(specs: Path, alone: Cli) -> None:
    def git(*words: str, when: str = "2026-01-05T08:00:00Z") -> None:
        config = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
        env = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when, "PATH": "/usr/bin:/bin"}
        subprocess.run(["git", *config, *words], cwd=specs.parent, env=env, check=True)

    renamed = specs / "old" / "two.yaml"
    renamed.write_text(TASK.format("two", "{manual: true}") + "renamed_from: zwei\n")

    def advice(*words: str) -> list[str]:
        answer = alone("lint", "--json", "--from", "2026-03-06T08:00Z", *words)
        return [problem["message"] for problem in answer.json["problems"]]

    assert advice() == []
    git("init", "-q")
    assert advice() == []
    git("add", ".")
    git("commit", "-q", "-m", "rename")
    assert advice() == ["`renamed_from` has been here for 60 days"]
    renamed.unlink()
    assert advice() == []
    assert advice("--head", "HEAD") == ["`renamed_from` has been here for 60 days"]
    assert alone("lint", "--head", "HEAD~1").stderr.startswith("error ORD310: git knows no commit")
