"""What a change lets somebody do, and what a pipeline may refuse a plan for."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.fail_on import REFUSABLE, refusal_of
from reconciler.core.gains import gains_of
from runtime.errors import EXIT_BLOCKED
from schemas.plan import Plan
from schemas.problem import Problem
from tests.core.plan_story import BEFORE, drifted, plan_of, story, task
from tests.support.specs import PROJECT, Database, compiled, database_of

AGENT = """
kind: Agent
name: helper
scopes: [fs.list, mail.*]
deny: [fs.delete]
rate_limits: [{calls: 5, per: 1m}]
budgets: [{per: day, runs: 5}]
"""
SERVER = "kind: ToolServer\nname: fs\nstdio: {command: mcp-fs}\n"


def gains(before: str | None, after: str) -> tuple[str, ...]:
    """The gains of the one document that is not the Project."""
    database = database_of(before) if before else Database({})
    changes = [one for one in plan_of(database, compiled(after)).changes if one.kind != "Project"]
    return gains_of(changes[0])


@pytest.mark.parametrize(
    ("old", "new", "gained"),
    [
        ("fs.list, mail.*", "fs.list, mail.*, fs.move", ("may call fs.move",)),
        ("fs.list, mail.*", "mail.*", ()),
        ("deny: [fs.delete]", "deny: []", ("is not denied fs.delete",)),
        ("deny: [fs.delete]", "deny: [fs.delete, fs.move]", ()),
        (
            "scopes:",
            "destructive: granted\nscopes:",
            ("may call destructive tools without approval",),
        ),
        ("calls: 5", "calls: 50", ("has other rate limits",)),
        ("runs: 5", "tokens: 5", ("has other budgets",)),
        ("name: helper", "name: helper\nowner: team", ()),
        ("name: helper", "name: helper\ndescription: Helps.", ()),
    ],
)
def test_an_agent_gains_what_is_added_and_loses_in_silence(
    old: str, new: str, gained: tuple[str, ...]
) -> None:
    assert gains(AGENT, AGENT.replace(old, new)) == gained


def test_a_tool_server_with_other_rate_limits_may_let_more_through() -> None:
    limits = "rate_limits: [{calls: 5, per: 1m}]\n"

    assert gains(SERVER, SERVER + limits) == ("has other rate limits",)
    assert gains(SERVER + limits, SERVER) == ("has other rate limits",)


def test_granting_less_is_no_gain() -> None:
    granted = AGENT.replace("scopes:", "destructive: granted\nscopes:")

    assert gains(granted, AGENT) == ()


def test_a_new_agent_gains_all_its_scopes() -> None:
    assert gains(None, AGENT) == ("may call fs.list", "may call mail.*")


@pytest.mark.parametrize(
    ("after", "gained"),
    [
        (SERVER.replace("mcp-fs", "sh"), ("runs or reaches something else",)),
        (SERVER + "call_timeout: 5m\n", ()),
    ],
)
def test_a_server_gains_by_running_something_else(after: str, gained: tuple[str, ...]) -> None:
    assert gains(SERVER, after) == gained
    assert gains(None, SERVER) == ("is a new tool server",)


def test_a_task_gains_the_tools_it_did_not_call() -> None:
    found = {change.key: gains_of(change) for change in story().changes}

    assert found == {
        "ops/nightly-cleanup": ("calls fs.delete",),
        "sales/pipeline-digest": ("calls fs.list", "calls fs.send"),
        **dict.fromkeys(
            [
                "ops/fx-rates",
                "ops/morning-brief",
                "ops/oncall-ping",
                "ops/weekly-report",
                "support/inbox-triage",
            ],
            (),
        ),
    }


def _refusal(plan: Plan, *names: str) -> str | None:
    refusal = refusal_of(plan, names)
    return refusal and refusal.message


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("retire", "ops/fx-rates"),
        (
            "gain",
            "ops/nightly-cleanup calls fs.delete, sales/pipeline-digest calls fs.list, "
            "sales/pipeline-digest calls fs.send",
        ),
        ("drift", "ops/oncall-ping"),
        ("high", "ops/fx-rates, ops/nightly-cleanup"),
        (
            "change",
            "ops/fx-rates, ops/morning-brief, ops/nightly-cleanup, ops/oncall-ping, "
            "ops/weekly-report, and 2 more",
        ),
    ],
)
def test_a_refused_property_is_told_with_where_it_is(name: str, reasons: str) -> None:
    assert _refusal(story(), name) == f"--fail-on refuses this plan, {name}: {reasons}"


def test_several_properties_are_told_in_one_order() -> None:
    assert _refusal(story(), "drift", "conflict", "retire") == (
        "--fail-on refuses this plan, retire: ops/fx-rates; drift: ops/oncall-ping"
    )


@pytest.mark.parametrize("name", REFUSABLE)
def test_an_empty_plan_has_none_of_them(name: str) -> None:
    assert _refusal(plan_of(database_of(BEFORE), compiled(BEFORE)), name) is None


def test_a_conflict_and_a_kind_that_is_no_task_are_named() -> None:
    database = drifted(database_of(BEFORE), task("ops/nightly-cleanup"), description="by hand")
    after = BEFORE.replace("timezone: Europe/Berlin}", "timezone: UTC}").replace("mcp-fs", "sh")

    plan = plan_of(database, compiled(after))

    assert _refusal(plan, "conflict") == (
        "--fail-on refuses this plan, conflict: ops/nightly-cleanup"
    )
    assert "ToolServer fs runs or reaches something else" in (_refusal(plan, "gain") or "")


@pytest.mark.parametrize(
    ("severity", "refused"), [("warning", True), ("note", False), ("error", True)]
)
def test_warnings_count_and_notes_do_not(severity: Any, refused: bool) -> None:
    problem = Problem(
        code="ORD603", severity=severity, message="m", file="specs/a.yaml", line=3, column=5
    )

    message = _refusal(story(diagnostics=[problem]), "warning")

    assert message == (
        "--fail-on refuses this plan, warning: ORD603 specs/a.yaml:3:5" if refused else None
    )


def test_the_refusal_ends_with_3() -> None:
    refusal = refusal_of(story(), ["retire"])

    assert refusal is not None
    assert refusal.exit_code == EXIT_BLOCKED


def test_a_project_that_lets_an_agent_merge_more_says_whom_and_where() -> None:
    rule = (
        PROJECT + "\nproposals: {merge: [{agent: helper, namespace: bot, max_runs_per_day: %d}]}"
    )

    def told(before: str, after: str) -> tuple[str, ...]:
        database = Database(compiled(AGENT, before).documents)
        (change,) = plan_of(database, compiled(AGENT, after)).changes
        return gains_of(change)

    lets = ("lets helper merge its proposals in bot",)
    assert told(PROJECT, rule % 5) == lets
    assert told(rule % 5, rule % 50) == lets
    assert told(rule % 5, PROJECT) == ()
