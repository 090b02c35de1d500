"""What holds for every example: it is sound in each of its environments, its own tests pass, and what stands in says so."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

from tests.support.processes import ROOT, ordinaut

EXAMPLES = sorted(folder.parent for folder in (ROOT / "examples").glob("*/specs"))


def environments(example: Path) -> list[str]:
    """Those that the Project names, and the one that needs no name."""
    project = next(
        document
        for document in yaml.safe_load_all((example / "specs" / "ordinaut.yaml").read_text())
        if document["kind"] == "Project"
    )
    return sorted({"default", *project.get("environments", {})})


@pytest.mark.parametrize(
    ("example", "environment"),
    [
        pytest.param(example, name, id=f"{example.name}-{name}")
        for example in EXAMPLES
        for name in environments(example)
    ],
)
async def test_it_is_sound_a_plan_creates_all_of_it_and_its_tests_pass(
    example: Path, environment: str, tmp_path: Path
) -> None:
    where = {"ORDINAUT_ENVIRONMENT": environment, "ORDINAUT_STATE_DIR": str(tmp_path)}

    validated = await ordinaut("validate", cwd=example, env=where)
    planned = await ordinaut("plan", cwd=example, env=where)
    tested = await ordinaut("test", cwd=example, env=where, seconds=60)

    assert validated.status == 0, validated.stdout
    assert planned.status == 0, planned.stderr
    assert "to create." in planned.stdout
    assert (tested.status, " passed\n" in tested.stderr) == (0, True), tested.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_whatever_stands_in_is_called_that_and_its_readme_says_so(example: Path) -> None:
    readme = (example / "README.md").read_text()
    standing_in = sorted((example / "servers").glob("*_stand_in.py"))

    assert "## What is real, and what stands in" in readme
    for server in standing_in:
        said = ast.get_docstring(ast.parse(server.read_text())) or ""
        assert "stand-in" in said.lower() or "stands in" in said.lower(), server.name
        assert f"`servers/{server.name}`: a **stand-in**" in readme, server.name


def test_the_index_names_every_example() -> None:
    index = (ROOT / "examples" / "README.md").read_text()

    folders = {path.name for path in (ROOT / "examples").iterdir() if path.is_dir()}
    assert {name for name in folders if f"]({name}/README.md)" not in index} == set()
