"""A folder of specs to test, and tests written into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HEAD = "apiVersion: ordinaut/v1\n"
PROJECT = f"""\
{HEAD}kind: Project
name: shop
secrets: {{token: {{env: TOKEN}}}}
environments: {{live: {{variables: {{greeting: Good day}}}}}}
variables: {{greeting: Hello}}
---
{HEAD}kind: ToolServer
name: mail
stdio: {{command: mail-server}}
---
{HEAD}kind: ToolServer
name: bank
stdio: {{command: bank-server}}
"""


class Shop:
    """A specs folder below the working folder.

    Args:
        folder: the working folder.
    """

    def __init__(self, folder: Path) -> None:
        self.specs = folder / "specs"
        (self.specs / "tests").mkdir(parents=True)
        (self.specs / "ordinaut.yaml").write_text(PROJECT)

    def task(self, *steps: str, name: str = "rent", **fields: Any) -> None:
        """Write a task with these steps; fields are written as JSON, which is YAML."""
        lines = [f"{field.rstrip('_')}: {json.dumps(value)}" for field, value in fields.items()]
        head = [f"{HEAD}kind: Task", f"name: {name}", "schedule: {manual: true}"]
        text = "\n".join([*head, *lines, "pipeline:", *(f"  - {step}" for step in steps)])
        (self.specs / f"{name}.yaml").write_text(text + "\n")

    def test(
        self,
        *,
        name: str = "it",
        given: str = "{}",
        expect: str = "{}",
        more: str = "",
        runs: str = "task: rent",
    ) -> None:
        """Write a test; it begins at 2026-01-05T08:30 UTC. Every line of it is at a place of its own."""
        lines = [
            f"{HEAD}kind: Test",
            f"name: {name}",
            runs,
            "now: 2026-01-05T08:30:00Z",
            f"given: {given}",
            f"expect: {expect}",
        ]
        if more:
            lines.append(more)
        (self.specs / "tests" / f"{name}.yaml").write_text("\n".join(lines) + "\n")
