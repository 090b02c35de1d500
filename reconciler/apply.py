"""A plan to one transaction: interrupted anywhere, nothing has happened.

Theory of operation
    Under the project's advisory lock, which ends with the transaction and so can never be left behind:
    1. the plan's documents are locked and read again; one that is not what the plan stands on refuses it (StalePlan);
    2. the guards are asked again, over what is in force now;
    3. schedules that are replaced or retired are locked, and what they still owe is decided by them;
    4. one revision row, then everything it writes, set by set, through a staging table;
    5. what fires and is asked next, from the transaction's own clock; runs of retired tasks are cancelled;
    6. the events, in the outbox.
    After the commit, and only then, a notification wakes the runtimes; should it be lost, they look by themselves, and
    what was applied is told as applied.

    Every lock is taken in one order (project, documents, schedules, queue), as the runtimes take theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import psycopg

from reconciler.conditions import armed_conditions
from reconciler.core.changes import Applied
from reconciler.core.desired import Key
from reconciler.core.digest import facet_digests
from reconciler.core.filling import todays_digest, todays_filling
from reconciler.core.freezing import freeze_at, freeze_guard
from reconciler.core.guards import NOTHING_ALLOWED, Allowed, evaluate, refusal, refused
from reconciler.core.holding import hold_guard
from reconciler.core.policies import judge, overridden, policy_guards
from reconciler.core.standing import (
    footprint_of,
    keys_of,
    owner_of,
    written_key,
)
from reconciler.holds import hold_now, hold_replaced
from reconciler.listening import armed_listeners
from reconciler.locking import waiting_explained
from reconciler.observe import observe, rules_in_force
from reconciler.rescheduling import Arming, settle_overdue
from reconciler.settling import Settlement
from reconciler.staleness import already_applied, require_fresh
from runtime.actor import Actor
from runtime.core.zonedata import tzdata_version
from runtime.store import revisions
from runtime.store.audit import Deed, write_audit
from runtime.store.conditions import arm_conditions
from runtime.store.drift import mark_apply, tell_restored
from runtime.store.hearing import arm_listeners
from runtime.store.holds import clear_hold
from runtime.store.revisions import Armed, NewRevision, StagedChange
from runtime.store.rows import Connection
from runtime.store.specs import read_base, read_ground
from schemas.apply import ApplyReport, Stage
from schemas.audit import Action
from schemas.event import RevisionApplied
from schemas.hold import PlanHold
from schemas.plan import Plan, PlannedChange
from schemas.revision import Revision

_ACTIONS: Final[Mapping[str, Action]] = {
    "apply": "revision.apply",
    "adopt": "revision.adopt",
    "heal": "revision.heal",
}
LOCK_TIMEOUT = timedelta(seconds=10)
"""How long an apply waits for another one before it gives up."""


def _nothing(_stage: Stage) -> None:
    """Nobody wants to know how far an apply is."""


def _go_on() -> None:
    """Nobody will ask it to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """How a plan is to be applied.

    Attributes:
        actor: who asks.
        allowed: what guards would refuse, and was asked for in so many words.
        lock_timeout: how long to wait for another apply.
        kind: what the revision is remembered as.
        reason: why, as whoever asks says.
        restores: the revision that the plan brings back; then it is remembered as a rollback, no hold stands in its way,
            and it holds what it replaces.
        settlement: what a look at a branch goes on to write.
        tell: called when each stage begins.
        require_going: called last before the commit; what it raises undoes everything. A server that is asked to end a
            statement passes over that while none runs, so whoever may be asked to stop looks here whether it was.
    """

    actor: Actor
    allowed: Allowed = NOTHING_ALLOWED
    lock_timeout: timedelta = LOCK_TIMEOUT
    kind: Literal["apply", "adopt", "heal"] = "apply"
    reason: str | None = None
    restores: Revision | None = None
    settlement: Settlement | None = None
    tell: Callable[[Stage], None] = _nothing
    require_going: Callable[[], None] = _go_on


def apply_plan(connection: Connection, plan: Plan, request: Request) -> ApplyReport:
    """Make the database what the plan says, and wake the runtimes.

    Args:
        connection: in autocommit mode, to a database of the current schema.

    Raises:
        StalePlan: a document of the plan is not any more what the plan stands on, or this is another database. If that is
            so because the same plan was applied already, the report says so instead.
        Conflicted, Blocked: a guard or a policy refuses.
        NotFound: ORD310, a policy that does not exist is to be overridden.
        ApplyLocked: another apply, or whoever changes these rows, did not end in time.
        StoreError: the database refused or went away; nothing was written.
    """
    if not plan.changes:
        return ApplyReport(plan_digest=plan.digest, summary=plan.summary)
    with (
        waiting_explained(connection, owner_of(plan), request.lock_timeout),
        connection.transaction(),
    ):
        report = _apply(connection, plan, request)
    with suppress(psycopg.OperationalError):
        if _retiring(plan):
            revisions.tell_ended(connection)
        if any(change.strayed for change in plan.changes):
            tell_restored(connection)
        revisions.wake(connection)
    return report


