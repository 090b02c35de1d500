"""What a plan gives reviewers to look at, and at which line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from reconciler.core.entry import Finding
from reconciler.core.remarks import Remarks, remarks_on
from reconciler.core.rules import Rules
from schemas.problem import Problem
from schemas.rules import Policy
from tests.core.plan_story import drifted, plan_of, task
from tests.support.specs import PROJECT, Database, compiled, database_of

AGENT = """
kind: Agent
name: helper
scopes:
  - fs.list
deny: [fs.delete]
budgets: [{per: day, runs: 5}]
"""
TASK = """
kind: Task
name: tidy
schedule: {manual: true}
pipeline:
  - {id: look, uses: fs.list}
  - id: purge
    uses: fs.move
    with: {to: /tmp}
"""
USING = """
kind: Task
name: tidy
schedule: {manual: true}
pipeline: {use: sweep}
---
kind: Pipeline
name: sweep
steps: [{id: look, uses: fs.list}]
"""
SERVER = """
kind: ToolServer
name: fs
stdio:
  command: mcp-fs
"""


def remarks(before: str, after: str) -> Remarks:
    """What is remarked on the plan from some documents to others, each of which is in a file of its own."""
    database = database_of(before) if before else Database({})
    documents = [PROJECT, *after.strip().split("\n---\n")]
    texts = {
        f"specs/{place:02}.yaml": f"apiVersion: ordinaut/v1\n{document}\n"
        for place, document in enumerate(documents)
    }
    return remarks_on(plan_of(database, compiled(after)), texts)


def told(problems: Iterable[Problem]) -> list[tuple[str, str, str]]:
    """Problems in short: severity, `file:line:column`, message."""
    return [
        (one.severity, one.place.removeprefix("specs/").replace(".yaml", ""), one.message)
        for one in problems
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  - fs.list", "  - fs.list\n  - fs.*", ("warning", "01:6:5", "may call fs.*")),
        ("deny: [fs.delete]", "deny: []", ("warning", "01:6:7", "is not denied fs.delete")),
        ("deny: [fs.delete]\n", "", ("warning", "01:1:1", "is not denied fs.delete")),
        ("runs: 5", "runs: 50", ("warning", "01:7:28", "has other budgets")),
        (
            "deny:",
            "destructive: granted\ndeny:",
            ("warning", "01:6:14", "may call destructive tools without approval"),
        ),
    ],
)
def test_a_gain_of_an_agent_is_remarked_where_it_is_written(
    old: str, new: str, expected: tuple[str, str, str]
) -> None:
    severity, place, words = expected

    found = remarks(AGENT, AGENT.replace(old, new))

    assert told(found.problems) == [(severity, place, f"Agent helper {words}")]
    assert [one.code for one in found.problems] == ["ORD217"]
    assert found.general == ()


def test_a_word_of_a_gain_is_not_looked_for_among_other_values() -> None:
    agent = AGENT.replace("scopes:", "owner: budgets\nscopes:")

    found = remarks(agent, agent.replace("runs: 5", "runs: 6"))

    assert told(found.problems) == [("warning", "01:8:28", "Agent helper has other budgets")]


def test_a_tool_that_a_task_gains_is_remarked_at_its_step() -> None:
    found = remarks(f"{SERVER}---{TASK.replace('fs.move', 'fs.list')}", f"{SERVER}---{TASK}")

    assert told(found.problems) == [("note", "02:8:11", "tidy calls fs.move")]


def test_each_tool_of_a_new_task_is_remarked() -> None:
    found = remarks(SERVER, f"{SERVER}---{TASK}")

    assert told(found.problems) == [
        ("note", "02:6:22", "tidy calls fs.list"),
        ("note", "02:8:11", "tidy calls fs.move"),
    ]


def test_a_tool_that_a_task_gains_by_its_pipeline_is_remarked_at_the_step_there() -> None:
    more = USING.replace("fs.list}]", "fs.list}, {id: purge, uses: fs.move}]")

    found = remarks(f"{SERVER}---{USING}", f"{SERVER}---{more}")

    assert told(found.problems) == [("note", "03:4:54", "tidy calls fs.move")]


def test_a_tool_of_a_pipeline_that_stays_is_remarked_where_the_task_uses_it() -> None:
    own = USING.replace("{use: sweep}", "[{id: wait, uses: ordinaut.sleep, with: {for: 1s}}]")

    found = remarks(f"{SERVER}---{own}", f"{SERVER}---{USING}")

    assert told(found.problems) == [("note", "02:5:11", "tidy calls fs.list")]


def test_another_program_of_a_server_is_remarked_where_it_is_named() -> None:
    found = remarks(SERVER, SERVER.replace("mcp-fs", "rm"))

    assert told(found.problems) == [
        ("warning", "01:5:12", "ToolServer fs runs or reaches something else")
    ]


def test_what_is_only_taken_away_or_described_is_not_remarked() -> None:
    less = AGENT.replace("  - fs.list", "  - fs.look").replace("fs.look", "fs.list")

    assert remarks(AGENT, f"{less}description: Helps.\n").problems == ()


def test_a_gain_of_a_file_that_is_not_at_hand_is_remarked_at_its_document() -> None:
    plan = plan_of(database_of(SERVER), compiled(f"{SERVER}---{TASK}"))

    assert [one.place for one in remarks_on(plan, {}).problems] == ["specs/02.yaml:1:1"] * 2


def test_problems_of_the_specs_go_before_gains() -> None:
    warning = Problem(
        code="ORD101", severity="warning", message="may be none", file="a", line=3, column=1
    )
    plan = plan_of(database_of(SERVER), compiled(f"{SERVER}---{TASK}"), diagnostics=[warning])

    assert [one.code for one in remarks_on(plan, {}).problems] == ["ORD101", "ORD217", "ORD217"]


def test_a_refusal_that_concerns_no_file_has_no_place() -> None:
    found = remarks(f"{SERVER}---{TASK}", SERVER)

    assert found.problems == ()
    assert found.general == (
        Finding(
            "ORD203",
            "the plan leaves nothing of the tasks",
            "if that is meant: `ordinaut apply --allow-retire 1`",
        ),
    )


def test_a_refusal_is_told_at_each_document_that_it_concerns() -> None:
    database = drifted(database_of(f"{SERVER}---{TASK}"), task("tidy"), priority=9)
    specs = compiled(f"{SERVER}---{TASK}priority: 3\n")

    found = remarks_on(plan_of(database, specs), {})

    assert told(found.problems) == [
        ("error", "02:1:1", "tidy was changed outside git too, and would be overwritten")
    ]
    assert found.problems[0].code == "ORD208"
    assert "--force-conflicts" in found.problems[0].hint
    assert found.general == ()


def test_taking_over_what_no_apply_made_is_told_at_the_document() -> None:
    database = database_of(f"{SERVER}---{TASK}")
    database.rows[task("tidy")] = replace(database.rows[task("tidy")], last=None)

    found = remarks_on(plan_of(database, compiled(f"{SERVER}---{TASK}")), {})

    assert ("error", "02:1:1", "tidy was made by no apply, and would be taken over") in told(
        found.problems
    )


BARS_MOVE = {
    "when": "changes[?contains(tools.added, 'fs.move')]",
    "message": "nothing may be moved",
}


def judged(after: str, **more: object) -> Remarks:
    """What is remarked on adding documents where a policy is in force."""
    policy = Policy.model_validate({**BARS_MOVE, **more})
    rules = Rules(policies={"calm": policy})
    plan = plan_of(database_of(f"{SERVER}---{TASK}"), compiled(after), rules=rules)
    return remarks_on(plan, {})


def test_a_policy_that_refuses_is_told_at_each_change_that_breaks_it() -> None:
    found = judged(f"{SERVER}---{TASK}---{TASK.replace('tidy', 'other')}")

    assert told(found.problems)[0] == (
        "error", "03:1:1", "other breaks policy calm: nothing may be moved",
    )  # fmt: skip
    assert found.problems[0].code == "ORD215"
    assert "--override-policy 'calm=REASON'" in found.problems[0].hint
    assert found.general == ()


def test_a_policy_that_only_warns_is_told_as_a_warning() -> None:
    found = judged(f"{SERVER}---{TASK}---{TASK.replace('tidy', 'other')}", severity="warning")

    assert told(found.problems)[0] == (
        "warning", "03:1:1", "other breaks policy calm: nothing may be moved",
    )  # fmt: skip
    assert found.general == ()


def test_a_policy_that_is_broken_by_what_has_no_file_is_told_without_a_place_too() -> None:
    words = {"when": "changes[?action == 'retire' || action == 'create']", "message": "be calm"}

    found = judged(f"{SERVER}---{TASK.replace('tidy', 'other')}", **words)

    assert [one.place for one in found.problems if one.code == "ORD215"] == ["specs/02.yaml:1:1"]
    assert [one.message for one in found.general if one.code == "ORD215"] == [
        "the plan breaks policy calm: be calm (other, tidy)"
    ]


def test_a_policy_that_warns_of_no_document_is_told_without_a_place() -> None:
    words = {"when": "summary.create", "message": "be calm", "severity": "warning"}

    found = judged(f"{SERVER}---{TASK}---{TASK.replace('tidy', 'other')}", **words)

    assert found.general == (
        Finding("ORD215", "the plan breaks policy calm: be calm (1)", severity="warning"),
    )


def test_a_policy_that_cannot_be_evaluated_is_told_as_what_it_is() -> None:
    found = judged(f"{SERVER}---{TASK}---{TASK.replace('tidy', 'other')}", when="abs(`true`)")

    assert [one.code for one in found.general] == ["ORD216"]
