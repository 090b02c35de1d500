"""Back to what an earlier revision left in force: planned and applied like anything else, as a revision of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from reconciler.core.changes import Applied, Owner
from reconciler.core.desired import DEFAULT_ENVIRONMENT, Key, Specs
from reconciler.core.guards import NOTHING_ALLOWED, Allowed
from reconciler.core.recorded import Recorded, as_desired
from reconciler.core.standing import written_key
from reconciler.load import compile_source
from reconciler.observe import observe
from reconciler.past import documents_as_of, owner_then
from reconciler.planning import plan_against
from reconciler.source import read_source
from runtime.errors import OrdinautError, PlanError, SpecError
from runtime.store.drift import list_projects
from runtime.store.rows import Connection
from schemas.plan import Plan, PlanSource
from schemas.problem import Problem
from schemas.revision import Revision

# Documents that a message names.
_NAMED: Final = 5


def require_meant(
    connection: Connection, to: Revision, folder: Path, environment: str, named: str | None
) -> None:
    """Refuse a revision of somebody else: numbers count for the whole database, and are easily mistaken.

    Args:
        to: the revision that was asked for.
        folder: the specs folder, which may be broken or missing; whose it is says who is meant.
        environment: the one that is meant, unless `named` says it too.
        named: `PROJECT` or `PROJECT/ENVIRONMENT`, if somebody named it in so many words.

    Raises:
        PlanError: ORD209, it is of another project or environment, or nobody knows who is meant.
    """
    project, _, other = (named or "").partition("/")
    meant = Owner(
        project or _project_of(folder) or _only_project(connection, environment) or "",
        other or environment,
    )
    found = owner_then(to)
    if found == meant:
        return
    here = f"this is {meant.project}/{meant.environment}"
    same = found.project == meant.project
    raise PlanError(
        f"r{to.revision} is of {found.project}/{found.environment}, and "
        f"{here if meant.project else 'no specs here say whose is meant'}: nothing was rolled back",
        hint=f"if that is meant: `--env {found.environment}`"
        if same
        else "`ordinaut history` shows whose revisions are; "
        f"if that one is meant: `--project {found.project}/{found.environment}`",
        code="ORD209",
    )


def _project_of(folder: Path) -> str | None:
    """The project that a folder is of, as far as it can be read."""
    try:
        return compile_source(read_source(folder), DEFAULT_ENVIRONMENT).project or None
    except OrdinautError:
        return None


def _only_project(connection: Connection, environment: str) -> str | None:
    known = list_projects(connection, environment)
    return known[0] if len(known) == 1 else None


def plan_rollback(
    connection: Connection, to: Revision, allowed: Allowed = NOTHING_ALLOWED
) -> Plan:
    """The plan that brings back every document of a project as a revision left it.

    Documents that were renamed since get their former names back, those that were retired their history, and those that
    came since are retired. Where a name went to a document that has it for good, a warning says whose history stays behind.
    No specs are read: what is in the repository may be as broken as what is rolled back.

    Raises:
        PlanError: ORD204, a name belongs to another project by now; ORD218, somebody gave it to another row by hand.
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
        plan = plan_against(connection, wanted, source, allowed, certain=True)
    except SpecError as error:
        # Their places are in files of another commit.
        first = error.problems[0]
        raise PlanError(
            f"r{to.revision} cannot be brought back: {_told(error.problems)}",
            hint="take it over again from specs that hold it, with `ordinaut adopt KIND/NAME`, or retire it where it is "
            "now; then roll back, and its history comes along"
            if first.code == "ORD204"
            else first.hint,
            code=first.code,
        ) from error
    orphaned = _without_their_past(documents, plan, rows)
    return plan.model_copy(update={"diagnostics": (*plan.diagnostics, *orphaned)})


def _without_their_past(
    documents: Iterable[Recorded], plan: Plan, rows: Mapping[Key, Applied]
) -> Iterator[Problem]:
    """A warning for each document whose name somebody has who does not give it up, and who goes on in its place."""
    uids = {key: row.uid for key, row in rows.items()}
    uids |= {written_key(one): one.uid or 0 for one in plan.changes if one.action != "retire"}
    labels = {row.uid: row.key.label for row in rows.values()}
    for one in documents:
        if uids.get(one.key) != one.uid:
            yield Problem(
                code="ORD220",
                severity="warning",
                message=f"{one.key} comes back without its own history, which stays with"
                f" {labels.get(one.uid, 'another project')}: its name was given to another document",
                hint="for its own, retire what has the name in an apply of its own, and then roll back",
                file=one.place.file,
                line=max(one.place.line, 1),
                column=one.place.column,
            )


def _told(problems: Sequence[Problem]) -> str:
    more = len(problems) - _NAMED
    rest = [f"and {more} more"] if more > 0 else []
    return "; ".join([*(one.message for one in problems[:_NAMED]), *rest])
