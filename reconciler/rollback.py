"""Back to what an earlier revision left in force: planned and applied like anything else, as a revision of its own."""

from __future__ import annotations

from reconciler.core.desired import Specs
from reconciler.core.guards import NOTHING_ALLOWED, Allowed
from reconciler.core.recorded import as_desired
from reconciler.observe import observe
from reconciler.past import documents_as_of, owner_then
from reconciler.planning import plan_against
from runtime.errors import PlanError, SpecError
from runtime.store.specs import Connection
from schemas.plan import Plan, PlanSource
from schemas.revision import Revision


def plan_rollback(
    connection: Connection, to: Revision, allowed: Allowed = NOTHING_ALLOWED
) -> Plan:
    """The plan that brings back every document of a project as a revision left it.

    Documents that were renamed since get their former names back, those that were retired their history, and those that
    came since are retired. No specs are read: what is in the repository may be as broken as what is rolled back.

    Raises:
        PlanError: ORD204, a name belongs to another project by now.
        ScheduleError: a schedule of then cannot be expanded by this version.
        StoreError: the database cannot be read.
    """
    owner = owner_then(to)
    documents = documents_as_of(connection, to)
    rows = observe(connection, owner, [document.key for document in documents])
    wanted = Specs(
        project=to.project,
        environment=to.environment,
        documents=as_desired(documents, rows.values(), owner),
    )
    source = PlanSource(
        project=to.project,
        commit=to.commit,
        tree=to.tree,
        branch=to.branch,
        dirty=to.dirty,
        author=to.author,
        pull_request=to.pull_request,
    )
    try:
        return plan_against(connection, wanted, source, allowed)
    except SpecError as error:
        # Their places are in files of another commit.
        first = error.problems[0]
        raise PlanError(
            f"r{to.revision} cannot be brought back: {first.message}",
            hint="retire it there first: its history then comes back here",
            code=first.code,
        ) from error
