"""Policies: who judges, what is found, and what it takes to go on all the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.core.fail_on import refusal_of
from reconciler.core.guards import Allowed, refusal, refused
from reconciler.core.look import Look
from reconciler.core.policies import policy_words, under_policies
from reconciler.core.render import render_plan
from reconciler.core.render_markdown import render_markdown
from reconciler.core.rules import Rules
from runtime.errors import NotFound, PolicyBroken, PolicyFailed
from schemas.plan import Plan
from schemas.policy import PlanPolicy
from schemas.rules import Policy
from tests.core.plan_story import AFTER, BEFORE, plan_of
from tests.support.specs import PROJECT, Database, compiled, database_of

RETIRES = "changes[?action=='retire']"
NEVER = "changes[?owner=='nobody']"


def policy(when: str, **more: Any) -> dict[str, Any]:
    return {"when": when, "message": "it should not", **more}


def project(policies: Mapping[str, Any]) -> str:
    places = "\nenvironments: {prod: {}, laptop: {}}"
    return PROJECT + places + (f"\npolicies: {json.dumps(policies)}" if policies else "")


def planned(
    applied: Mapping[str, Any], wanted: Mapping[str, Any] | None = None, **allowed: Any
) -> Plan:
    """The plan of the story where these policies are applied and wanted."""
    database = database_of(BEFORE)
    wanted = applied if wanted is None else wanted
    rules = Rules(policies={name: Policy(**one) for name, one in applied.items()})
    specs = compiled(AFTER, project(wanted))
    return plan_of(database, specs, rules=rules, allowed=Allowed(**allowed), environment="prod")


def one(plan: Plan) -> PlanPolicy:
    (found,) = plan.policies
    return found


def test_a_policy_that_finds_nothing_lets_the_plan_pass() -> None:
    plan = planned({"calm": policy(NEVER)})

    assert plan.applyable
    assert one(plan).model_dump(exclude_defaults=True) == {
        "name": "calm",
        "standing": "kept",
        "severity": "error",
        "ok": True,
        "message": "it should not",
    }


def test_a_policy_that_finds_changes_refuses_and_names_them() -> None:
    plan = planned({"calm": policy(RETIRES)})

    assert not plan.applyable
    assert one(plan).found == ("ops/fx-rates",)
    error = refusal(refused(plan.guards))
    assert isinstance(error, PolicyBroken)
    assert (error.code, error.exit_code) == ("ORD215", 3)
    assert error.message == "the plan breaks policy calm: it should not (ops/fx-rates)"
    assert "--override-policy 'calm=REASON'" in error.hint


def test_a_warning_is_told_and_refuses_nothing() -> None:
    plan = planned({"calm": policy(RETIRES, severity="warning")})

    assert plan.applyable
    assert not one(plan).ok
    error = refusal_of(plan, ["warning"])
    assert error is not None
    assert "policy calm" in error.message


@pytest.mark.parametrize(
    ("when", "found"),
    [
        (RETIRES, ("ops/fx-rates",)),
        ("changes[?action=='retire'].owner", ("team-finance",)),
        ("changes[?action=='retire'].{kind: kind, key: key}", ("ops/fx-rates",)),
        ("changes[?action=='retire'] | [0]", ("ops/fx-rates",)),
        ("changes[?action=='retire'].queue.kept", ("0",)),
        ("changes[?kind=='Project']", ("Project platform",)),
        ("summary.retire > `0`", ()),
        ("source.pull_request", ("212",)),
        ("changes[?action=='retire'].{o: owner}", ('{"o":"team-finance"}',)),
        ("[changes[?action=='retire'], changes[?action=='retire']][]", ("ops/fx-rates",)),
    ],
)
def test_what_breaks_a_policy_is_named_as_its_expression_gives_it(
    when: str, found: tuple[str, ...]
) -> None:
    assert one(planned({}, {"calm": policy(when)})).found == found


def test_where_much_breaks_a_policy_some_of_it_is_named() -> None:
    asked = PlanPolicy(
        name="calm",
        standing="kept",
        severity="error",
        ok=False,
        message="it should\nnot",
        found=tuple("abcdefg"),
    )

    assert policy_words(asked) == "policy calm: it should not (a, b, c, d, e, and 2 more)"


class TestWhoJudges:
    def test_what_a_plan_takes_out_judges_it_once_more(self) -> None:
        plan = planned({"calm": policy(RETIRES)}, {"other": policy(NEVER)})

        assert [(p.name, p.standing, p.ok) for p in plan.policies] == [
            ("calm", "leaving", False),
            ("other", "new", True),
        ]
        assert not plan.applyable
        assert "in force until this plan is applied" in refused(plan.guards)[0].hint

    def test_what_a_plan_weakens_judges_it_as_it_was_and_as_it_becomes(self) -> None:
        plan = planned({"calm": policy(RETIRES)}, {"calm": policy(RETIRES, severity="warning")})

        assert [(p.standing, p.severity, p.ok) for p in plan.policies] == [
            ("leaving", "error", False),
            ("new", "warning", False),
        ]
        assert not plan.applyable

    def test_what_a_plan_brings_judges_it_already(self) -> None:
        plan = planned({}, {"calm": policy(RETIRES)})

        assert one(plan).standing == "new"
        assert not plan.applyable

    def test_before_the_first_apply_the_wanted_policies_judge(self) -> None:
        plan = plan_of(
            Database({}),
            compiled(AFTER, project({"calm": policy("changes[?action=='create']")})),
            base=None,
        )

        assert not plan.applyable

    @pytest.mark.parametrize(("environment", "asked"), [("prod", True), ("laptop", False)])
    def test_a_policy_judges_only_where_it_holds(self, environment: str, asked: bool) -> None:
        plan = planned({"calm": policy(RETIRES, environments=(environment,))})

        assert bool(plan.policies) is asked

    def test_a_plan_without_changes_is_not_judged(self) -> None:
        specs = compiled(BEFORE, project({"calm": policy("source")}))
        rules = Rules(policies={"calm": Policy(**policy("source"))})
        plan = plan_of(Database(specs.documents), specs, rules=rules)

        assert (plan.changes, plan.policies, plan.applyable) == ((), (), True)

    def test_what_restores_what_was_applied_is_not_judged(self) -> None:
        plan = planned({"calm": policy(RETIRES)}, policies=None)

        assert (plan.policies, plan.applyable) == ((), True)


class TestAFailure:
    BROKEN = "changes[?starts_with(former_key, 'x')]"

    def test_a_policy_that_cannot_be_evaluated_refuses(self) -> None:
        plan = planned({"calm": policy(self.BROKEN)})

        assert not plan.applyable
        error = refusal(refused(plan.guards))
        assert isinstance(error, PolicyFailed)
        assert (error.code, error.exit_code) == ("ORD216", 3)
        assert "cannot be evaluated: changes[?starts_with" in error.message
        assert "mend its expression" in error.hint

    def test_a_warning_that_cannot_be_evaluated_is_told(self) -> None:
        plan = planned({"calm": policy(self.BROKEN, severity="warning")})

        assert plan.applyable
        assert one(plan).failure is not None
        assert "! policy calm cannot be evaluated" in render_plan(plan, Look())

    def test_one_that_takes_too_much_refuses(self) -> None:
        plan = planned({"calm": policy(" | ".join(["[@, @]"] * 60))})

        assert "too much room" in (one(plan).failure or "")
        assert not plan.applyable


class TestOverriding:
    def test_a_reason_lets_the_plan_pass_and_is_shown(self) -> None:
        plan = planned({"calm": policy(RETIRES)}, policies={"calm": "the vendor is gone"})

        assert plan.applyable
        assert one(plan).override == "the vendor is gone"
        assert "Policies: 1 overridden" in render_plan(plan, Look())
        assert "overridden: the vendor is gone" in render_plan(plan, Look())

    def test_a_reason_for_one_policy_is_none_for_another(self) -> None:
        plan = planned(
            {"calm": policy(RETIRES), "quiet": policy("source")}, policies={"calm": "so"}
        )

        assert [guard.name for guard in refused(plan.guards)] == ["policy"]

    def test_a_reason_that_is_not_needed_is_not_kept(self) -> None:
        assert one(planned({"calm": policy(NEVER)}, policies={"calm": "so"})).override is None

    def test_a_policy_that_does_not_exist_cannot_be_overridden(self) -> None:
        with pytest.raises(NotFound) as caught:
            planned({"calm": policy(RETIRES)}, policies={"clam": "so"})

        assert caught.value.hint == "did you mean `calm`?"


class TestTheDigest:
    def test_what_policies_say_is_no_part_of_it(self) -> None:
        plan = planned({"calm": policy(RETIRES)})
        quiet = {"calm": Policy(**policy(NEVER))}

        assert under_policies(plan, quiet, {}).digest == plan.digest

    def test_what_policies_become_is(self) -> None:
        assert (
            planned({}, {"calm": policy(NEVER)}).digest
            != planned({}, {"calm": policy(RETIRES)}).digest
        )


class TestTold:
    def test_the_text_counts_them_and_says_what_the_others_say(self) -> None:
        plan = planned(
            {
                "calm": policy(RETIRES),
                "quiet": policy("source.pull_request", severity="warning"),
                "still": policy(NEVER),
            }
        )
        text = render_plan(plan, Look())

        assert "Policies: 1 ok, 1 warns, 1 refuses\n! policy quiet: it should not (212)\n" in text
        assert "Refused: breaks policy calm: it should not (ops/fx-rates)" in text

    def test_a_comment_says_it_before_everything_else(self) -> None:
        told = {"calm": policy(RETIRES), "quiet": policy("source", severity="warning")}
        text = render_markdown(planned(told))

        head, _, _ = text.partition("| task |")
        assert "**Refused:** `breaks policy calm: it should not (ops/fx-rates)`" in head
        assert "Policies: 1 warns, 1 refuses. `policy quiet: it should not" in head

    def test_without_policies_nothing_is_said_of_them(self) -> None:
        plan = planned({})

        assert "Policies" not in render_plan(plan, Look())
        assert "Policies" not in render_markdown(plan)

    def test_a_message_cannot_write_over_what_a_reviewer_sees(self) -> None:
        plan = planned({"calm": policy(RETIRES) | {"message": "fine\x1b[2K\r ok"}})

        assert "\x1b" not in render_plan(plan, Look())
        assert "\x1b" not in refusal(refused(plan.guards)).message
