"""What is to be done about the head of a branch: the condition of a source, why, and what to do.

Pure. A look gathers the facts, `judge` decides, and the look does what is decided. What is checked first weighs most: who
signed, whether the specs are sound, whether history goes on from what is in force, and only then what a plan says. A good
revision stays in force through every answer but one that applies.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from reconciler.core.freezing import freeze_words
from reconciler.core.guards import Allowed, refused
from reconciler.core.holding import hold_words
from reconciler.core.look import visible
from reconciler.core.policies import refuses
from schemas.approval import Approval
from schemas.plan import Guard, Plan
from schemas.problem import Problem
from schemas.source import Condition, Reason, SignatureFault

SHORT: Final = 12
"""How much of a commit or digest messages show: `ordinaut approve` takes as much."""

SETTLED: Final[frozenset[Reason]] = frozenset(
    {
        *("applied", "current", "rolled_back", "broken"),
        *("too_many", "unsigned", "unknown_key", "expired_key", "revoked_key"),
    }
)
"""What stays as it is until the head, a revision, a hold or a key changes.

All else depends on the hour, on rows of others, or on what git could not read and may read the next time.
"""

_NOT_APPROVABLE: Final = frozenset({"hold", "protect", "freeze"})
# Guards that stand for a policy each, which has a name of its own.
_OF_POLICIES: Final = frozenset({"policy", "policy_failure"})


@dataclass(frozen=True, slots=True)
class Distrust:
    """Why a commit is not trusted; `message` says which, and what is wrong with its signature."""

    reason: SignatureFault
    message: str


@dataclass(frozen=True, slots=True)
class Floor:
    """The commit that whatever is applied has to descend from.

    Attributes:
        commit: the newest one that was found in force; None where what is in force came from outside git.
        revision: the revision that says so.
    """

    commit: str | None
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a look found out; what comes after the first refusal is not looked for.

    Attributes:
        head: the commit at the head of the branch.
        folder: the specs folder.
        distrust: why it may not be used.
        has_folder: whether the folder is there.
        errors: what is wrong with the specs.
        foreign: why specs without errors cannot be planned for this database.
        floor: what is in force; None before the first apply.
        descends: whether the head is that commit, or comes after it.
        former: the project that the branch has in force, where the head holds another.
        plan: what applying the head would do.
        approval: whom it may pass by.
    """

    head: str
    folder: str
    distrust: Distrust | None = None
    has_folder: bool = True
    errors: Sequence[Problem] = ()
    foreign: str | None = None
    floor: Floor | None = None
    descends: bool = True
    former: str | None = None
    plan: Plan | None = None
    approval: Approval | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a source stands.

    Attributes:
        condition: in one word.
        reason: why, in one word.
        message: why, and what to do.
        waits_for: the digest of the plan that an approval would let pass.
        refusals: what it would pass, by name and in order.
        allowed: how the plan is to be applied; None if it is not.
    """

    condition: Condition
    reason: Reason
    message: str
    waits_for: str | None = None
    refusals: tuple[str, ...] = ()
    allowed: Allowed | None = None


def floor_of(
    applied_commit: str | None, applied_revision: int | None, revision: Floor | None
) -> Floor | None:
    """What is in force, of what the last look noted and what the newest revision says: the newer of both.

    Args:
        applied_commit: the commit that a look found in force.
        applied_revision: the newest revision then.
        revision: the newest revision that says anything of git, with its commit.
    """
    if revision is None or applied_commit is None or applied_revision is None:
        return revision
    is_newer = applied_revision >= revision.revision
    return Floor(applied_commit, revision.revision) if is_newer else revision


def judge(facts: Facts) -> Verdict:
    """Decide about the head of a branch; whatever a commit says, the message holds nothing that a terminal would obey."""
    verdict = _judge(facts)
    return replace(verdict, message=visible(verdict.message))


def _judge(facts: Facts) -> Verdict:
    head = facts.head[:SHORT]
    match facts:
        case Facts(distrust=Distrust(reason, message)):
            return Verdict("InvalidSource", reason, message)
        case Facts(has_folder=False):
            advice = "bring it back, or name the folder with --specs"
            message = f"{head} has no folder {facts.folder}: {advice}"
            return Verdict("InvalidSource", "missing", message)
        case Facts(errors=[_, *_]):
            return Verdict("InvalidSource", "broken", _broken(head, facts.errors))
        case Facts(plan=Plan() as plan):
            return _judge_plan(facts, plan)
        case _:
            return Verdict("InvalidSource", "foreign", f"{head}: {facts.foreign}")


def _judge_plan(facts: Facts, plan: Plan) -> Verdict:
    head = facts.head[:SHORT]
    refusals = _refusals(facts, plan)
    is_approved = _covers(facts.approval, plan, refusals)
    if not facts.descends and not is_approved:
        return _rewritten(facts, plan)
    if facts.former is not None and not is_approved:
        return _renamed(facts, plan)
    if not plan.changes:
        return Verdict("Synced", "current", f"{head} is in force")
    return _refusal(facts, plan, is_approved=is_approved) or Verdict(
        "Synced", "applied", f"{head} is in force", allowed=_allowed(plan, facts.approval)
    )


def _refusals(facts: Facts, plan: Plan) -> tuple[str, ...]:
    """What an approval of a plan would have to pass, by name and in order."""
    names = {one.name for one in _approvable(plan)} - _OF_POLICIES
    names |= {f"policy {one.name}" for one in plan.policies if refuses(one)}
    if not facts.descends:
        names.add("rewritten")
    if facts.former is not None:
        names.add("renamed")
    return tuple(sorted(names))


def _covers(approval: Approval | None, plan: Plan, refusals: Collection[str]) -> bool:
    """Whether an approval lets a plan pass: nobody could let pass what they were not shown."""
    if approval is None or approval.digest != plan.digest:
        return False
    return set(refusals) <= set(approval.refusals)


def _waits(facts: Facts, plan: Plan, reason: Reason, what: str, instead: str) -> Verdict:
    """What only an approval lets pass; `instead` is what to do where that is not meant."""
    refusals, given = _refusals(facts, plan), facts.approval
    if given is not None and given.digest == plan.digest:
        since = ", ".join(sorted(set(refusals) - set(given.refusals)))
        what += f"; {given.actor} approved it before it was refused so ({since})"
    approve = f"If that is meant: `ordinaut approve {plan.digest[:SHORT]}`"
    return Verdict(
        "NeedsApproval", reason, f"{what}. {approve}, or {instead}", plan.digest, refusals
    )


def _refusal(facts: Facts, plan: Plan, *, is_approved: bool) -> Verdict | None:
    """What keeps a plan from being applied now."""
    head = facts.head[:SHORT]
    stopping = {guard.name: guard for guard in refused(plan.guards)}
    if "hold" in stopping:
        return _held(head, plan)
    if "protect" in stopping:
        return Verdict("OutOfSync", "protected", _protected(head, stopping["protect"]))
    if not is_approved and (approvable := _approvable(plan)):
        return _needs_approval(facts, plan, approvable)
    if "freeze" in stopping and plan.freeze is not None:
        words = freeze_words(plan.freeze)
        return Verdict("OutOfSync", "frozen", f"{head} waits for the end of {words}")
    return None


def _allowed(plan: Plan, approval: Approval | None) -> Allowed:
    """What an approved plan may do: exactly what it does."""
    if approval is None or approval.digest != plan.digest:
        return Allowed()
    actions = [change.action for change in plan.changes]
    reason = approval.reason or f"approved by {approval.actor}"
    return Allowed(
        retire=actions.count("retire"),
        adopt=actions.count("adopt"),
        conflicts=plan.summary.conflict,
        policies={policy.name: reason for policy in plan.policies if refuses(policy)},
    )


def _broken(head: str, errors: Sequence[Problem]) -> str:
    first = errors[0]
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    place = f"{first.file}:{first.line}:{first.column}"
    return (
        f"{head} holds errors, so what was applied before stays in force: "
        f"{place} {first.code} {first.message}{more}"
    )


def _rewritten(facts: Facts, plan: Plan) -> Verdict:
    before = facts.floor.commit[:SHORT] if facts.floor and facts.floor.commit else ""
    # One approval lets all of it pass.
    others = "".join(f". Its plan {guard.message}" for guard in _approvable(plan))
    what = (
        f"{facts.head[:SHORT]} does not descend from {before}, which is in force: "
        f"it is older, the branch was rewritten, or another one was applied{others}"
    )
    return _waits(facts, plan, "rewritten", what, f"push a commit on top of {before}")


def _renamed(facts: Facts, plan: Plan) -> Verdict:
    """Guards and policies are a project's: whoever renames it would be rid of them."""
    what = (
        f"{facts.head[:SHORT]} holds the project {plan.source.project}, and {facts.former} is in force: another name is "
        "another project, with none of its history, guards and policies"
    )
    return _waits(facts, plan, "renamed", what, "keep the name")


def _approvable(plan: Plan) -> list[Guard]:
    """The guards that refuse a plan, of those that an approval passes."""
    return [guard for guard in refused(plan.guards) if guard.name not in _NOT_APPROVABLE]


def _held(head: str, plan: Plan) -> Verdict:
    hold = plan.hold
    assert hold is not None  # noqa: S101 - its guard refused
    commit = f" {hold.commit[:SHORT]}" if hold.commit else ""
    same = "it changes nothing of what " if hold.descends else ""
    message = (
        f"{head} is not applied: {same}{hold_words(hold)}{commit}. "
        "Commit what mends it on top of that, or let it in again: `ordinaut hold clear`"
    )
    return Verdict("Held", "rolled_back", message)


def _needs_approval(facts: Facts, plan: Plan, stopping: Collection[Guard]) -> Verdict:
    reason: Reason = "conflict" if any(one.name == "conflict" for one in stopping) else "guard"
    words = "; it ".join(guard.message for guard in stopping)
    what = f"the plan for {facts.head[:SHORT]} {words}"
    return _waits(facts, plan, reason, what, "mend it in git")


def _protected(head: str, guard: Guard) -> str:
    return f"the plan for {head} {guard.message}: {guard.hint}"
