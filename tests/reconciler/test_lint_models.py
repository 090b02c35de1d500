"""What lint says of instructions to language models."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.core.compile import SourceFile, compile_specs
from reconciler.core.lint.rules import lint
from reconciler.core.lint.world import world_of

NOW = datetime(2026, 3, 2, tzinfo=UTC)
POLLED = "{condition: {uses: ordinaut.transform, with: {value: 1}, every: 1h, when: result}}"
SPECS = """\
apiVersion: ordinaut/v1
kind: Project
name: home
---
apiVersion: ordinaut/v1
kind: Task
name: brief
params: {x: 1, all: [1]}
schedule: %s
pipeline:
  - {id: look, uses: ordinaut.transform, with: {value: 1}}
  - {id: a, %s}
"""


def found(step: str, schedule: str = "{manual: true}") -> list[str]:
    files = [SourceFile("specs/all.yaml", (SPECS % (schedule, step)).encode())]
    specs = compile_specs(files)
    assert not specs.errors, specs.errors
    problems = lint(world_of(specs, files, NOW), "default", {"ORD817"})
    return [f"{problem.line}:{problem.column} {problem.message}" for problem in problems]


@pytest.mark.parametrize(
    ("step", "place", "read"),
    [
        ("uses: llm.plan, with: {goal: 'Do ${steps.look.text}'}", "12:48", "steps.look.text"),
        ("uses: llm.summarize, with: {text: x, instructions: '${event.result}'}", "12:67", "event.result"),
        ("uses: llm.plan, foreach: '${steps.look.items}', with: {goal: 'Do ${item}'}", "12:80", "item"),
    ],
)  # fmt: skip
def test_what_came_from_outside_is_no_instruction(step: str, place: str, read: str) -> None:
    assert found(step, POLLED) == [
        f"{place} `{read}` comes from outside, and is told to the model as an instruction"
    ]


@pytest.mark.parametrize(
    "step",
    [
        "uses: llm.plan, with: {goal: 'Brief ${params.x}', mail: '${steps.look}', instructions: '${steps.look}'}",
        "uses: llm.plan, foreach: '${params.all}', with: {goal: 'Do ${item}', deep: {goal: '${steps.look}'}}",
        "uses: llm.summarize, with: {text: '${steps.look}'}",
        "uses: ordinaut.transform, with: {value: 1, goal: '${steps.look}'}",
    ],
)
def test_what_came_from_outside_is_data(step: str) -> None:
    assert found(step) == []
