"""Calls held against the tool lock, before anything runs."""

from __future__ import annotations

import json
from textwrap import dedent
from typing import Any

import pytest

from reconciler.core.compile import compile_specs
from reconciler.core.files import SourceFile
from reconciler.core.tool_lock import lock_text
from schemas.problem import Problem
from tests.support.contracts import listed, locked, taking

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
TONE = {"enum": ["kind", "stern"]}
SEND = taking("send", "to", "text", to=TEXT, text=TEXT, tone=TONE, copies=WHOLE)
TASK = "kind: Task\nname: t\nschedule: {manual: true}\npipeline:\n"


def told(*documents: str, lock: bytes | None = None, tools: list[dict[str, Any]] | None = None) -> list[Problem]:  # fmt: skip
    """What is wrong with these documents beside a server `mail`, whose tools are locked."""
    server = "kind: ToolServer\nname: mail\nstdio: {command: mail}\ntools: {deny: [secret]}"
    parts = ["kind: Project\nname: demo", server, *map(dedent, documents)]
    text = "---\n".join(f"apiVersion: ordinaut/v1\n{part}\n" for part in parts)
    files = [SourceFile("specs/all.yaml", text.encode())]
    if lock is not None or tools is not None:
        data = lock_text(locked(mail=tools or [])) if lock is None else lock
        files.append(SourceFile("specs/tools.lock.json", data))
    return list(compile_specs(files).problems)


