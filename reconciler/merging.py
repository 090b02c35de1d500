"""An agent's own proposal into the branch that is applied: judged in every environment, and then a fast-forward."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reconciler.branching import (
    Signature,
    Tip,
    checked_out,
    fast_forward,
    signature_of,
    why_immovable,
    write_commit,
)
from reconciler.cache import Cache
from reconciler.comparing import plan_over
from reconciler.core.desired import Key, Specs
from reconciler.core.merging import Case, branch_for, reasons_against, rule_for
from reconciler.git import ask_text
from reconciler.load import compile_source
from reconciler.proposing import Draft, Ground
from schemas.plan import PlanSource
from schemas.project import Project
from schemas.proposal import Merge, Proposal
from schemas.rules import MergeRule

Told = Callable[[str, tuple[str, ...]], None]
"""Called with the branch, and with the reasons if there are any against it, before anything is moved."""


def has_rule(made: Draft, name: str) -> bool:
    """Whether the Project has a rule for whoever goes by a name, on the branch that a draft starts from."""
    return rule_for(made.base_specs, name) is not None


def judge(ground: Ground, made: Draft, name: str) -> Merge:
    """Whether whoever goes by a name may merge a draft; moves nothing.

    Args:
        ground: where.
        made: the change.
        name: the token, or what `ordinaut mcp --agent` says.
    """
    base = made.base_specs
    branch = branch_for(base) or checked_out(made.repository)
    reasons = tuple(_reasons(ground, made, base, name))
    if branch is None:
        reasons += ("no branch is checked out, and the Project names none",)
    elif not reasons:
        stuck = why_immovable(made.repository, branch, Tip("", made.base, made.base, ""))
        reasons += (stuck,) if stuck else ()
    return Merge(branch=branch or "", merged=False, reasons=tuple(dict.fromkeys(reasons)))


def merge(made: Draft, proposal: Proposal, judged: Merge, told: Told) -> Merge:
    """Merge a proposal that was judged, unless something was found against it.

    Raises:
        PlanError: ORD223, git cannot.
    """
    tip = Tip(proposal.branch, proposal.commit or made.base, made.base, "")
    by = signature_of(proposal.actor)
    reasons = judged.reasons
    if not reasons:
        found = None if _is_as_judged(made, tip, by) else f"{tip.branch} holds something else too"
        found = found or why_immovable(made.repository, judged.branch, tip)
        reasons = (found,) if found else ()
    told(judged.branch, reasons)
    if reasons:
        return judged.model_copy(update={"reasons": reasons})
    fast_forward(made.repository, judged.branch, tip, by)
    return judged.model_copy(update={"merged": True})


def _is_as_judged(made: Draft, tip: Tip, by: Signature) -> bool:
    """Whether a commit is what was judged, on top of what it was judged by: whoever may push may have added to the branch."""
    place = made.repository.place
    wanted = write_commit(made.repository, made.base, made.files, "Compare", by)
    trees = (ask_text(place, "rev-parse", f"{one}^{{tree}}") for one in (wanted, tip.commit))
    return len(set(trees)) == 1 and ask_text(place, "rev-parse", f"{tip.commit}^@") == made.base


def _reasons(ground: Ground, made: Draft, base: Specs, name: str) -> Iterator[str]:
    rule = rule_for(base, name)
    if rule is None:
        yield f"no rule of `proposals.merge` lets {name} merge anything"
        return
    told: list[str] = []
    for environment in _environments(base):
        case = _case(ground, made, environment, rule)
        if case is None:
            yield f"the specs hold errors in the environment {environment}"
            continue
        where = f" in {environment}" if told else ""
        found = [one for one in reasons_against(case) if one not in told]
        yield from (f"{one}{where}" for one in found)
        told += found or [""]


def _environments(base: Specs) -> list[str]:
    """Every place in which a merge would be applied."""
    project = base.documents.get(Key("Project", "default", base.project))
    named = (
        project.document.environments if project and isinstance(project.document, Project) else {}
    )
    return list(dict.fromkeys((base.environment, *named)))


def _case(ground: Ground, made: Draft, environment: str, rule: MergeRule) -> Case | None:
    """What is judged in an environment; None where the specs hold errors there."""
    cache = Cache(ground.state_dir)
    base = compile_source(made.before, environment, cache)
    specs = compile_source(made.source, environment, cache)
    if base.errors or specs.errors:
        return None
    source = PlanSource(project=specs.project, commit=made.base)
    plan = plan_over(made.repository, made.base, specs, source, named="HEAD", cache=cache)
    return Case(rule, base, specs, made.edited.documents, plan)
