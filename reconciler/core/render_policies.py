"""What policies make of a plan, as text: how many keep quiet, and what the others say that refuse nothing."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from reconciler.core.look import Look, visible
from reconciler.core.policies import policy_words, refuses
from schemas.plan import Plan
from schemas.policy import PlanPolicy


def policy_counts(plan: Plan) -> str | None:
    """`Policies: 3 ok, 1 warns`; None where none judged."""
    if not plan.policies:
        return None
    refusing = sum(map(refuses, plan.policies))
    overridden = sum(one.override is not None for one in plan.policies)
    ok = sum(one.ok for one in plan.policies)
    warning = len(plan.policies) - ok - overridden - refusing
    numbers = {
        "ok": ok,
        "warns" if warning == 1 else "warn": warning,
        "overridden": overridden,
        "refuses" if refusing == 1 else "refuse": refusing,
    }
    return "Policies: " + ", ".join(f"{count} {word}" for word, count in numbers.items() if count)


def told_policies(plan: Plan) -> Iterator[str]:
    """What policies say that do not keep the plan from being applied; those that do are among its guards."""
    for policy in plan.policies:
        if not policy.ok and not refuses(policy):
            yield policy_words(policy) + _override(policy)


def policy_lines(plan: Plan, look: Look) -> Iterator[str]:
    """All of it, as the foot of a plan has it."""
    if counts := policy_counts(plan):
        yield counts
    for told in told_policies(plan):
        first, *rest = wrap(f"! {told}", look.width, subsequent_indent=" " * 4)
        yield look.paint(first[0], "note") + first[1:]
        yield from rest


def _override(policy: PlanPolicy) -> str:
    return "" if policy.override is None else f", overridden: {visible(policy.override)}"
