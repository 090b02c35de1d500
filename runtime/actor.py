"""Who runs this program: what revisions, runs and overrides are attributed to."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import socket
from typing import Final

from runtime.config import environment_variable

# Who started the pipeline, as each CI system tells it.
_CI_USERS: Final = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILDKITE_BUILD_CREATOR", "CIRCLE_USERNAME")  # fmt: skip


def current_actor() -> str:
    """`user@host`, or `user@ci` where a CI system says who started it."""
    for name in _CI_USERS:
        if user := environment_variable(name):
            return f"{user}@ci"
    uid = os.geteuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        # A container may run as a number that has no name.
        user = str(uid)
    return f"{user}@{socket.gethostname()}"


def current_teams() -> frozenset[str]:
    """The groups of the user; none where a CI system says who it is."""
    if any(environment_variable(name) for name in _CI_USERS):
        return frozenset()
    found = set()
    for number in {os.getegid(), *os.getgroups()}:
        # A container may have a group that has no name.
        with contextlib.suppress(KeyError):
            found.add(grp.getgrgid(number).gr_name)
    return frozenset(found)
