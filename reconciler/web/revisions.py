"""What was applied: revisions, what each of them wrote, and what differs between two."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query

from reconciler.past import compare_revisions, read_history, read_revision, resolve_document
from runtime.web.api.route import ThreadRoute
from runtime.web.auth import needs
from runtime.web.paging import Limit
from runtime.web.problems import refusals
from runtime.web.site import Here
from schemas.revision import Difference, History, RevisionReport

router = APIRouter(
    route_class=ThreadRoute,
    tags=["revisions"],
    dependencies=[needs("read")],
    responses=refusals(401, 403, 404, 422, 429, 503),
)

_NEWEST: Final = 2**63 - 1
Number = Annotated[
    int, Path(ge=1, le=_NEWEST, description="The number of a revision: 12 for r12.")
]


@router.get("/revisions", operation_id="listRevisions")
def list_revisions(
    here: Here,
    limit: Limit = 20,
    document: Annotated[
        str | None,
        Query(
            max_length=256,
            description="Only those that wrote this document: `KIND/NAME`, or a task's name.",
        ),
    ] = None,
) -> History:
    """What was applied, newest first, as `ordinaut history` tells it."""
    with here.lender.reading() as connection:
        found = None if document is None else resolve_document(connection, document)
        return read_history(connection, found, limit)


@router.get("/revisions/{revision}", operation_id="getRevision")
def get_revision(here: Here, revision: Number) -> RevisionReport:
    """A revision with everything that it wrote, as `ordinaut show rN` tells it."""
    with here.lender.reading() as connection:
        return read_revision(connection, str(revision))


@router.get("/revisions/{revision}/diff", operation_id="compareRevisions")
def compare(
    here: Here,
    revision: Number,
    to: Annotated[
        int | None,
        Query(
            ge=1,
            le=_NEWEST,
            description="The other revision; the newest of the same project when left out.",
        ),
    ] = None,
) -> Difference:
    """What leads from this revision's documents to another's, as `ordinaut diff` tells it."""
    with here.lender.reading() as connection:
        return compare_revisions(connection, str(revision), None if to is None else str(to))
