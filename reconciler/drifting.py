"""What was applied last against what is there now: no specs are read, so it can be asked from anywhere."""

from __future__ import annotations

from typing import Final

from reconciler.core.guards import Allowed
from reconciler.core.suggest import did_you_mean
from reconciler.past import resolve_revision
from reconciler.rollback import plan_rollback
from runtime.errors import NotFound
from runtime.store.drift import list_projects
from runtime.store.rows import Connection
from runtime.store.specs import read_base
from schemas.plan import Plan

# Freezes and policies are about what is new: what was applied stands in spite of them.
RESTORING: Final = Allowed(freeze="restores what was applied", policies=None)
"""What restoring drift is allowed."""


def plan_drift(connection: Connection, project: str, environment: str) -> Plan:
    """The plan that restores what the last revision of a project left: what differs from it is drift.

    Raises:
        NotFound: ORD310, nothing was applied for this project and environment.
        PlanError, ScheduleError, StoreError: as `plan_rollback`.
    """
    base = read_base(connection, project, environment)
    if base is None:
        raise NotFound(
            f"nothing was ever applied for {project}/{environment}",
            hint=did_you_mean(
                project, list_projects(connection, environment), "`ordinaut apply` does it"
            ),
        )
    to = resolve_revision(connection, f"r{base.revision_id}")
    made = plan_rollback(connection, to, RESTORING)
    if made.base is None or made.base.revision == to.revision:
        return made
    # Somebody applied something since the question was asked: what that brought is no drift.
    return plan_drift(connection, project, environment)


def only_project(connection: Connection, environment: str) -> str:
    """The project of an environment where there is but one.

    Raises:
        NotFound: ORD310, there is none, or several.
    """
    projects = list_projects(connection, environment)
    if len(projects) == 1:
        return projects[0]
    if not projects:
        raise NotFound(
            f"nothing was ever applied for environment {environment}",
            hint="`ordinaut apply` does it, or name another with --env",
        )
    raise NotFound(
        f"there are {len(projects)} projects: {', '.join(projects)}",
        hint="name one with --project",
    )
