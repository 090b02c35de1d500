"""Who does something, from where and why: what revisions, runs, overrides and the audit log are attributed to."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runtime.config import environment_variable

if TYPE_CHECKING:
    # It brings pydantic, which `ordinaut --help` should not wait for.
    from schemas.audit import Origin

# Who started the pipeline, as each CI system tells it.
_CI_USERS: Final = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILDKITE_BUILD_CREATOR", "CIRCLE_USERNAME")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who does something.

    Attributes:
        name: as `user@host`, or what a token is called; what is shown wherever it says who did it.
        origin: by which way it came.
        token: the name of the API token that was used.
        address: where the request came from.
        reason: why, for the audit log, where what is done keeps no reason of its own.
    """

    name: str
    origin: Origin = "cli"
    token: str | None = None
    address: str | None = None
    reason: str = ""

    def __str__(self) -> str:
        return self.name


ORDINAUT: Final = Actor("ordinaut", "runtime")
"""What the program does by itself, by a policy that somebody wrote."""


def current_actor(*, origin: Origin = "cli", reason: str = "") -> Actor:
    """`user@host`, or `user@ci` where a CI system says who started it.

    Args:
        origin: by which way it came.
        reason: why.
    """
    return Actor(_current_name(), origin, reason=reason)


def _current_name() -> str:
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
