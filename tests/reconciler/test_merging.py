"""What an agent may merge of its own: what stays within its namespace and its limits, and nothing else by whatever way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from reconciler.load import load_specs
from reconciler.merging import judge, merge
from reconciler.proposing import Draft, Ground, Words, draft, propose
from runtime.errors import PlanError
from schemas.proposal import Edits
from tests.support.git import Clone, new_repository

RULE = "{agent: assistant, namespace: bot, max_runs_per_day: 24, max_documents: 4}"
PROJECT = f"""\
apiVersion: ordinaut/v1
kind: Project
name: home
owner: me
environments: {{prod: {{overlay: overlays}}}}
secrets: {{bank: {{env: BANK}}}}
policies:
  no-mail: {{when: "changes[?contains(tools.added, 'fs.mail')]", message: sends mail}}
proposals: {{branch: main, merge: [{RULE}]}}
"""
OTHERS = """\
apiVersion: ordinaut/v1
kind: ToolServer
name: fs
stdio: {command: cat}
---
apiVersion: ordinaut/v1
kind: Agent
name: assistant
scopes: ["fs.*", ordinaut.run]
budgets: [{per: day, runs: 48}]
---
apiVersion: ordinaut/v1
kind: Agent
name: admin
scopes: ["*"]
---
apiVersion: ordinaut/v1
kind: Pipeline
name: payroll
namespace: hr
steps: [{id: look, uses: default/fs.list}]
---
apiVersion: ordinaut/v1
kind: Pipeline
name: shared
namespace: bot
steps: [{id: look, uses: default/fs.list}]
---
apiVersion: ordinaut/v1
kind: Task
name: users
namespace: hr
agent: default/admin
schedule: {manual: true}
pipeline: {use: bot/shared}
---
apiVersion: ordinaut/v1
kind: Task
name: own
namespace: bot
agent: default/assistant
schedule: {cron: "0 9 * * *", timezone: UTC}
pipeline: [{id: look, uses: default/fs.list}]
"""
NOTHING_MUCH = "apiVersion: ordinaut/v1\nkind: Agent\nname: admin\ncontact: me\n"
OVERLAY = """\
apiVersion: ordinaut/v1
kind: Task
name: own
namespace: bot
agent: default/admin
"""
TASK = """\
apiVersion: ordinaut/v1
kind: Task
name: later
namespace: bot
agent: default/assistant
schedule: {cron: "0 9 * * *", timezone: UTC}
pipeline: [{id: look, uses: default/fs.list}]
"""


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A repository in which one agent may merge in the namespace `bot`."""
    clone = new_repository(tmp_path)
    clone.write({".gitignore": ".ordinaut/\n", "specs/ordinaut.yaml": PROJECT, "specs/others.yaml": OTHERS})  # fmt: skip
    clone.write({"specs/overlays/one.yaml": NOTHING_MUCH})
    clone.commit("First")
    return clone


def drafted(clone: Clone, **edits: Any) -> tuple[Ground, Draft]:
    ground = Ground(clone.folder / "specs", "default", clone.folder / ".ordinaut")
    return ground, draft(ground, Edits(**edits))


def against(clone: Clone, name: str = "assistant", **edits: Any) -> str:
    """What speaks against a change; nothing if it may be merged."""
    merge = judge(*drafted(clone, **edits), name)
    assert (merge.branch, merge.merged) == ("main", False)
    return "; ".join(merge.reasons)


@pytest.mark.parametrize(
    "edits",
    [
        {"documents": TASK},
        {"documents": TASK.replace("[{id: look, uses: default/fs.list}]", "{use: shared}")},
        {"documents": TASK.replace("cron: \"0 9 * * *\"", "cron: \"0 */2 * * *\"")},
        {"documents": TASK.replace("schedule:", "renamed_from: own\nschedule:"), "delete": ["Task bot/own"]},
        {"patches": [{"document": "bot/own", "patch": {"description": "Mine."}}]},
        {"delete": ["Task bot/own"]},
    ],
)  # fmt: skip
def test_what_stays_within_the_rule_may_be_merged(clone: Clone, edits: dict[str, Any]) -> None:
    assert against(clone, **edits) == ""


def written(*changes: str, text: str = TASK) -> dict[str, Any]:
    """The task, with texts replaced: old, new, old, new."""
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    return {"documents": text}


def patched(document: str, **patch: Any) -> dict[str, Any]:
    """A patch of one document."""
    return {"patches": [{"document": document, "patch": patch}]}


