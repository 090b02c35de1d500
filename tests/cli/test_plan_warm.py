"""`ordinaut plan` of specs that were compiled before: it says what it said."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support.cli import Cli

_HEAD = "apiVersion: ordinaut/v1\n"
_TASK = f"""\
{_HEAD}kind: Task
name: task-NUMBER
renamed_from: old-NUMBER
labels: {{team: "NUMBER"}}
schedule: {{every: 1h}}
concurrency: {{key: crm, limit: 2}}
pipeline: [{{id: one, uses: llm.plan, with: {{goal: look}}}}]
"""


def test_a_plan_says_the_same_cold_and_warm(folder: Path, cli: Cli) -> None:
    specs = folder / "specs"
    specs.mkdir()
    (specs / "ordinaut.yaml").write_text(f"{_HEAD}kind: Project\nname: home\n")
    for number in range(40):
        text = _TASK.replace("NUMBER", str(number))
        (specs / f"{number:03}.yaml").write_text(f"# {'x' * 2_000}\n{text}")
    plans = (("plan", "-v"), ("plan", "--only", "team=7"), ("plan", "--only", "old-8"))

    cold = [_without_times(cli(*words).stdout) for words in plans]
    assert any(folder.rglob("cache/*.json"))
    warm = [_without_times(cli(*words).stdout) for words in plans]

    assert cold == warm
    assert "task-39" in cold[0]
    assert cli("apply", "--yes").status == 0
    assert cli("plan").stdout.startswith("No changes: 41 documents match r1")


def test_a_plan_without_changes_loads_nothing_that_only_changes_need() -> None:
    others = {
        *("reconciler.core.compile", "reconciler.core.planned", "reconciler.core.render_change"),
        *("runtime.core.expressions", "runtime.core.recurrence", "runtime.embedded"),
        *("schemas.apply", "schemas.project", "schemas.spec", "schemas.task"),
        *("jmespath", "jsonschema", "psycopg_pool", "yaml"),
    }
    code = f"import sys, reconciler.cli.plan; print(*sorted({others} & set(sys.modules)))"

    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert shown.stdout.split() == []


def _without_times(shown: str) -> str:
    """A plan without its first line, which says when it was made, and without how far off its first effect is."""
    return re.sub(r"\(in [^)]*\)", "(in a while)", shown.partition("\n")[2])