def of_step(step: str, *tools: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Code, message and hint of what is wrong with one step of a task."""
    problems = told(f"{TASK}  - {{id: s, {step}}}", tools=list(tools) or [SEND, listed("read")])
    return [(problem.code, problem.message, problem.hint) for problem in problems]


@pytest.mark.parametrize(
    "step",
    [
        "uses: mail.send, with: {to: a, text: b}",
        "uses: mail.send, with: {to: a, text: b, tone: kind, copies: 2}",
        "uses: mail.send, with: {to: '${now}', text: b, tone: '${now}', copies: '${params.n}'}",
        "uses: mail.send, with: {text: b}, idempotency: {argument: to}",
        "uses: mail.read",
        "uses: mail.read, with: {anything: 1}",
    ],
)
def test_a_call_that_fits_is_not_told_about(step: str) -> None:
    wrong = [one for one in of_step(step) if "params" not in one[1]]

    assert wrong == []


NONSENSE = {
    "uses: mail.sned, with: {}": (
        "ORD402",
        "the tool lock has no tool `sned` of the server mail",
        "did you mean `send`? `ordinaut tools lock --update mail` asks the server again",
    ),
    "uses: mail.send, with: {to: a, text: b, tune: kind}": (
        "ORD403",
        "`mail.send` takes no argument `tune`",
        "did you mean `tone`?",
    ),
    "uses: mail.send, with: {tone: '${now}'}": ("ORD403", "`mail.send` needs `to` and `text`", ""),
    "uses: mail.send, with: {to: a, text: [b]}": (
        "ORD403",
        "the argument `text` of `mail.send` is text; this is a list",
        "",
    ),
    "uses: mail.send, with: {to: a, text: b, tone: rude}": (
        "ORD403",
        "the argument `tone` of `mail.send` is one of `kind`, `stern`; this is the text `rude`",
        "",
    ),
    "uses: mail.send, with: {to: a, text: b}, idempotency: {argument: key}": (
        "ORD403",
        "`mail.send` takes no argument `key`",
        "known here: `copies`, `text`, `to`, `tone`",
    ),
}


@pytest.mark.parametrize(("step", "expected"), NONSENSE.items(), ids=range(len(NONSENSE)))
def test_a_call_that_the_tool_would_refuse_is_told(
    step: str, expected: tuple[str, str, str]
) -> None:
    assert of_step(step) == [expected]


def test_a_tool_without_arguments_takes_none() -> None:
    tool = listed("now", inputSchema={"type": "object", "additionalProperties": False})

    assert of_step("uses: mail.now, with: {zone: UTC}", tool) == [
        ("ORD403", "`mail.now` takes no argument `zone`", "it takes none")
    ]


def test_what_the_filter_of_the_server_leaves_out_is_told_once() -> None:
    [problem] = of_step("uses: mail.secret")

    assert problem[1] == "the ToolServer mail does not offer `secret`"


def test_every_place_that_calls_a_tool_is_looked_at_where_it_stands() -> None:
    problems = told(
        """\
        kind: Task
        name: t
        schedule:
          condition: {uses: mail.read, with: {tone: 1}, every: 1m, when: result}
        pipeline:
          - id: s
            uses: mail.send
            with:
              to: a
              text: b
              copies: many
            effect: once
            on_unknown: {verify: mail.gone, when: result}
        finally:
          - {id: f, uses: mail.gone}""",
        """\
        kind: Pipeline
        name: p
        steps: [{id: s, uses: mail.gone}]""",
        """\
        kind: Task
        name: u
        namespace: other
        schedule: {manual: true}
        pipeline: [{id: s, uses: default/mail.gone}]""",
        tools=[SEND, taking("read", box=TEXT)],
    )

    assert [(one.line, one.column, one.code) for one in problems] == [
        (15, 45, "ORD403"),  # tone
        (22, 15, "ORD403"),  # many
        (24, 26, "ORD402"),  # in verify
        (26, 19, "ORD402"),  # in finally
        (31, 23, "ORD402"),  # of the Pipeline
        (38, 26, "ORD402"),  # from another namespace
    ]


@pytest.mark.parametrize("broken", ["condition", "all"])
def test_what_depends_on_a_template_is_left_to_the_run(broken: str) -> None:
    schema = {
        "type": "object",
        "properties": {"mode": TEXT, "x": WHOLE},
        "if": {"properties": {"mode": {"const": "fast"}}},
        "then": {"required": ["mode"]},
        "else": {"required": ["x"]},
        "anyOf": [{"required": ["mode"]}, {"properties": {"x": {"minimum": 5}}}],
    }
    tool = listed("do", inputSchema=schema)
    arguments = "mode: slow" if broken == "condition" else "mode: '${now}'"

    found = of_step(f"uses: mail.do, with: {{{arguments}}}", tool)

    assert [one[1] for one in found] == (["`mail.do` needs `x`"] if broken == "condition" else [])


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "no type"}, "not a valid JSON Schema"),
        ({"allOf": [{"$ref": "https://example.com/schema"}]}, "is not defined inside the schema"),
        ({"$ref": "#"}, "refers to itself without end"),
    ],
)
def test_a_schema_that_decides_nothing_is_a_warning(schema: dict[str, Any], why: str) -> None:
    tool = listed("do", inputSchema=schema)

    [problem] = told(f"{TASK}  - {{id: s, uses: mail.do, with: {{x: 1}}}}", tools=[tool])

    assert (problem.code, problem.severity) == ("ORD403", "warning")
    assert problem.message.startswith("the arguments of `mail.do` cannot be checked: ")
    assert why in problem.message


def test_what_is_not_locked_is_not_checked() -> None:
    call = f"{TASK}  - {{id: s, uses: mail.gone, with: {{x: 1}}}}"

    assert told(call) == []
    assert told(call, lock=lock_text(locked(other=[SEND]))) == []


def test_a_broken_tool_lock_is_an_error_with_its_place() -> None:
    [problem] = told(lock=b'{\n"format" 1}')

    assert (problem.code, problem.severity) == ("ORD017", "error")
    assert problem.place == "specs/tools.lock.json:2:10"
    assert problem.hint == "write it anew with `ordinaut tools lock`"


def test_a_secret_among_the_arguments_is_not_shown() -> None:
    secret = "ghp_" + "a1B2c3D4" * 5
    schema = json.loads(json.dumps(SEND["inputSchema"]))
    schema["properties"]["to"] = {"type": "string", "maxLength": 3}

    problems = told(
        f"{TASK}  - {{id: s, uses: mail.send, with: {{to: {secret}, text: b}}}}",
        tools=[{**SEND, "inputSchema": schema}],
    )

    assert {"ORD403", "ORD807"} <= {problem.code for problem in problems}
    assert secret not in "".join(problem.message + problem.hint for problem in problems)