STEPS = "[{id: look, uses: default/fs.list}]"
CRON = 'cron: "0 9 * * *"'
ESCAPES = {
    "another namespace": (written("namespace: bot\n", "namespace: hr\n"), "is outside of bot"),
    "no namespace": (written("namespace: bot\n", ""), "is outside of bot"),
    "a namespace that begins alike": (written("namespace: bot\n", "namespace: bot-2\n"), "is outside of bot"),
    "a task of others": (patched("hr/users", description="x"), "Task hr/users is outside of bot"),
    "the end of a task of others": ({"delete": ["hr/users"]}, "Task hr/users is outside of bot"),
    "its own powers": (patched("Agent assistant", scopes=["*"]), "is no Task, Pipeline or Calendar"),
    "an agent of its own": (
        {"documents": "apiVersion: ordinaut/v1\nkind: Agent\nname: assistant\nnamespace: bot\nscopes: ['*']\n---\n" + TASK.replace("default/assistant", "assistant")},
        "Agent bot/assistant is no Task, Pipeline or Calendar",
    ),
    "a tool server of its own": (
        {"documents": "apiVersion: ordinaut/v1\nkind: ToolServer\nname: fs\nnamespace: bot\nstdio: {command: sh}\n"},
        "ToolServer bot/fs is no Task, Pipeline or Calendar",
    ),
    "the rule itself": (
        patched("Project home", proposals={"merge": [{"agent": "assistant", "namespace": "hr", "max_runs_per_day": 288}]}),
        "Project home is no Task, Pipeline or Calendar",
    ),
    "the policies": (patched("Project home", policies=None), "Project home is no Task"),
    "the rule beside a task": (
        {**patched("Project home", guards={"max_retire": 99}), "documents": TASK},
        "Project home is no Task",
    ),
    "another agent": (written("default/assistant", "default/admin"), "would act for admin, and not for assistant"),
    "no agent": (written("agent: default/assistant\n", ""), "would act for no agent"),
    "a pipeline of others": (written(STEPS, "{use: hr/payroll}"), "would use the pipeline hr/payroll"),
    "a pipeline that others use": (
        patched("Pipeline bot/shared", steps=[{"id": "look", "uses": "default/fs.move"}]),
        "Task hr/users is outside of bot",
    ),
    "the history of others": (
        written("schedule:", "renamed_from: hr/users\nschedule:") | {"delete": ["hr/users"]},
        "would take the history of",
    ),
    "a history that only the database knows": (
        written("schedule:", "renamed_from: hr/gone\nschedule:"), "would take the history of hr/gone",
    ),
    "every minute": (written(CRON, 'cron: "* * * * *"'), "more than 24 runs on"),
    "every second": (written(CRON, "every: 1s, start: 2026-01-01T00:00"), "more than 24 runs on"),
    "many schedules": (
        written("schedule: {" + CRON + ", timezone: UTC}", "schedule:\n" + "".join(f'  - {{cron: "{n} 10 * * *", timezone: UTC}}\n' for n in range(25))),
        "more than 24 runs on",
    ),
    "much on one day of the year": (
        written(CRON, 'rrule: "FREQ=YEARLY;BYMONTH=6;BYMONTHDAY=1;BYHOUR=0,1,2;BYMINUTE=0,5,10,15,20,25,30,35,40,45,50,55;BYSECOND=0", start: 2026-01-01T00:00'),
        "more than 24 runs on",
    ),
    "much, but later": (written(CRON, "every: 1m, start: 2999-01-01T00:00"), "would begin more than 30 days from now"),
    "many tasks together": (
        {"documents": "---\n".join(TASK.replace("name: later", f"name: t{n}").replace("0 9", "0 */2") for n in range(2))},
        "more than 24 runs on",
    ),
    "many documents": (
        {"documents": "---\n".join(TASK.replace("name: later", f"name: t{n}") for n in range(3))},
        "would hold 5 documents; 4 are the most",
    ),
    "events": (written(CRON + ", timezone: UTC", "event: orders.created"), "would be started by events"),
    "a condition": (
        written(CRON + ", timezone: UTC", "condition: {uses: default/fs.list, when: 'result.x > `0`', every: 1s}"),
        "would be started by conditions",
    ),
    "a secret": (written("uses: default/fs.list", 'uses: default/fs.list, with: {a: "${secrets.bank}"}'), "would read secrets"),
    "a secret in a pipeline": (
        patched("Pipeline bot/shared", steps=[{"id": "look", "uses": "default/fs.list", "with": {"a": "x ${ secrets.bank }"}}]),
        "would read secrets",
    ),
    "a run of others": (
        written("uses: default/fs.list", "uses: ordinaut.run, with: {task: hr/users}"), "would run tasks outside of bot",
    ),
    "a run of whatever": (
        written("uses: default/fs.list", 'uses: ordinaut.run, with: {task: "${params.t}"}', "schedule:", "params: {t: hr/users}\nschedule:"),
        "would run tasks outside of bot",
    ),
    "slots of others": (written("schedule:", "concurrency: {key: crm}\nschedule:"), "would take slots of others"),
    "the first place": (written("schedule:", "priority: 9\nschedule:"), "would go before others"),
    "protection from people": (written("schedule:", "protect: true\nschedule:"), "would be protected"),
    "words to others": (
        written("schedule:", "notify: {on: failure, uses: default/fs.list}\nschedule:"), "would tell others by itself",
    ),
    "something destroyed": (
        written("uses: default/fs.list", "uses: default/fs.delete, approval: {by: [me]}"), "fs.delete, which destroys something",
    ),
    "what a policy refuses": (written("uses: default/fs.list", "uses: default/fs.mail"), "breaks"),
}  # fmt: skip


