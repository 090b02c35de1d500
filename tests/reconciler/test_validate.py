"""`ordinaut validate` and `ordinaut schema`: arguments, formats and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reconciler.cli import main
from schemas.validation import VALIDATION_FORMAT, Validation
from tests.support.git import new_repository

_PROJECT = "apiVersion: ordinaut/v1\nkind: Project\nname: home\nvariables: {city: x}\nenvironments: {prod: {variables: {city: 5}}}\n"
_AGENT = "apiVersion: ordinaut/v1\nkind: Agent\nname: assistant\nowner: '${vars.city}'\n"


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A valid folder `specs` in the working folder."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "specs"
    folder.mkdir()
    (folder / "ordinaut.yaml").write_text(_PROJECT)
    (folder / "agents").mkdir()
    (folder / "agents" / "assistant.yaml").write_text(_AGENT)
    return folder


def _run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def test_valid_specs_are_told_in_one_line_on_stderr(specs: Path) -> None:
    result = _run("validate")

    assert (result.exit_code, result.stdout, result.stderr) == (
        0,
        "",
        "2 documents in 2 files: no problems\n",
    )


def test_errors_are_printed_and_end_with_exit_code_1(specs: Path) -> None:
    (specs / "agents" / "assistant.yaml").write_text(_AGENT + "scope: []\n")

    result = _run("validate")

    assert result.exit_code == 1
    assert result.stdout == (
        "specs/agents/assistant.yaml:5:1: error ORD005: unknown field `scope` in this\n    Agent\n"
        "    5 | scope: []\n"
        "      | ^\n"
        "  hint: did you mean `scopes`?\n\n"
    )
    assert result.stderr == "1 document in 2 files: 1 error\n"


def test_warnings_are_printed_and_do_not_fail(specs: Path) -> None:
    (specs / "late.yaml").write_text(
        "apiVersion: ordinaut/v1\nkind: Task\nname: late\nschedule: {manual: true}\n"
        "pipeline: [{id: one, uses: shop.order, idempotency: {key: always}}]\n---\n"
        "apiVersion: ordinaut/v1\nkind: ToolServer\nname: shop\nstdio: {command: shop}\n"
    )

    result = _run("validate")

    assert result.exit_code == 0
    assert "warning ORD013" in result.stdout


@pytest.mark.parametrize("words", [("--json",), ("--format", "json")])
def test_json_is_the_documented_form(specs: Path, words: tuple[str, ...]) -> None:
    (specs / "agents" / "assistant.yaml").write_text(_AGENT + "scope: []\n")

    result = _run("validate", *words)

    answer = json.loads(result.stdout)
    validation = Validation.model_validate(answer)
    assert result.stderr == ""
    assert result.exit_code == 1
    assert (validation.format, validation.valid, validation.errors) == (
        VALIDATION_FORMAT,
        False,
        1,
    )
    assert answer["problems"][0]["line"] == 5


@pytest.mark.parametrize(
    ("form", "words"), [("github", "::error file="), ("sarif", '"level": "error"')]
)
def test_other_formats_are_printed_alone(specs: Path, form: str, words: str) -> None:
    (specs / "agents" / "assistant.yaml").write_text(_AGENT + "scope: []\n")

    result = _run("validate", "--format", form)

    assert (result.exit_code, result.stderr) == (1, "")
    assert words in result.stdout


def test_the_environment_chooses_the_variables(specs: Path) -> None:
    assert _run("validate", "--env", "prod").stdout.startswith(
        "specs/agents/assistant.yaml:4:8: error ORD007: `owner` is text; this is `5`,"
    )
    assert "ORD009" in _run("validate", "--env", "prd").stdout


def test_a_file_shows_its_own_problems_against_the_whole_folder(specs: Path) -> None:
    (specs / "agents" / "other.yaml").write_text("nothing: true\n")

    one = _run("validate", "specs/agents/assistant.yaml")
    other = _run("validate", "specs/agents/other.yaml")

    assert (one.exit_code, one.stdout) == (0, "")
    assert other.exit_code == 1
    assert other.stdout.startswith("specs/agents/other.yaml:1:1: error ORD004")


def test_a_file_without_a_project_around_it_is_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alone.yaml").write_text(_PROJECT)

    assert _run("validate", "alone.yaml").exit_code == 0


def test_a_file_outside_of_specs_is_read_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alone.yaml").write_text(_PROJECT)
    (tmp_path / "compose.yaml").write_text("services: {}\n")

    result = _run("validate", "alone.yaml")

    assert (result.exit_code, result.stderr) == (0, "1 document in 1 file: no problems\n")


def test_a_file_that_cannot_hold_specs_is_refused(specs: Path) -> None:
    (specs / "README.md").write_text("# Specs\n")

    result = _run("validate", "specs/README.md")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "ORD310: specs/README.md is no file of specs" in result.stderr


def test_the_folder_is_named_as_for_plan_too(
    specs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path.parent)

    assert _run("validate").exit_code == 1
    assert _run("validate", "--specs", str(specs)).exit_code == 0


def test_files_are_named_as_they_can_be_opened(
    specs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (specs / "bad.yaml").write_text("x: 1\n")

    def named(path: str) -> str:
        return _run("validate", path).stdout.partition(":")[0]

    assert named("specs") == "specs/bad.yaml"
    monkeypatch.chdir(specs)
    assert named(".") == "bad.yaml"
    monkeypatch.chdir(specs.parent.parent)
    assert named(str(specs)) == f"{specs.parent.name}/specs/bad.yaml"
    monkeypatch.chdir(specs / "agents")
    assert named("..") == "specs/bad.yaml"


def test_a_folder_that_is_not_there_is_told_on_stderr(specs: Path) -> None:
    result = _run("validate", "nowhere")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error ORD310: there is no folder nowhere")


def test_a_folder_without_a_project_is_told_what_to_write(specs: Path) -> None:
    (specs / "ordinaut.yaml").unlink()

    result = _run("validate")

    assert result.exit_code == 1
    assert (
        "  hint: write specs/ordinaut.yaml:\n        apiVersion: ordinaut/v1\n        kind: Project\n"
        in result.stdout
    )


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ((), "Ordinaut specs"),
        (("Task",), "Task"),
        (("toolserver",), "ToolServer"),
        (("tool-server",), "ToolServer"),
    ],
)
def test_the_schema_of_all_specs_or_of_a_kind_is_printed(
    words: tuple[str, ...], title: str
) -> None:
    result = _run("schema", *words)

    assert json.loads(result.stdout)["title"] == title


def test_a_kind_that_does_not_exist_is_told_with_the_nearest_one() -> None:
    result = _run("schema", "tsk")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "did you mean `Task`?" in result.stderr


@pytest.mark.parametrize("command", ["validate", "schema"])
def test_help_shows_examples(command: str) -> None:
    assert f"  ordinaut {command}" in _run(command, "--help").stdout


def test_a_revision_is_read_without_its_checkout(specs: Path) -> None:
    clone = new_repository(specs.parent)
    clone.write({"specs/agents/assistant.yaml": "["})
    clone.commit("Break it")
    clone.write({"specs/agents/assistant.yaml": None})
    clone.commit("Take it away")

    broken = _run("validate", "--head", "HEAD~1")

    assert broken.exit_code == 1
    assert broken.stdout.startswith("specs/agents/assistant.yaml:2:1: error ORD002")
    assert _run("validate", "--head", "HEAD").exit_code == 0
    assert (
        "HEAD has no folder elsewhere"
        in _run("validate", "--specs", "elsewhere", "--head", "HEAD").stderr
    )


def test_names_that_go_round_in_a_circle_are_told_without_a_database(specs: Path) -> None:
    def agent(name: str, former: str) -> None:
        text = f"apiVersion: ordinaut/v1\nkind: Agent\nname: {name}\nrenamed_from: {former}\n"
        (specs / f"{name}.yaml").write_text(text)

    agent("one", "two")
    agent("two", "one")
    circle = CliRunner().invoke(main, ["validate"])
    agent("two", "three")
    row = CliRunner().invoke(main, ["validate"])

    assert (circle.exit_code, row.exit_code) == (1, 0)
    assert (
        "specs/one.yaml:1:1: error ORD219: Agent one changes its name in a circle" in circle.stdout
    )
    assert circle.stderr.endswith("4 documents in 4 files: 2 errors\n")


def test_a_file_that_is_too_large_is_not_said_to_end_where_reading_ended(specs: Path) -> None:
    with (specs / "large.yaml").open("wb") as file:
        file.truncate(60_000_000)

    found = CliRunner().invoke(main, ["validate"])

    assert found.exit_code == 1
    assert "the file has more than 1,048,576 bytes" in found.stdout