def _apply(connection: Connection, plan: Plan, request: Request) -> ApplyReport:
    owner = owner_of(plan)
    request.tell("waiting")
    revisions.lock_project(
        connection, owner.project, owner.environment, timeout=request.lock_timeout
    )
    if request.settlement is not None:
        request.settlement.require_unchanged(connection, owner)
    request.tell("checking")
    mark_apply(connection)
    revisions.lock_specs(connection, [one.uid for one in plan.changes if one.uid is not None])
    applied = observe(connection, owner, keys_of(plan))
    if (before := require_fresh(connection, plan, applied)) is not None:
        return already_applied(plan, before)
    # What was applied before a rollback is held, what was applied last is not.
    held = request.restores is None and request.kind != "heal"
    hold = hold_now(connection, owner, plan) if held else None
    reasons = _require_guards(connection, plan, applied, request.allowed, hold)
    replaced = read_base(connection, owner.project, owner.environment)
    now = _settle_schedules(connection, plan)
    revisions.remember_defaults(connection, todays_digest(), todays_filling())
    revision_id, applied_at = revisions.insert_revision(
        connection, _revision(plan, request, reasons)
    )
    request.tell("writing")
    tasks = Arming(now)
    # Of a large apply a twentieth of the time, in which the database is busy with writing.
    with tasks.expanding(_driven(plan)):
        uids = revisions.write_specs(
            connection, revision_id, [_staged(change, plan) for change in plan.changes]
        )
    request.tell("scheduling")
    new = _arm_schedules(connection, plan, uids, tasks, now)
    _arm_conditions(connection, plan, uids, now)
    _arm_listeners(connection, plan, uids)
    revisions.cancel_retired_runs(connection, _retiring(plan))
    if hold is not None:
        clear_hold(connection, owner.project, owner.environment, "Synced")
    if request.restores is not None and replaced is not None:
        hold_replaced(connection, replaced, request.restores, revision_id)
    if request.settlement is not None:
        request.settlement.write(connection, owner)
    revisions.tell(connection, revision_id, owner.project, _news(plan, revision_id))
    _arm_overtaken(connection, new)
    write_audit(connection, request.actor, _deed(plan, request, revision_id, reasons))
    request.tell("committing")
    request.require_going()
    return ApplyReport(
        revision=revision_id,
        applied_at=applied_at,
        plan_digest=plan.digest,
        summary=plan.summary,
    )


def _require_guards(
    connection: Connection,
    plan: Plan,
    applied: Mapping[Key, Applied],
    allowed: Allowed,
    hold: PlanHold | None,
) -> dict[str, Any]:
    """Refuse what any guard or policy refuses; returns why some of them were overridden."""
    owner = owner_of(plan)
    _, now = read_ground(connection)
    rules = rules_in_force(connection, applied, owner)
    freeze = freeze_at(rules.guards.freeze, now, allowed.freeze)
    policies = judge(plan.model_copy(update={"as_of": now}), rules.policies, allowed.policies)
    footprint = footprint_of(plan.changes, applied.values(), owner)
    guards = [*evaluate(footprint, rules.guards, allowed), *policy_guards(policies)]
    guards += [hold_guard(hold, plan.source)] if hold else []
    guards += [freeze_guard(freeze)] if freeze else []
    if stopping := refused(guards):
        raise refusal(stopping)
    reasons = {
        "override_freeze": freeze and freeze.override,
        "override_policies": overridden(policies),
    }
    return {name: reason for name, reason in reasons.items() if reason}


def _settle_schedules(connection: Connection, plan: Plan) -> datetime:
    """Decide what the old schedules owe; returns the moment from which the new ones count."""
    retiring = set(_retiring(plan))
    touched = [one.uid for one in plan.changes if one.uid is not None and _reschedules(one)]
    standing = revisions.lock_schedules(connection, touched)
    _, now = read_ground(connection)
    overdue = settle_overdue(standing, retiring, now)
    if overdue.advances:
        revisions.fire_overdue(connection, overdue.advances, overdue.decided)
    if overdue.skips:
        revisions.skip_occurrences(connection, overdue.skips)
    return now


def _driven(plan: Plan) -> list[Mapping[str, Any]]:
    """The bodies whose schedules are to be armed."""
    return [one.body for one in plan.changes if one.body is not None and _reschedules(one)]


