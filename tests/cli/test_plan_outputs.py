"""The other faces of `ordinaut plan`: files beside the text, parts, what a pipeline refuses, and how much is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from reconciler.cli import main
from runtime.errors import EXIT_BLOCKED
from schemas.plan import Plan
from tests.cli.test_plan import PROJECT, SERVER, TASK
from tests.support.cli import Cli
from tests.support.git import new_repository

PROMPT = "First, look.\nThen, think.\nLast, act.\n"


@pytest.fixture
def specs(folder: Path) -> Path:
    """A folder of specs with two tasks, in a repository."""
    clone = new_repository(folder)
    clone.write({"specs/ordinaut.yaml": PROJECT, "specs/fs.yaml": SERVER})
    clone.write({f"specs/{name}.yaml": TASK.replace("NAME", name) for name in ("one", "two")})
    clone.commit()
    return folder / "specs"


def edit(specs: Path, more: str, name: str = "one") -> None:
    """Add fields to a task."""
    (specs / f"{name}.yaml").write_text(TASK.replace("NAME", name) + more)


def test_json_and_markdown_are_written_beside_the_text(specs: Path, alone: Cli) -> None:
    plan = alone("plan", "--json-out", "plan.json", "--md-out", "plan.md")

    saved = Plan.model_validate_json(Path("plan.json").read_bytes())
    assert "Plan: 4 to create." in plan.lines
    assert f"Digest: sha256:{saved.digest}" in plan.lines
    comment = Path("plan.md").read_text()
    assert comment.startswith("<!-- ordinaut:plan:default -->\n")
    assert f"`ordinaut apply --expect-digest sha256:{saved.digest}`" in comment


def test_the_written_json_is_what_json_prints(specs: Path, alone: Cli) -> None:
    plan = alone("plan", "--json", "--json-out", "plan.json")

    assert json.loads(Path("plan.json").read_text()) == plan.json


def test_files_are_written_of_a_plan_that_is_refused(specs: Path, alone: Cli) -> None:
    plan = alone("plan", "--fail-on", "change", "--md-out", "plan.md", "--json-out", "plan.json")

    assert (plan.status, Path("plan.md").exists(), Path("plan.json").exists()) == (3, True, True)


@pytest.mark.parametrize("flag", ["--json-out", "--md-out", "--out"])
def test_a_file_that_cannot_be_written_is_told(specs: Path, alone: Cli, flag: str) -> None:
    plan = alone("plan", flag, "nowhere/plan")

    assert (plan.status, "nowhere/plan cannot be written" in plan.stderr) == (1, True)


@pytest.mark.parametrize("words", [["change,high"], ["change", "--fail-on", "high"]])
def test_a_pipeline_may_refuse_properties_of_a_plan(
    specs: Path, alone: Cli, words: list[str]
) -> None:
    edit(specs, "priority: 9\n")

    plan = alone("plan", "--base", "HEAD", "--fail-on", *words)

    assert plan.status == EXIT_BLOCKED
    assert "Plan: 1 to update, 3 unchanged." in plan.lines
    assert plan.stderr == "error ORD203: --fail-on refuses this plan, change: one\n"


def test_what_a_plan_does_not_have_is_not_refused(specs: Path, alone: Cli) -> None:
    edit(specs, "priority: 9\nowner: me\n")

    plan = alone("plan", "--base", "HEAD", "--fail-on", "retire,gain,drift,conflict,warning")

    assert (plan.status, plan.stderr) == (0, "")


def test_a_guard_s_refusal_goes_first_and_the_other_is_told_too(specs: Path, alone: Cli) -> None:
    for name in ("one", "two"):
        (specs / f"{name}.yaml").unlink()

    plan = alone("plan", "--base", "HEAD", "--fail-on", "retire")

    assert plan.status == EXIT_BLOCKED
    assert "Refused: leaves nothing of the tasks" in plan.lines
    assert plan.stderr == "--fail-on refuses this plan, retire: one, two\n"


def test_only_known_properties_can_be_refused(specs: Path, alone: Cli) -> None:
    plan = alone("plan", "--fail-on", "retire,delete")

    assert plan.status == 1
    assert "'delete' is none of change, retire, gain" in plan.stderr


def test_a_part_is_marked_in_every_face(specs: Path, alone: Cli) -> None:
    edit(specs, "priority: 9\n")
    edit(specs, "priority: 9\n", "two")

    plan = alone(
        "plan", "--base", "HEAD", "--only", "one", "--json-out", "p.json", "--md-out", "p.md"
    )

    assert "i partial  only one  1 other change left out, and nothing is retired" in plan.lines
    saved = json.loads(Path("p.json").read_text())
    assert (saved["only"], saved["left_out"]) == (["one"], 1)
    assert "**Partial:** only `one`; 1 other change left out" in Path("p.md").read_text()


def test_a_part_of_nothing_is_refused(specs: Path, alone: Cli) -> None:
    plan = alone("plan", "--only", "onne")

    assert (plan.status, plan.stdout) == (1, "")
    assert "no document of these specs has the key onne" in plan.stderr
    assert "did you mean `one`?" in plan.stderr


@pytest.mark.parametrize(
    ("words", "shown", "missing"),
    [
        ((), "params", "/params/prompt"),
        (("-v",), "~ /params/prompt  First, look. Then, think. Last, act. -> ", "      -Then"),
        (("-vv",), "    ~ /params/prompt\n      @@ -1,3 +1,3 @@\n", "/params/prompt  First"),
        (
            ("-vv",),
            "       First, look.\n      -Then, think.\n      +Then, plan.\n",
            "/params/prompt  First",
        ),
    ],
)
def test_the_more_is_asked_for_the_more_is_shown(
    specs: Path, alone: Cli, words: tuple[str, ...], shown: str, missing: str
) -> None:
    edit(specs, f"params: {{prompt: {json.dumps(PROMPT)}}}\n")
    new_repository(specs.parent).commit()
    edit(specs, f"params: {{prompt: {json.dumps(PROMPT.replace('think', 'plan'))}}}\n")

    plan = alone("plan", "--base", "HEAD", *words)

    assert shown in plan.stdout
    assert missing not in plan.stdout


def test_a_new_long_value_is_cut_and_shown_whole(specs: Path, alone: Cli) -> None:
    edit(specs, f"params: {{prompt: {json.dumps(PROMPT * 20)}}}\n")

    assert "…" in alone("plan", "--base", "HEAD", "-v").stdout
    assert alone("plan", "--base", "HEAD", "-vv").lines.count("      Then, think.") == 20


def test_no_face_of_a_plan_holds_a_secret_s_value(specs: Path, alone: Cli) -> None:
    (specs / "fs.yaml").write_text(SERVER + "call_timeout: 5m\n")
    files = ("--json-out", "p.json", "--md-out", "p.md")

    for words in (("-vv",), ("--json",), ("--base", "HEAD", "-vv"), ("--base", "HEAD", "--json")):
        plan = alone("plan", *words, *files, TOKEN="hunter2")

        texts = [plan.stdout, plan.stderr, *(Path(name).read_text() for name in files[1::2])]
        assert plan.status == 0
        assert [text for text in texts if "hunter2" in text] == []
        assert "${secrets.token}" in texts[2]


@pytest.mark.parametrize(("no_colour", "coloured"), [("", True), ("1", False)])
def test_colours_are_left_out_where_they_are_not_wanted(
    specs: Path, no_colour: str, coloured: bool
) -> None:
    plan = CliRunner().invoke(main, ["plan"], env={"NO_COLOR": no_colour}, color=True)

    assert ("\x1b[32m" in plan.stdout, "\x1b" in plan.stdout) == (coloured, coloured)


@pytest.mark.parametrize(
    "words",
    [
        ("--no-color", "plan"),
        ("plan", "--no-color"),
        ("--no-color", "plan", "--fail-on", "change"),
        ("plan", "--fail-on", "change", "--no-color"),
        ("plan", "--base", "nothing-of-the-kind", "--no-color"),
        ("tools", "list", "--no-color"),
        ("status", "--no-color"),
    ],
)
def test_colours_are_left_out_if_that_is_said_before_or_behind_a_command(
    specs: Path, words: tuple[str, ...]
) -> None:
    plain = CliRunner().invoke(main, words, color=True)

    assert "\x1b" not in plain.output
    assert "No such option" not in plain.output
    coloured = CliRunner().invoke(main, [w for w in words if w != "--no-color"], color=True)
    assert "\x1b" in coloured.output


def test_specs_cannot_steer_the_terminal(specs: Path, alone: Cli) -> None:
    evil = json.dumps("a\x1b[2J\u202e\r\nGuards: ok")
    edit(
        specs,
        f"owner: {evil}\ndescription: {evil}\nlabels: {{x: {evil}}}\nparams: {{p: {evil}}}\n",
    )

    for words in ((), ("-v",), ("-vv",)):
        plan = alone("plan", "--base", "HEAD", *words)

        assert plan.status == 0
        assert [line for line in plan.lines if line.startswith("Guards")] == []
        assert not {"\x1b", "\u202e", "\r"} & set(plan.stdout)
