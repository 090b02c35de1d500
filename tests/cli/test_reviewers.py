"""What reviewers are told at the lines of a change: `--annotations`, `--sarif-out`, and the formats of validate and lint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_plan import PROJECT, SERVER, TASK
from tests.support.cli import Cli
from tests.support.git import Clone, new_repository

MORE = TASK.replace("NAME", "one").replace("}]", "},\n  {id: move, uses: fs.move}]")
GAIN = "::notice file=infra/specs/one.yaml,line=6,col=20,title=ORD217::one calls fs.move\n"


@pytest.fixture
def clone(folder: Path) -> Clone:
    """A repository with specs below its top, and a commit."""
    clone = new_repository(folder)
    clone.write({"infra/specs/ordinaut.yaml": PROJECT, "infra/specs/fs.yaml": SERVER})
    clone.write(
        {f"infra/specs/{name}.yaml": TASK.replace("NAME", name) for name in ("one", "two")}
    )
    clone.commit()
    return clone


def results(path: str = "plan.sarif") -> list[tuple[str, str, str, int]]:
    """What a SARIF file says: code, level, file, line."""
    [run] = json.loads(Path(path).read_text())["runs"]
    return [(one["ruleId"], one["level"], *place(one)) for one in run["results"]]


def place(result: dict[str, Any]) -> tuple[str, int]:
    """Where a result is."""
    found = result["locations"][0]["physicalLocation"]
    return found["artifactLocation"]["uri"], found["region"]["startLine"]


@pytest.mark.parametrize("below", [".", "infra", "infra/specs"])
def test_names_begin_at_the_top_of_the_repository_wherever_a_plan_is_made(
    clone: Clone, alone: Cli, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    clone.write({"infra/specs/one.yaml": MORE})
    monkeypatch.chdir(clone.folder / below)
    specs = str(clone.folder / "infra" / "specs")

    plan = alone(
        *("plan", "--specs", specs, "--base", "HEAD"),
        *("--annotations", "github", "--sarif-out", "plan.sarif"),
    )

    assert (plan.status, plan.stderr) == (0, GAIN)
    assert results() == [("ORD217", "note", "infra/specs/one.yaml", 6)]


def test_results_on_stdout_stay_clean(clone: Clone, alone: Cli) -> None:
    clone.write({"infra/specs/one.yaml": MORE})

    plan = alone(
        "plan", "--specs", "infra/specs", "--base", "HEAD", "--json", "--annotations", "github"
    )

    assert plan.json["summary"]["update"] == 1
    assert plan.stderr == GAIN


def test_a_revision_is_remarked_without_its_checkout(clone: Clone, alone: Cli) -> None:
    clone.write({"infra/specs/one.yaml": MORE})
    clone.commit()
    clone.git("rm", "--quiet", "-r", "infra")

    plan = alone(
        *("plan", "--specs", "infra/specs", "--base", "HEAD~1", "--head", "HEAD"),
        *("--annotations", "github"),
    )

    assert (plan.status, plan.stderr) == (0, GAIN)


def test_without_git_names_stay_as_they_are(folder: Path, alone: Cli) -> None:
    (folder / "specs").mkdir()
    (folder / "specs" / "ordinaut.yaml").write_text(PROJECT + "x: 1\n")

    found = alone("validate", "--format", "github")

    assert found.stdout.startswith("::error file=specs/ordinaut.yaml,line=6,")


def test_a_refusal_is_remarked_and_the_file_is_written(clone: Clone, alone: Cli) -> None:
    clone.write({"infra/specs/one.yaml": None, "infra/specs/two.yaml": None})

    plan = alone(
        *("plan", "--specs", "infra/specs", "--base", "HEAD"),
        *("--annotations", "github", "--sarif-out", "plan.sarif"),
    )

    assert plan.status == 3
    assert plan.stderr == (
        "::error title=ORD203::the plan leaves nothing of the tasks%0A"
        "if that is meant: `ordinaut apply --allow-retire 2`\n"
    )
    [run] = json.loads(Path("plan.sarif").read_text())["runs"]
    assert run["results"] == []
    assert run["invocations"][0]["toolExecutionNotifications"][0]["level"] == "error"


def test_problems_that_refuse_a_plan_are_remarked(clone: Clone, alone: Cli) -> None:
    clone.write({"infra/specs/one.yaml": TASK.replace("NAME", "one") + "prio: 1\n"})

    plan = alone(
        *("plan", "--specs", "infra/specs", "--base", "HEAD"),
        *("--annotations", "github", "--sarif-out", "plan.sarif"),
    )

    assert plan.status == 1
    assert "::error file=infra/specs/one.yaml,line=6,col=1,title=ORD005::" in plan.stderr
    assert results() == [("ORD005", "error", "infra/specs/one.yaml", 6)]


@pytest.mark.parametrize("command", ["validate", "lint"])
@pytest.mark.parametrize("below", [".", "infra", "infra/specs"])
def test_validate_and_lint_name_files_from_the_top_too(
    clone: Clone, alone: Cli, monkeypatch: pytest.MonkeyPatch, below: str, command: str
) -> None:
    clone.write({"infra/specs/one.yaml": TASK.replace("NAME", "one") + "prio: 1\n"})
    monkeypatch.chdir(clone.folder / below)
    specs = str(clone.folder / "infra" / "specs")

    commands = alone(command, "--specs", specs, "--format", "github").stdout
    [run] = alone(command, "--specs", specs, "--format", "sarif").json["runs"]

    assert commands.startswith("::error file=infra/specs/one.yaml,line=6,col=1,title=ORD005::")
    assert place(run["results"][0]) == ("infra/specs/one.yaml", 6)
    assert run["automationDetails"] == {"id": f"ordinaut/{command}/default/"}


def test_specs_may_be_the_whole_repository(folder: Path, alone: Cli) -> None:
    clone = new_repository(folder)
    clone.write({"ordinaut.yaml": PROJECT, "fs.yaml": SERVER + "x: 1\n"})

    for named in (".", str(folder)):
        found = alone("validate", "--specs", named, "--format", "github")
        assert found.stdout.startswith("::error file=fs.yaml,line=5,col=1,")


def test_a_hostile_name_of_a_file_starts_no_command(folder: Path, alone: Cli) -> None:
    clone = new_repository(folder)
    clone.write({"specs/ordinaut.yaml": PROJECT, "specs/a\n::stop-commands::x,b.yaml": "x: 1\n"})

    for arguments in (("validate", "--format", "github"), ("plan", "--annotations", "github")):
        told = alone(*arguments)
        commands = [line for line in (told.stdout + told.stderr).splitlines() if line[:2] == "::"]
        assert len(commands) == 2
        assert {line.partition("file=")[0] for line in commands} == {"::error "}
        assert all("%3A%3Astop-commands%3A%3Ax%2Cb.yaml,line=1," in line for line in commands)


def test_drift_is_in_no_file(clone: Clone, alone: Cli) -> None:
    for option in (("--annotations", "github"), ("--sarif-out", "plan.sarif")):
        plan = alone("plan", "--drift-only", *option)
        assert (plan.status, "reads no files" in plan.stderr) == (1, True)


def test_a_log_that_cannot_be_written_is_told(clone: Clone, alone: Cli) -> None:
    plan = alone("plan", "--specs", "infra/specs", "--base", "HEAD", "--sarif-out", "nowhere/x")

    assert (plan.status, "nowhere/x cannot be written" in plan.stderr) == (1, True)
