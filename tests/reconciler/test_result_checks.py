"""What expressions read of results, held against the tool lock."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.compile import compile_specs
from reconciler.core.files import SourceFile
from reconciler.core.tool_lock import lock_text
from schemas.problem import Problem
from tests.support.contracts import listed, locked

TEXT = {"type": "string"}
DAY = {"type": "object", "properties": {"high": TEXT, "low": TEXT}, "additionalProperties": False}
FORECAST: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": TEXT,
        "days": {"type": "array", "items": {"$ref": "#/$defs/Day"}},
        "today": {"anyOf": [{"$ref": "#/$defs/Day"}, {"type": "null"}]},
        "any": {"type": "object"},
        "either": {"anyOf": [DAY, TEXT]},
        "round": {"$ref": "#/$defs/Round"},
        "map": {"type": "object", "properties": {"a": TEXT}, "additionalProperties": TEXT},
        "gone": {"$ref": "#/$defs/Nowhere"},
    },
    "$defs": {"Day": DAY, "Round": {"$ref": "#/$defs/Round"}},
}
TOOLS = [listed("forecast", outputSchema=FORECAST), listed("say"), listed("day", outputSchema=DAY)]


def told(pipeline: str, schedule: str = "{manual: true}") -> list[Problem]:
    text = f"""\
apiVersion: ordinaut/v1
kind: Project
name: demo
---
apiVersion: ordinaut/v1
kind: ToolServer
name: sky
stdio: {{command: sky}}
---
apiVersion: ordinaut/v1
kind: Task
name: t
schedule: {schedule}
pipeline:
{pipeline}
"""
    lock = lock_text(locked(sky=TOOLS))
    return list(
        compile_specs(
            [
                SourceFile("specs/all.yaml", text.encode()),
                SourceFile("specs/tools.lock.json", lock),
            ]
        ).problems
    )


def of_reading(expression: str, first: str = "uses: sky.forecast") -> list[tuple[str, str, str]]:
    """What is told of a step that reads the result of the one before."""
    problems = told(
        f'  - {{id: sky, {first}}}\n  - {{id: say, uses: sky.say, with: {{text: "{expression}"}}}}'
    )
    return [(one.severity, one.message, one.hint) for one in problems]


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".city",
        ".days[0].high",
        ".days[*].hihg",
        ".today.low",
        ".any.thing",
        ".either.hihg",
        ".round.hihg",
        ".map.b",
        ".gone.hihg",
        ".city.length",
    ],
)
def test_what_is_promised_or_left_open_is_not_told_about(path: str) -> None:
    assert of_reading(f"${{steps.sky{path}}}") == []


def test_what_is_not_promised_is_a_warning() -> None:
    assert of_reading("in ${steps.sky.citi}") == [
        (
            "warning",
            "`steps.sky.citi`: the result of `sky.forecast` has no `citi`",
            "did you mean `city`?",
        )
    ]


@pytest.mark.parametrize("path", ["days[0].hihg", "today.hihg"])
def test_what_cannot_be_there_is_an_error(path: str) -> None:
    [(severity, message, hint)] = of_reading(f"${{steps.sky.{path}}}")

    assert (severity, hint) == ("error", "did you mean `high`?")
    assert message == f"`steps.sky.{path}`: the result of `sky.forecast` has no `hihg`"


@pytest.mark.parametrize(
    ("expression", "first"),
    [
        ("${default(steps.sky.citi, 'x')}", "uses: sky.forecast"),
        ("${steps.sky.citi}", "uses: sky.say"),
        ("${steps.sky.citi}", "uses: ordinaut.transform, with: {value: x}"),
        ("${steps.sky[0].citi}", "uses: sky.forecast, foreach: '${params.list}'"),
    ],
)
def test_what_may_be_something_else_is_left_to_the_run(expression: str, first: str) -> None:
    assert [one for one in of_reading(expression, first) if "has no `citi`" in one[1]] == []


def test_the_answer_of_a_step_a_poll_and_a_verification_is_looked_at() -> None:
    problems = told(
        """\
  - id: sky
    uses: sky.say
    effect: once
    on_unknown: {verify: sky.day, when: result.hihg}
  - {id: day, uses: sky.day, expect: result.hihg, fail_when: result.hihg}
  - {id: last, uses: sky.say, with: {text: "${steps.sky.hihg}"}}""",
        "{condition: {uses: sky.day, every: 1m, when: result.hihg, rearm: result.low}}",
    )

    assert {one.message for one in problems} == {
        "`result.hihg`: the result of `sky.day` has no `hihg`"
    }
    assert [one.line for one in problems] == [13, 18, 19, 19]


def test_places_are_those_of_what_is_read() -> None:
    [problem] = told(
        '  - {id: sky, uses: sky.forecast}\n  - {id: say, uses: sky.say, with: {text: "in ${steps.sky.citi}"}}'
    )

    assert problem.place == "specs/all.yaml:16:49"


def test_what_is_read_in_another_way_is_not_held_against_the_promise() -> None:
    assert of_reading("${steps.sky.citi}", "uses: sky.forecast, parse: json") == []
    assert of_reading("x", "uses: sky.forecast, parse: json, expect: result.citi") == []
    assert of_reading("x", "uses: sky.forecast, parse: json, fail_when: result.citi") == []
