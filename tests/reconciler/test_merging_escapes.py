"""Ways out of a namespace that a proposal alone does not show: what people wrote there, what is shared by a key, what comes late."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.reconciler.test_merging import CRON, OTHERS, PROJECT, TASK, against, patched, written
from tests.support.git import Clone, new_repository

PEOPLE = """\
---
apiVersion: ordinaut/v1
kind: Pipeline
name: looking
namespace: bot
steps: [{id: look, uses: default/fs.list}]
---
apiVersion: ordinaut/v1
kind: Task
name: orders
namespace: hr
agent: default/admin
schedule: {manual: true}
pipeline: [{id: look, uses: default/fs.list}]
---
apiVersion: ordinaut/v1
kind: Task
name: orders-notify
namespace: hr
agent: default/admin
schedule: {event: orders.created}
pipeline: {use: bot/looking}
---
apiVersion: ordinaut/v1
kind: Task
name: payroll
namespace: bot
agent: default/admin
schedule: {manual: true}
params: {sum: 1}
pipeline: [{id: look, uses: default/fs.list, with: {sum: "${params.sum}"}}]
---
apiVersion: ordinaut/v1
kind: Task
name: tidying
namespace: bot
agent: default/assistant
schedule: {manual: true}
pipeline: [{id: tidy, uses: default/fs.delete, with: {path: /tmp/x}, approval: {by: [me]}}]
---
apiVersion: ordinaut/v1
kind: Task
name: kept
namespace: bot
agent: default/assistant
protect: true
schedule: {manual: true}
pipeline: [{id: look, uses: default/fs.list}]
---
apiVersion: ordinaut/v1
kind: Calendar
name: days
namespace: bot
timezone: UTC
dates: [2026-12-25]
---
apiVersion: ordinaut/v1
kind: Task
name: of-days
namespace: hr
agent: default/admin
schedule: {cron: "0 9 * * *", timezone: UTC, exclude: [bot/days]}
pipeline: [{id: look, uses: default/fs.list}]
"""
STEP = "uses: default/fs.list"
MINUTES = [f"2029-01-01T00:{minute:02}" for minute in range(25)]
OFTEN = "BYHOUR=0,1;BYMINUTE=0,4,8,12,16,20,24,28,32,36,40,44,48;BYSECOND=0"


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A repository in which people have documents of their own in the agent's namespace, too."""
    clone = new_repository(tmp_path)
    project = PROJECT.replace("max_documents: 4", "max_documents: 9")
    agents = OTHERS.replace("ordinaut.run]", "ordinaut.run, ordinaut.emit]")
    clone.write({".gitignore": ".ordinaut/\n", "specs/ordinaut.yaml": project})
    clone.write({"specs/others.yaml": agents + PEOPLE})
    clone.write({"specs/overlays/one.yaml": "apiVersion: ordinaut/v1\nkind: Agent\nname: admin\n"})
    clone.commit("First")
    return clone


