"""A part of a plan: what was asked for, what it refers to, and never a retirement."""

from __future__ import annotations

import pytest

from runtime.errors import NotFound
from schemas.plan import Plan
from tests.core.plan_story import AFTER, BEFORE, plan_of
from tests.support.specs import PROJECT, Database, compiled, database_of

SPECS = """
kind: ToolServer
name: fs
stdio: {command: mcp-fs, env: {KEY: "${secrets.key}"}}
---
kind: ToolServer
name: mail
stdio: {command: mcp-mail}
---
kind: Agent
name: helper
scopes: ["*"]
---
kind: Pipeline
name: looking
steps: [{id: look, uses: fs.list}]
---
kind: Calendar
name: days-off
timezone: UTC
dates: [2026-12-25]
---
kind: Task
name: one
namespace: ops
labels: {team: ops, tier: a}
agent: helper
schedule: {manual: true}
pipeline: {use: looking}
---
kind: Task
name: two
labels: {team: ops}
schedule: {manual: true}
pipeline: [{id: send, uses: mail.send}]
---
kind: Task
name: three
renamed_from: former
schedule: {condition: {uses: fs.poll, every: 5m, when: "result.new"}}
pipeline: [{id: look, uses: llm.plan}]
"""
WITH_SECRET = PROJECT + "\nsecrets: {key: {env: KEY}}"


def part(*only: str) -> Plan:
    """A part of the first plan of `SPECS`."""
    return _plan(Database({}), *only)


def _plan(database: Database, *only: str, text: str = SPECS, project: str = WITH_SECRET) -> Plan:
    return plan_of(database, compiled(text, project), only=only)


def changed(plan: Plan) -> set[str]:
    """What a plan would write, as `Kind key`."""
    return {f"{change.kind} {change.key}" for change in plan.changes}


def test_a_key_brings_what_it_refers_to_and_what_that_refers_to() -> None:
    assert changed(part("ops/one")) == {
        "Task ops/one",
        "Agent helper",
        "Pipeline looking",
        "ToolServer fs",
        "Project platform",
    }


def test_a_label_means_every_document_that_bears_it() -> None:
    plan = part("team=ops")

    assert {"Task ops/one", "Task two", "ToolServer mail"} <= changed(plan)
    assert "Task three" not in changed(plan)


def test_several_words_add_up() -> None:
    assert changed(part("two", "tier=a")) == changed(part("team=ops"))


def test_the_server_of_a_condition_comes_along() -> None:
    assert changed(part("three")) == {"Task three", "ToolServer fs", "Project platform"}


def test_a_former_name_means_the_document_too() -> None:
    assert changed(part("former")) == changed(part("three"))


def test_a_key_means_documents_of_any_kind() -> None:
    assert changed(part("days-off")) == {"Calendar days-off"}


def test_it_is_marked_as_partial_and_counts_what_is_left_out() -> None:
    whole, plan = _plan(Database({})), part("two")

    assert (whole.only, whole.left_out) == ((), 0)
    assert (plan.only, plan.left_out) == (("two",), len(whole.changes) - len(plan.changes))
    assert plan.summary.create == len(plan.changes)


def test_it_never_retires_and_leaves_the_guards_of_retirement_alone() -> None:
    plan = plan_of(database_of(BEFORE), compiled(AFTER), only=("ops/morning-brief",))

    assert [change.key for change in plan.changes] == ["ops/morning-brief"]
    assert (plan.summary.retire, plan.applyable) == (0, True)


def test_what_has_not_changed_is_still_counted_as_that() -> None:
    whole = plan_of(database_of(BEFORE), compiled(AFTER))
    plan = plan_of(database_of(BEFORE), compiled(AFTER), only=("ops/morning-brief",))

    assert plan.summary.unchanged == whole.summary.unchanged


def test_two_parts_with_the_same_effect_have_one_digest() -> None:
    assert part("two", "days-off").digest == part("days-off", "two").digest
    assert part("two").digest != part("days-off").digest


@pytest.mark.parametrize(
    ("word", "message", "hint"),
    [
        ("ops/onee", "no document of these specs has the key ops/onee", "did you mean `ops/one`?"),
        ("team=sales", "no document of these specs has the label team: sales", "known here"),
        ("team=", "no document of these specs has the label team: ", "known here"),
    ],
)
def test_what_means_nothing_is_refused(word: str, message: str, hint: str) -> None:
    with pytest.raises(NotFound) as refusal:
        part("two", word)

    assert refusal.value.message == message
    assert hint in refusal.value.hint


def test_a_document_of_the_default_namespace_goes_by_its_whole_key_too() -> None:
    assert [one.key for one in part("default/two").changes] == [
        one.key for one in part("two").changes
    ]