@pytest.mark.parametrize(("edits", "reason"), ESCAPES.values(), ids=ESCAPES.keys())
def test_nothing_else_is_merged(clone: Clone, edits: dict[str, Any], reason: str) -> None:
    assert reason in against(clone, **edits)


def test_an_overlay_of_people_is_not_a_way_out(clone: Clone) -> None:
    clone.write({"specs/overlays/one.yaml": OVERLAY})
    clone.commit("In prod the admin does it")

    reasons = against(clone, **patched("bot/own", timeout="5m"))

    assert reasons == "Task bot/own would act for admin, and not for assistant in prod"


@pytest.mark.parametrize(
    ("project", "others", "problem"),
    [
        (PROJECT.replace("agent: assistant", "agent: nobody"), OTHERS, "ORD009"),
        (PROJECT, OTHERS.replace("budgets: [{per: day, runs: 48}]", ""), "ORD018"),
        (PROJECT, OTHERS.replace("runs: 48", "tokens: 48"), "ORD018"),
        (PROJECT.replace("branch: main", "branch: --all"), OTHERS, "ORD007"),
        (PROJECT.replace("max_runs_per_day: 24", "max_runs_per_day: 1440"), OTHERS, "ORD007"),
    ],
)
def test_a_rule_that_bounds_nothing_is_no_rule(
    clone: Clone, project: str, others: str, problem: str
) -> None:
    clone.write({"specs/ordinaut.yaml": project, "specs/others.yaml": others})

    assert {one.code for one in load_specs(clone.folder / "specs").errors} == {problem}


def test_who_has_no_rule_merges_nothing(clone: Clone) -> None:
    assert against(clone, "stranger", documents=TASK) == (
        "no rule of `proposals.merge` lets stranger merge anything"
    )


def test_the_token_that_speaks_for_an_agent_may_have_another_name(clone: Clone) -> None:
    clone.write({"specs/ordinaut.yaml": PROJECT.replace("namespace: bot", "token: butler, namespace: bot")})  # fmt: skip
    clone.commit("Butler")

    assert against(clone, "butler", documents=TASK) == ""
    assert "lets assistant merge anything" in against(clone, "assistant", documents=TASK)


def test_the_budget_of_the_agent_counts_where_it_is_less(clone: Clone) -> None:
    clone.write({"specs/others.yaml": OTHERS.replace("runs: 48", "runs: 1")})
    clone.commit("Less")

    assert "bot would have more than 1 runs on" in against(clone, documents=TASK)


def test_what_people_told_to_be_told_does_not_stand_in_the_way(clone: Clone) -> None:
    notify = "defaults: {notify: [{on: failure, uses: fs.list, agent: admin}]}\n"
    clone.write({"specs/ordinaut.yaml": PROJECT + notify})
    clone.commit("Tell me")

    assert against(clone, documents=TASK) == ""


def test_a_task_that_is_called_like_a_notice_is_counted(clone: Clone) -> None:
    hidden = TASK.replace("name: later", "name: own-notify").replace("0 9 ", "0 * ")

    assert "more than 24 runs on" in against(clone, documents=hidden)
    clone.write({"specs/hidden.yaml": hidden.replace("0 * ", "0 0-22 ")})
    clone.commit("Hidden")
    assert "more than 24 runs on" in against(clone, documents=TASK.replace("0 9", "0 8"))
    manual = TASK.replace('{cron: "0 9 * * *", timezone: UTC}', "{manual: true}")
    two = manual + "---\n" + manual.replace("name: later", "name: more")
    assert against(clone, documents=two) == "bot would hold 5 documents; 4 are the most"


def test_a_proposal_from_elsewhere_than_the_branch_is_not_merged(clone: Clone) -> None:
    ground, made = drafted(clone, documents=TASK)
    clone.write({"README": "more"})
    clone.commit("More")

    reasons = judge(ground, made, "assistant").reasons

    assert reasons == (f"main is not at {made.base[:7]}, from which the proposal starts",)


def test_a_file_that_was_written_again_as_it_was_is_no_edit(clone: Clone) -> None:
    os.utime(clone.folder / "specs/others.yaml", (1, 1))
    ground, made = drafted(clone, **patched("bot/own", timeout="5m"))
    judged = judge(ground, made, "assistant")
    proposal = propose(ground, made, Words("", "", "assistant"))

    assert merge(made, proposal, judged, lambda _, __: None).merged
    assert clone.git("status", "--porcelain") == ""
    assert "timeout: 5m" in (clone.folder / "specs/others.yaml").read_text("utf-8")


def test_while_somebody_else_writes_the_index_it_stays_a_proposal(clone: Clone) -> None:
    ground, made = drafted(clone, **patched("bot/own", timeout="5m"))
    judged = judge(ground, made, "assistant")
    proposal = propose(ground, made, Words("", "", "assistant"))
    clone.write({".git/index.lock": ""})

    with pytest.raises(PlanError, match=f"{proposal.branch} stays a proposal"):
        merge(made, proposal, judged, lambda _, __: None)
    assert clone.git("rev-parse", "main") == made.base
