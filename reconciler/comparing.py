"""Git against git: the plan that a pull request is reviewed by, without any database and without a secret.

As in a pull request, what is planned is compared with the commit where its history parts from the base (three dots, in
git's words): what the base has gained since then is neither shown nor undone. What that commit says is taken for what is
applied, which a database may contradict: whoever applies learns of drift then, and `--expect-digest` stops there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reconciler.cache import Cache
from reconciler.commits import (
    Repository,
    find_commit,
    find_fork,
    find_repository,
    find_tree,
    read_commit,
)
from reconciler.core.assumed import NOTHING, Assumed, assumed
from reconciler.core.changes import Owner
from reconciler.core.desired import Specs
from reconciler.core.diff import diff
from reconciler.core.plan import make_plan
from reconciler.core.selection import part_of
from reconciler.git import author_of
from reconciler.load import compile_source
from reconciler.origin import plan_source, pull_request
from reconciler.planning import ground_of
from runtime.clock import SYSTEM_CLOCK
from runtime.errors import SpecError
from schemas.plan import GitBase, Plan, PlanSource


def plan_between(
    folder: Path,
    specs: Specs,
    base: str,
    head: str | None,
    only: tuple[str, ...] = (),
    *,
    cache: Cache | None = None,
) -> Plan:
    """The plan from where the histories of two revisions part to the second of them.

    Args:
        specs: what `head`, or the working tree, compiles to, without errors.
        base: the revision to compare with.
        head: the revision that `specs` are of; None for the working tree.
        only: keys and labels of the part that is wanted; empty for all.
        cache: where compiled specs are remembered.

    Raises:
        NotFound: git does not know the revisions, or finds nothing that they have in common; or one of `only` means
            nothing.
        SpecError: the specs name what belongs to another project, or share a past.
    """
    repository = find_repository(folder)
    tip = find_commit(repository, head or "HEAD")
    fork = find_fork(repository, find_commit(repository, base), tip)
    source = (
        plan_source(specs.project, folder)
        if head is None
        else _source_of(repository, specs.project, tip)
    )
    return plan_over(repository, fork, specs, source, named=base, only=only, cache=cache)


def plan_over(
    repository: Repository,
    commit: str,
    specs: Specs,
    source: PlanSource,
    *,
    named: str,
    only: tuple[str, ...] = (),
    cache: Cache | None = None,
) -> Plan:
    """The plan from what a commit says to these specs.

    Args:
        repository: where the commit is.
        commit: its hash.
        specs: what is wanted, without errors.
        source: where they come from.
        named: what the commit was called by whoever asks.
        only: as of `plan_between`.
        cache: where compiled specs are remembered.

    Raises:
        NotFound: one of `only` means nothing.
        SpecError: the specs name what belongs to another project, or share a past.
    """
    before = _assumed(repository, commit, specs, cache)
    owner = Owner(specs.project, specs.environment)
    changes = diff(specs.documents, before.applied, owner)
    if changes.problems:
        raise SpecError("the specs cannot be applied over that commit", problems=changes.problems)
    part = part_of(changes, specs.documents, only)
    ground = replace(
        ground_of(specs, source, SYSTEM_CLOCK.now()),
        git_base=GitBase(named=named, commit=commit, broken=before.broken),
        unknown=before.unknown,
        bodies=before.bodies,
        rules=before.rules,
        only=only,
        left_out=part.left_out,
    )
    return make_plan(part.changes, ground)


def _assumed(repository: Repository, commit: str, specs: Specs, cache: Cache | None) -> Assumed:
    source = read_commit(repository, commit)
    if source is None or not (source.files or source.problems):
        return NOTHING
    base = compile_source(source, specs.environment, cache)
    return assumed(base, source.files, specs.documents)


def _source_of(repository: Repository, project: str, commit: str) -> PlanSource:
    return PlanSource(
        project=project,
        commit=commit,
        tree=find_tree(repository, commit),
        author=author_of(repository.place, commit),
        pull_request=pull_request(),
    )
