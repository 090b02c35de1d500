"""Where a plan comes from: the commit of the specs, the pull request that a CI system checks, and who asks."""

from __future__ import annotations

import getpass
import re
import socket
from pathlib import Path
from typing import Final

from reconciler.git import read_git_facts
from runtime.config import environment_variable
from schemas.plan import PlanSource

_GITHUB_PULL: Final = re.compile(r"refs/pull/(\d+)/")
# Who started the pipeline, as each CI system tells it.
_CI_USERS: Final = (
    "GITHUB_ACTOR",
    "GITLAB_USER_LOGIN",
    "BUILDKITE_BUILD_CREATOR",
    "CIRCLE_USERNAME",
)


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
        pull_request=_pull_request(),
    )


def actor() -> str:
    """Who runs this program: `user@host`, or `user@ci` where a CI system says who started it."""
    for name in _CI_USERS:
        if user := environment_variable(name):
            return f"{user}@ci"
    return f"{_user()}@{socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a number that has no name.
        return "unknown"


def _pull_request() -> str | None:
    pull = _GITHUB_PULL.match(environment_variable("GITHUB_REF") or "")
    return pull[1] if pull else environment_variable("CI_MERGE_REQUEST_IID")
