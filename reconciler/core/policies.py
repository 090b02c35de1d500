"""Policies: questions of the Project to a plan, each refusing or telling where its answer is not empty.

Pure. Asked are the policies that are in force and those that the plan brings, so that taking one out and breaking it need
two applies. Asked about is the plan as published, less what is itself a verdict. A policy that cannot be evaluated
refuses what it would have judged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from reconciler.core.guards import refused
from reconciler.core.look import visible
from reconciler.core.rules import policies_in
from reconciler.core.suggest import did_you_mean
from runtime.errors import NotFound
from schemas.plan import Guard, Plan
from schemas.policy import PlanPolicy
from schemas.rules import Policy

if TYPE_CHECKING:
    from reconciler.core.policy_answers import Answer

VERDICTS: Final = frozenset({"applyable", "freeze", "guards", "hold", "policies"})
"""Fields of a plan that say what others make of it: no policy is asked about them."""

# How many of what breaks a policy are named in a sentence.
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class _Standing:
    name: str
    policy: Policy
    standing: Literal["kept", "new", "leaving"]


def judge(
    plan: Plan, in_force: Mapping[str, Policy], reasons: Mapping[str, str] | None
) -> tuple[PlanPolicy, ...]:
    """What every policy makes of a plan, by name.

    Args:
        in_force: the policies that were last applied.
        reasons: reasons for going on although a policy refuses, by its name; None if the plan only restores what was
            applied, which is not judged again.

    Raises:
        NotFound: ORD310, a reason is for a policy that does not exist.
    """
    if not plan.changes or reasons is None:
        return ()
    standing = list(_standing(plan, in_force))
    known = [one.name for one in standing]
    for name in reasons:
        if name not in known:
            raise NotFound(
                f"there is no policy {name} to override", hint=did_you_mean(name, known)
            )
    if not standing:
        return ()
    from reconciler.core.policy_answers import answers  # noqa: PLC0415 - most projects have no policies

    asked = plan.model_dump(mode="json", exclude=set(VERDICTS))
    given = answers([one.policy.when for one in standing], asked)
    return tuple(
        _judged(one, answer, reasons.get(one.name))
        for one, answer in zip(standing, given, strict=True)
    )


def under_policies(
    plan: Plan, in_force: Mapping[str, Policy], reasons: Mapping[str, str] | None
) -> Plan:
    """The plan with what policies make of it.

    Raises:
        NotFound: as `judge`.
    """
    judged = judge(plan, in_force, reasons)
    guards = (*plan.guards, *policy_guards(judged))
    return plan.model_copy(
        update={"policies": judged, "guards": guards, "applyable": not refused(guards)}
    )


def policy_guards(judged: Collection[PlanPolicy]) -> Iterator[Guard]:
    """A guard for each policy that refuses."""
    for policy in judged:
        if refuses(policy):
            yield Guard(
                name="policy" if policy.failure is None else "policy_failure",
                ok=False,
                message=_refusal(policy),
                hint=_way_out(policy),
                value=len(policy.found),
                limit=0,
            )


def refuses(policy: PlanPolicy) -> bool:
    """Whether a policy keeps a plan from being applied."""
    return not policy.ok and policy.severity == "error" and policy.override is None


def policy_words(policy: PlanPolicy) -> str:
    """What is wrong with a plan that breaks a policy, and where."""
    if policy.failure is not None:
        return f"policy {policy.name} cannot be evaluated: {visible(policy.failure)}"
    found = policy.found[:_NAMED]
    more = len(policy.found) - len(found)
    named = ", ".join([*map(visible, found), *([f"and {more} more"] if more > 0 else [])])
    return f"policy {policy.name}: {visible(policy.message)}" + (f" ({named})" if named else "")


def overridden(judged: Collection[PlanPolicy]) -> dict[str, str]:
    """The reasons for going on although policies refused, by name."""
    return {one.name: one.override for one in judged if one.override is not None}


def _refusal(policy: PlanPolicy) -> str:
    return ("breaks " if policy.failure is None else "is refused, since ") + policy_words(policy)


def _way_out(policy: PlanPolicy) -> str:
    say = f"say why it may: `ordinaut apply --override-policy '{policy.name}=REASON'`"
    if policy.standing == "leaving":
        return f"it is in force until this plan is applied: take it out or change it first, by itself, or {say}"
    if policy.failure is not None:
        return f"mend its expression, or {say}"
    return f"change what breaks it, or {say}"


def _standing(plan: Plan, in_force: Mapping[str, Policy]) -> Iterator[_Standing]:
    coming = _coming(plan, in_force)
    environment = plan.environment.name
    for name in sorted({*in_force, *coming}):
        old, new = in_force.get(name), coming.get(name)
        if old is not None and _holds(old, environment):
            yield _Standing(name, old, "kept" if old == new else "leaving")
        if new is not None and new != old and _holds(new, environment):
            yield _Standing(name, new, "new")


def _coming(plan: Plan, in_force: Mapping[str, Policy]) -> Mapping[str, Policy]:
    """The policies once the plan is applied: those of the Project that it writes, if it writes one."""
    bodies = (change.body for change in plan.changes if change.kind == "Project")
    return next((policies_in(body) for body in bodies if body is not None), in_force)


def _holds(policy: Policy, environment: str) -> bool:
    return policy.environments is None or environment in policy.environments


def _judged(asked: _Standing, answer: Answer, reason: str | None) -> PlanPolicy:
    from runtime.core.leaks.secrets import blotted  # noqa: PLC0415 - as above

    is_error = asked.policy.severity == "error"
    return PlanPolicy(
        name=asked.name,
        standing=asked.standing,
        severity=asked.policy.severity,
        ok=answer.ok,
        message=blotted(asked.policy.message),
        found=answer.found,
        failure=answer.failure and blotted(answer.failure),
        override=reason if is_error and not answer.ok else None,
    )
