"""Tools with which an agent has specs changed: what it wishes for is checked, planned, and left to be reviewed as a branch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from reconciler.core.edits import NothingToPropose
from reconciler.core.gains import gains_of
from reconciler.core.guards import refused
from reconciler.core.render_change import title_of
from reconciler.core.render_markdown import render_markdown
from reconciler.mcp.bounding import require_tellable
from reconciler.mcp.calling import Call
from reconciler.mcp.offering import offers
from reconciler.merging import has_rule, judge, merge
from reconciler.proposing import Draft, Ground, Words, draft, propose
from runtime.errors import NotFound, PlanError, SpecError
from runtime.store.audit import Deed, write_audit
from schemas.plan import Plan
from schemas.problem import Problem
from schemas.proposal import (
    ChangePlan,
    Edits,
    PlanChange,
    Proposal,
    ProposeChange,
    ValidateManifest,
)
from schemas.validation import Validation

# Problems that an answer tells one by one.
_TOLD: Final = 20


@offers("read", title="Validate documents")
def validate_manifest(call: Call, wish: ValidateManifest) -> Validation:
    """Whether documents would be valid among the specs, and every problem of them with file, line and column. Writes nothing."""
    try:
        made = draft(_ground(call), Edits(documents=wish.documents))
    except SpecError as error:
        return _validation(call, error.problems)
    except NothingToPropose:
        # To say what the specs say already is valid.
        return _validation(call, ())
    return _validation(call, made.specs.problems, made)


@offers("read", title="Plan a change")
def plan_change(call: Call, wish: PlanChange) -> ChangePlan:
    """What a change of specs would do: fields, fire times before and after, what an agent newly may do, what guards and policies say.

    Give whole documents as YAML, JSON merge patches, or names to delete. Compared is with the commit that it starts from.
    Writes nothing.
    """
    ground = _ground(call)
    with _told():
        made = draft(ground, wish, wish.onto)
    return ChangePlan(
        base=made.base,
        documents=made.documents,
        gains=_gains(made.plan),
        refusals=tuple(guard.message for guard in refused(made.plan.guards)),
        diff=made.diff,
        markdown=render_markdown(made.plan),
        merge=judge(ground, made, call.caller.name) if has_rule(made, call.caller.name) else None,
        plan=made.plan,
    )


@offers("propose", title="Propose a change", idempotent=True)
def propose_change(call: Call, wish: ProposeChange) -> Proposal:
    """Put a change of specs on a branch of its own, as one commit with its plan, for people to review.

    Give whole documents as YAML, JSON merge patches, or names to delete, and say why. Nothing in force changes. The same change
    again is the same branch, and says so. With `merge` it is merged at once where the Project lets the caller do that; else it stays
    a proposal, and the answer has the reasons.
    """
    ground, actor = _ground(call), call.caller.actor(wish.reason)
    with _told():
        made = draft(ground, wish, wish.onto)
    words = Words(wish.subject, wish.reason, actor.name)
    judged = judge(ground, made, actor.name) if wish.merge else None
    foreseen = propose(ground, made, words, dry_run=True)
    require_tellable(foreseen)
    if wish.dry_run:
        return foreseen.model_copy(update={"merge": judged})
    documents = [one.document for one in made.documents]
    with call.writing(dry_run=False) as connection:

        def recorded(branch: str) -> None:
            details = {"base": made.base, "documents": documents}
            write_audit(connection, actor, Deed("change.propose", branch, details=details))

        proposal = propose(ground, made, words, recorded=recorded)
    if judged is None:
        return proposal
    with call.writing(dry_run=False) as connection:

        def told(branch: str, reasons: tuple[str, ...]) -> None:
            details = {"branch": branch, "commit": proposal.commit, "documents": documents}
            deed = Deed("change.merge", proposal.branch, details=details)
            if reasons:
                deed = Deed(
                    "change.refuse", proposal.branch, details={**details, "reasons": reasons}
                )
            write_audit(connection, actor, deed)

        merged = merge(made, proposal, judged, told)
    return proposal.model_copy(update={"merge": merged})


def _ground(call: Call) -> Ground:
    config = call.desk.config
    if not config.specs.is_dir():
        raise NotFound(
            f"there is no folder {config.specs} here, so nothing can be proposed",
            hint="start the server where the repository of specs is, or name their folder with --specs",
        )
    return Ground(config.specs, config.environment, config.state_dir)


def _gains(plan: Plan) -> tuple[str, ...]:
    return tuple(f"{title_of(one)} {gain}" for one in plan.changes for gain in gains_of(one))


def _validation(
    call: Call, problems: tuple[Problem, ...], made: Draft | None = None
) -> Validation:
    errors = sum(one.severity == "error" for one in problems)
    return Validation(
        valid=not errors,
        project=made.specs.project if made else "",
        environment=call.desk.config.environment,
        files=len(made.source.files) if made else 0,
        documents=len(made.specs.documents) if made else 0,
        errors=errors,
        warnings=sum(one.severity == "warning" for one in problems),
        problems=problems,
    )


@contextmanager
def _told() -> Iterator[None]:
    """Say what is wrong with specs in the error itself: whoever calls a tool sees nothing else."""
    try:
        yield
    except SpecError as error:
        lines = [
            f"{one.file}:{one.line}:{one.column}: {one.severity} {one.code} {one.message}"
            + (f" ({one.hint})" if one.hint else "")
            for one in error.problems[:_TOLD]
        ]
        more = len(error.problems) - len(lines)
        lines += [f"and {more} more"] if more > 0 else []
        raise PlanError(error.message, hint="\n  ".join(lines)) from error