ESCAPES: dict[str, tuple[dict[str, Any], str]] = {
    "a pipeline of a task that is called like a notice": (
        patched("Pipeline bot/looking", steps=[{"id": "look", "uses": "default/fs.move"}]),
        "Task hr/orders-notify is outside of bot",
    ),
    "a calendar of others": (
        patched("Calendar bot/days", dates=["2026-12-26"]), "Task hr/of-days is outside of bot",
    ),
    "a secret in other letters": (
        written(STEP, STEP + r""", with: {a: '${"\u0073ecrets".bank}'}"""), "would read secrets",
    ),
    "a task of somebody else in its namespace": (
        written(STEP, "uses: ordinaut.run, with: {task: bot/payroll, params: {sum: 2}}"),
        "would run bot/payroll, which does not act for assistant",
    ),
    "the same, when all is over": (
        written("}]\n", "}]\nfinally: [{id: pay, uses: ordinaut.run, with: {task: payroll}}]\n"),
        "would run bot/payroll, which does not act for assistant",
    ),
    "an event that others listen to": (
        written(STEP, "uses: ordinaut.emit, with: {event: orders.created}"), "would tell others of events",
    ),
    "an event of whatever topic": (
        written(STEP, 'uses: ordinaut.emit, with: {event: "${params.t}"}', "schedule:", "params: {t: orders.created}\nschedule:"),
        "would tell others of events",
    ),
    "kept results of others": (
        written(STEP, STEP + ", cache: {ttl: 300d, key: report}"), "would share results with others",
    ),
    "calls of others": (
        written(STEP, STEP + ", idempotency: {argument: key, key: pay}"), "would share calls with others",
    ),
    "what somebody let it destroy": (
        patched("bot/tidying", pipeline=[{"id": "tidy", "uses": "default/fs.delete", "with": {"path": "/"}, "approval": {"by": ["you"]}}]),
        "fs.delete, which destroys something",
    ),
    "when it destroys": (patched("bot/tidying", schedule={"manual": None, "cron": "0 9 * * *", "timezone": "UTC"}), "fs.delete, which destroys something"),
    "protection by people": (patched("bot/kept", protect=None), "would lose its protection"),
    "protection by people under another name": (
        written("name: later", "name: lost\nrenamed_from: kept") | {"delete": ["bot/kept"]},
        "would lose its protection",
    ),
    "a tool of everybody": (
        written("schedule:", 'labels: {mcp.expose: "true"}\nschedule:'), "would be a tool of everybody",
    ),
    "many instants in years": (
        written(CRON, f"at: [{', '.join(MINUTES)}]"), "more than 24 runs on 2029-01-01",
    ),
    "many instants beside a rule": (
        written(CRON, f'rrule: "FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=1", rdate: [{", ".join(MINUTES)}]'),
        "more than 24 runs on 2029-01-01",
    ),
    "a leap day": (written(CRON, 'cron: "* * 29 2 *"'), "more than 24 runs on 2028-02-29"),
    "every tenth year": (
        written(CRON, f'rrule: "FREQ=YEARLY;INTERVAL=10;BYMONTH=6;BYMONTHDAY=1;{OFTEN}", start: 2026-01-01T00:00'),
        "more than 24 runs on 2036-06-01",
    ),
    "every tenth year, beside every day": (
        written(CRON, f'rrule: ["FREQ=DAILY", "FREQ=YEARLY;INTERVAL=10;BYMONTH=6;BYMONTHDAY=1;{OFTEN}"], start: 2026-01-01T00:00'),
        "more than 24 runs on 2036-06-01",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("edits", "reason"), ESCAPES.values(), ids=ESCAPES.keys())
def test_no_way_around_is_merged(clone: Clone, edits: dict[str, Any], reason: str) -> None:
    assert reason in against(clone, **edits)


@pytest.mark.parametrize(
    "edits",
    [
        written(STEP, "uses: ordinaut.run, with: {task: own}"),
        written(STEP, "uses: ordinaut.emit, with: {event: bot.done}"),
        written(STEP, STEP + ', cache: {ttl: 1d, key: "bot/${task.name}"}'),
        written(STEP, STEP + ", cache: {ttl: 1d}"),
        written(CRON, "at: [2029-01-01T09:00]"),
        written(CRON, 'cron: "0 9 29 2 *"'),
    ],
)
def test_what_is_the_agents_own_may_be_merged(clone: Clone, edits: dict[str, Any]) -> None:
    assert against(clone, **edits) == ""


def test_a_namespace_of_one_proposal_is_judged_with_what_the_others_brought(clone: Clone) -> None:
    clone.write({"specs/first.yaml": TASK.replace(CRON, 'cron: "*/5 0 29 2 *"')})
    clone.commit("Harmless alone")
    second = TASK.replace("name: later", "name: too").replace(CRON, 'cron: "2-59/4 0 29 2 *"')

    assert "more than 24 runs on 2028-02-29" in against(clone, documents=second)
