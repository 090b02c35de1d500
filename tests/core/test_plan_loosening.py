"""Rules that hold less from the next plan on are told as loudly as a gain, and those that hold more are not."""

from __future__ import annotations

import pytest

from reconciler.core.fail_on import refusal_of
from reconciler.core.gains import gains_of
from reconciler.core.look import Look
from reconciler.core.render import render_plan
from reconciler.core.render_markdown import render_markdown
from schemas.plan import Plan
from tests.core.plan_story import plan_of
from tests.support.specs import Database, compiled

WINDOW = "{rrule: FREQ=WEEKLY;BYDAY=FR, timezone: UTC, duration: 1d}"
OTHER = "{rrule: FREQ=WEEKLY;BYDAY=SU, timezone: UTC, duration: 1d}"
CALM = "{when: changes, message: m}"


def planned(before: str, after: str) -> Plan:
    head = "kind: Project\nname: platform\nowner: team-ops\nenvironments: {prod: {}, beta: {}}\n"
    return plan_of(Database(compiled("", head + before).documents), compiled("", head + after))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (f"policies: {{calm: {CALM}}}", "", ("has no policy calm",)),
        (f"policies: {{a: {CALM}, b: {CALM}}}", f"policies: {{a: {CALM}}}", ("has no policy b",)),
        (
            f"policies: {{a: {CALM}}}",
            "policies: {a: {when: changes, message: m, severity: warning}}",
            ("is only warned by policy a",),
        ),
        (
            f"policies: {{a: {CALM}}}",
            "policies: {a: {when: 'changes[1:]', message: m}}",
            ("has another policy a",),
        ),
        (
            f"policies: {{a: {CALM}}}",
            "policies: {a: {when: changes, message: m, environments: [beta]}}",
            ("has policy a elsewhere",),
        ),
        (
            "policies: {a: {when: changes, message: m, environments: [beta]}}",
            "policies: {a: {when: changes, message: m, environments: [prod]}}",
            ("has policy a elsewhere",),
        ),
        ("", "guards: {max_retire: 50}", ("has max_retire 5 -> 50",)),
        ("", "guards: {max_retire_percent: 12.5}", ("has max_retire_percent 10 -> 12.5",)),
        (f"guards: {{freeze: [{WINDOW}]}}", "", ("has no freeze windows any more",)),
        (
            f"guards: {{freeze: [{WINDOW}]}}",
            f"guards: {{freeze: [{OTHER}]}}",
            ("has other freeze windows",),
        ),
        ("heal: heal", "heal: alert", ("has heal heal -> alert",)),
        ("protect: true", "", ("is not protected any more",)),
    ],
)
def test_what_holds_less_is_told(before: str, after: str, told: tuple[str, ...]) -> None:
    plan = planned(before, after)
    (change,) = plan.changes

    assert gains_of(change) == told
    assert (change.impact, change.impact_reasons) == ("high", ("what plans are held to",))
    assert f"    ! {told[0]} from the next plan on\n" in render_plan(plan, Look())
    assert refusal_of(plan, ["gain"]) is not None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"policies: {{calm: {CALM}}}"),
        (f"policies: {{a: {CALM}}}", f"policies: {{a: {CALM}, b: {CALM}}}"),
        (f"policies: {{a: {CALM}}}", "policies: {a: {when: changes, message: other}}"),
        (
            "policies: {a: {when: changes, message: m, severity: warning}}",
            f"policies: {{a: {CALM}}}",
        ),
        (
            "policies: {a: {when: changes, message: m, environments: [beta]}}",
            f"policies: {{a: {CALM}}}",
        ),
        ("", "guards: {max_retire: 1, max_retire_percent: 1}"),
        (f"guards: {{freeze: [{WINDOW}]}}", f"guards: {{freeze: [{WINDOW}, {OTHER}]}}"),
        ("heal: 'off'", "heal: heal"),
        ("", "protect: true"),
        ("", "description: Ours."),
    ],
)
def test_what_holds_more_is_no_gain(before: str, after: str) -> None:
    plan = planned(before, after)

    assert gains_of(plan.changes[0]) == ()
    assert plan.changes[0].impact != "high"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("guards: {max_retire: 5}", "guards: {max_retire: 5000}", "has max_retire 5 -> 5000"),
        (f"guards: {{freeze: [{WINDOW}]}}", "", "has no freeze windows any more"),
        ("protect: true", "", "is not protected any more"),
    ],
)
def test_what_holds_less_weighs_high_is_told_in_words_and_can_be_refused(
    before: str, after: str, told: str
) -> None:
    plan = planned(before, after)

    assert plan.summary.impact == "high"
    assert f"! {told} from the next plan on" in render_plan(plan, Look(width=80))
    assert told in render_markdown(plan)
    refused = refusal_of(plan, ["guard"])
    assert refused is not None
    assert f"guard: Project platform {told}" in refused.message
    assert refusal_of(planned(after, before), ["guard"]) is None