def _arm_schedules(
    connection: Connection,
    plan: Plan,
    uids: Mapping[tuple[str, str, str], int],
    tasks: Arming,
    now: datetime,
) -> list[tuple[Armed, Mapping[str, Any]]]:
    """Set what fires next; returns that of the new tasks, with their bodies."""
    arming, disarming = [], _retiring(plan)
    new: list[tuple[Armed, Mapping[str, Any]]] = []
    for change in plan.changes:
        if change.body is None or not _reschedules(change):
            continue
        uid = uids[change.kind, change.namespace, change.name]
        upcoming = tasks.armed(uid, change.body)
        if upcoming is None:
            disarming.append(uid)
            continue
        arming.append(upcoming)
        if change.uid is None:
            new.append((upcoming, change.body))
    revisions.arm_schedules(connection, arming, now=now, tzdata=tzdata_version())
    revisions.disarm_schedules(connection, disarming, now=now)
    return new


def _arm_overtaken(connection: Connection, new: Iterable[tuple[Armed, Mapping[str, Any]]]) -> None:
    """Count new tasks from here: a large apply takes a while, and what comes meanwhile comes before they are in force.

    A schedule that replaces another counts from where that one ended, or an occurrence could be nobody's.
    """
    _, now = read_ground(connection)
    tasks = Arming(now)
    again = [
        tasks.armed(before.task_uid, body)
        for before, body in new
        if before.next_for is not None and before.next_for <= now
    ]
    revisions.arm_schedules(
        connection, [one for one in again if one], now=now, tzdata=tzdata_version()
    )


def _arm_conditions(
    connection: Connection, plan: Plan, uids: Mapping[tuple[str, str, str], int], now: datetime
) -> None:
    """Of every task that is written: a parameter that a condition names may be what changed."""
    armed = [
        condition
        for change in plan.changes
        if change.kind == "Task" and change.body is not None
        for condition in armed_conditions(
            uids[change.kind, change.namespace, change.name], change.body, now
        )
    ]
    arm_conditions(connection, [*uids.values(), *_retiring(plan)], armed)


def _arm_listeners(
    connection: Connection, plan: Plan, uids: Mapping[tuple[str, str, str], int]
) -> None:
    written = {
        uids[change.kind, change.namespace, change.name]: change.body
        for change in plan.changes
        if change.kind == "Task" and change.body is not None
    }
    armed = [one for uid, body in written.items() for one in armed_listeners(uid, body)]
    arm_listeners(connection, [*written, *_retiring(plan)], armed)


def _reschedules(change: PlannedChange) -> bool:
    """Whether a change touches what fires: nothing but a schedule facet or a retirement does."""
    return change.kind == "Task" and (change.action == "retire" or "schedule" in change.facets)


def _retiring(plan: Plan) -> list[int]:
    return [
        change.uid
        for change in plan.changes
        if change.action == "retire" and change.kind == "Task" and change.uid is not None
    ]


def _revision(plan: Plan, request: Request, reasons: Mapping[str, Any]) -> NewRevision:
    said = {"reason": request.reason} if request.reason else {}
    source, summary = plan.source, {**plan.summary.model_dump(mode="json"), **reasons, **said}
    return NewRevision(
        kind="rollback" if request.restores else request.kind,
        parent_id=plan.base.revision if plan.base else None,
        project=source.project,
        environment=plan.environment.name,
        git_commit=source.commit,
        git_tree=source.tree,
        git_branch=source.branch,
        git_dirty=source.dirty,
        pull_request=source.pull_request,
        author=source.author,
        actor=request.actor.name,
        plan_digest=plan.digest,
        normaliser_version=plan.normaliser_version,
        defaults=todays_digest(),
        summary={**summary, **(request.settlement.told() if request.settlement else {})},
    )


def _deed(plan: Plan, request: Request, revision_id: int, reasons: Mapping[str, Any]) -> Deed:
    details = {
        "project": plan.source.project,
        "environment": plan.environment.name,
        "commit": plan.source.commit,
        "plan": plan.digest,
        "summary": plan.summary.model_dump(mode="json", exclude_defaults=True),
        **reasons,
    }
    if request.restores:
        details["restores"] = f"r{request.restores.revision}"
    action: Action = "revision.rollback" if request.restores else _ACTIONS[request.kind]
    return Deed(action, f"r{revision_id}", request.reason or "", details)


def _staged(change: PlannedChange, plan: Plan) -> StagedChange:
    owner, key, body = owner_of(plan), written_key(change), change.body
    return StagedChange(
        uid=change.uid,
        action=change.action,
        project=owner.project,
        environment=owner.environment,
        kind=key.kind,
        namespace=key.namespace,
        name=key.name,
        body=body,
        digest=change.after_digest,
        facets=None if body is None else facet_digests(body),
        protected=bool(body and body.get("protect")),
        file=change.file,
        line=change.line,
    )


def _news(plan: Plan, revision_id: int) -> str:
    actions = [change.action for change in plan.changes]
    return RevisionApplied(
        project=plan.source.project,
        environment=plan.environment.name,
        revision=revision_id,
        commit=plan.source.commit,
        created=actions.count("create"),
        updated=sum(action in {"update", "rename", "adopt"} for action in actions),
        retired=actions.count("retire"),
    ).model_dump_json()
