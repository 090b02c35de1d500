"""Where a plan comes from: the commit of the specs, and the pull request that a CI system checks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from reconciler.git import read_git_facts
from runtime.config import environment_variable
from schemas.plan import PlanSource

_GITHUB_PULL: Final = re.compile(r"refs/pull/(\d+)/")


def plan_source(project: str, folder: Path) -> PlanSource:
    """What git and the CI system say of a specs folder; outside of both, only whose it is."""
    facts = read_git_facts(folder)
    if facts is None:
        return PlanSource(project=project)
    return PlanSource(
        project=project,
        commit=facts.commit,
        tree=facts.tree,
        branch=facts.branch,
        dirty=facts.dirty,
        author=facts.author,
        pull_request=pull_request(),
    )


def pull_request() -> str | None:
    """The number of the pull request that a CI system checks."""
    pull = _GITHUB_PULL.match(environment_variable("GITHUB_REF") or "")
    return pull[1] if pull else environment_variable("CI_MERGE_REQUEST_IID")
