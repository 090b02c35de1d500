"""Policies at the command line: where they are refused, told, overridden and looked up again."""

from __future__ import annotations

from pathlib import Path

from runtime.errors import EXIT_BLOCKED
from tests.cli.test_plan import PROJECT, TASK, specs
from tests.cli.test_plan_base import clone, task
from tests.support.cli import Cli
from tests.support.git import Clone

__all__ = ["clone", "specs"]

POLICIES = """\
policies:
  urgent: {when: "changes[?body.priority > `7`]", message: ask the platform team}
"""


def test_a_refused_change_ends_with_3_until_there_is_a_reason(specs: Path, cli: Cli) -> None:
    project = specs / "ordinaut.yaml"
    project.write_text(project.read_text() + POLICIES)
    cli("apply", "--yes")
    (specs / "one.yaml").write_text(TASK.replace("NAME", "one") + "priority: 9\n")

    plan, apply = cli("plan"), cli("apply", "--yes")
    empty = cli("apply", "--yes", "--override-policy", "urgent=")
    other = cli("apply", "--yes", "--override-policy", "urgnt=the site is down")
    passed = cli("apply", "--yes", "--override-policy", "urgent=the site is down")
    back = cli("rollback", "--to", "r1", "--yes")

    assert plan.status == apply.status == EXIT_BLOCKED
    assert "Policies: 1 refuses" in plan.lines
    assert "Refused: breaks policy urgent: ask the platform team (one)" in plan.lines
    assert "error ORD215: the plan breaks policy urgent" in apply.stderr
    assert (empty.status, "say why it cannot wait" in empty.stderr) == (1, True)
    assert (other.status, "did you mean `urgent`?" in other.stderr) == (1, True)
    assert passed.status == back.status == 0
    shown = cli("show", "r2").stdout
    assert "urgent overridden: the site is down" in shown


def test_a_pull_request_is_judged_by_the_policies_of_its_base(clone: Clone, alone: Cli) -> None:
    clone.write({"specs/ordinaut.yaml": PROJECT + POLICIES})
    clone.commit("Urgent")
    clone.git("branch", "judged")
    clone.write({"specs/ordinaut.yaml": PROJECT, "specs/one.yaml": task("one", "priority: 9\n")})

    plan = alone("plan", "--base", "judged", "--md-out", "plan.md")

    assert plan.status == EXIT_BLOCKED
    assert "    ! has no policy urgent from the next plan on" in plan.lines
    assert "in force until this plan is applied" in plan.stdout
    assert "**Refused:** `breaks policy urgent" in Path("plan.md").read_text()


def test_a_policy_that_could_never_refuse_is_no_policy(specs: Path, alone: Cli) -> None:
    project = specs / "ordinaut.yaml"
    project.write_text(project.read_text() + POLICIES.replace("body.priority", "body.prioritty"))

    validated = alone("validate")

    assert validated.status == 1
    assert "error ORD502: a plan has no `prioritty` here" in validated.stdout
    assert "did you mean `priority`?" in validated.stdout
