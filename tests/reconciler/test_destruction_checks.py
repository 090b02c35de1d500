"""A plan refuses calls that destroy something, by the tool lock, on behalf of an agent that needs an approval for them."""

from __future__ import annotations

from textwrap import indent
from typing import Any

import pytest

from schemas.problem import Problem
from tests.reconciler.test_contract_checks import told
from tests.support.contracts import listed

WIPE = listed("wipe", annotations={"destructiveHint": True})
TOOLS = [WIPE, listed("delete_all"), listed("read", annotations={"readOnlyHint": True})]
AGENT = "kind: Agent\nname: bot\nscopes: ['*']"
GRANTED = f"{AGENT}\ndestructive: granted"
ASK = "{id: ask, uses: ordinaut.approve, with: {by: [ana]}}"


def task(*steps: str, more: str = "agent: bot", schedule: str = "{manual: true}") -> str:
    listing = indent("\n".join(f"- {step}" for step in steps), "  ")
    return f"kind: Task\nname: t\nschedule: {schedule}\n{more}\npipeline:\n{listing}"


def errors(*documents: str, tools: list[dict[str, Any]] | None = None) -> list[Problem]:
    """Those of the kind that is meant; nothing else is wrong."""
    found = told(*documents, tools=TOOLS if tools is None else tools)
    assert {one.code for one in found if one.severity == "error"} <= {"ORD422"}
    return [one for one in found if one.code == "ORD422"]


def test_a_call_before_which_nobody_is_asked_is_told_with_its_place() -> None:
    [one] = errors(AGENT, task("{id: clean, uses: mail.wipe}"))

    assert (one.severity, one.message, one.hint) == (
        "error",
        "`mail.wipe` may destroy something, as the tool lock has it, and nobody approves step clean",
        "give the step an `approval`, or the agent bot `destructive: granted`",
    )
    assert (one.file, one.line, one.column) == ("specs/all.yaml", 22, 23)


@pytest.mark.parametrize(
    "steps",
    [
        ["{id: a, uses: mail.wipe, approval: {by: [ana]}}"],
        [ASK, "{id: a, uses: mail.wipe}"],
        [ASK, "{id: a, uses: mail.read}", "{id: b, uses: mail.wipe}"],
        [ASK, "{id: a, uses: mail.read, needs: []}", "{id: b, uses: mail.wipe, needs: [ask, a]}"],
        ["{id: a, uses: mail.read}", "{id: b, uses: mail.delete_all}"],
    ],
)
def test_a_call_that_somebody_approves_or_that_does_not_destroy_is_not_told(
    steps: list[str],
) -> None:
    assert errors(AGENT, task(*steps)) == []


@pytest.mark.parametrize(
    "steps",
    [
        [ASK, "{id: a, uses: mail.wipe, needs: []}"],
        ["{id: a, uses: mail.wipe}", ASK],
        [ASK.replace("}}", "}, foreach: '${params.list}'}"), "{id: a, uses: mail.wipe}"],
        ["{id: b, uses: mail.read, effect: once, on_unknown: {verify: mail.wipe, when: result}}"],
    ],
)
def test_an_approval_of_something_else_does_not_count(steps: list[str]) -> None:
    more = "agent: bot\nparams: {list: [1]}"

    assert len(errors(AGENT, task(*steps, more=more))) == 1


def test_what_comes_finally_and_each_poll_need_one_too() -> None:
    last = "agent: bot\nfinally: [{id: last, uses: mail.wipe}]"
    poll = "{condition: {uses: mail.wipe, every: 5m, when: result}}"

    [final] = errors(AGENT, task(ASK, more=last))
    [polled] = errors(AGENT, task(ASK, schedule=poll))

    assert final.message.endswith("nobody approves step last")
    assert polled.message.endswith("nobody approves each poll")


def test_steps_of_a_pipeline_document_are_held_to_the_agent_of_the_task() -> None:
    pipeline = "kind: Pipeline\nname: tidy\nsteps: [{id: clean, uses: mail.wipe}]"
    users = [
        f"kind: Task\nname: {name}\nschedule: {{manual: true}}\npipeline: {{use: tidy}}{agent}"
        for name, agent in (("a", "\nagent: bot"), ("b", ""))
    ]

    [one] = errors(AGENT, pipeline, *users)

    assert one.message.endswith("nobody approves step clean of the pipeline tidy")


def test_where_it_is_granted_where_nobody_is_named_and_where_nothing_is_locked_nothing_is_told() -> (
    None
):
    wipes = "{id: a, uses: mail.wipe}"

    assert errors(GRANTED, task(wipes)) == []
    assert errors(task(wipes, more="owner: me")) == []
    assert [one for one in told(AGENT, task(wipes)) if one.code == "ORD422"] == []


def test_steps_in_a_circle_are_told_about_as_such_alone() -> None:
    steps = ["{id: a, uses: mail.wipe, needs: [b]}", "{id: b, uses: mail.read}"]

    found = told(AGENT, task(*steps), tools=TOOLS)

    assert {one.code for one in found if one.severity == "error"} == {"ORD013"}
