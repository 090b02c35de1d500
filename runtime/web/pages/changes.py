"""Changes: revisions, plans that wait to be let pass, and drift."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from runtime.core.leaks.secrets import hidden, secrets_in
from runtime.errors import NotFound
from runtime.store.drift import list_drift
from runtime.store.history import find_revision, list_revisions
from runtime.store.holds import list_holds
from runtime.store.rows import Connection
from runtime.store.sources import list_sources, read_waiting_plan
from runtime.web.pages.look import environment, page
from runtime.web.pages.route import PageRoute, frame
from runtime.web.pages.specs import written_documents
from runtime.web.pages.viewer import Seen
from runtime.web.pages.words import many
from runtime.web.site import Here
from schemas.revision import Revision
from schemas.source import SourceStatus

router = APIRouter(route_class=PageRoute)

_PAGE: Final = 50


@router.get("/changes")
def changes(request: Request, here: Here, viewer: Seen, before: int | None = None) -> Response:
    """What git brought into force."""
    with here.lender.reading() as connection:
        found = list_revisions(connection, limit=_PAGE + 1, before=before)
        sources, drift, holds = list_sources(connection), list_drift(connection), list_holds(connection)  # fmt: skip
    older = found[_PAGE - 1].revision if len(found) > _PAGE else None
    return page(
        viewer,
        "changes.html",
        **frame(request, "/changes", cli=("ordinaut history", "ordinaut approve"), json="/api/v1/revisions", live="revision source drift"),
        revisions=found[:_PAGE],
        sources=sources,
        drift=drift,
        holds=holds,
        first_page="/changes" if before else None,
        next_page=f"/changes?before={older}" if older else None,
    )  # fmt: skip


@router.get("/changes/{revision}")
def change(request: Request, here: Here, viewer: Seen, revision: int) -> Response:
    """One revision, and what it wrote."""
    with here.lender.reading() as connection:
        found = find_revision(connection, revision)
        if found is None:
            raise NotFound(
                f"there is no revision r{revision}", hint="`ordinaut history` lists them"
            )
        total, documents = written_documents(connection, revision)
    around = frame(request, "/changes", cli=(f"ordinaut show r{revision}",), json=f"/api/v1/revisions/{revision}")  # fmt: skip
    return page(
        viewer, "revision.html", **around, revision=found, total=total, documents=documents
    )


@router.get("/plans/{digest}")
def plan(request: Request, here: Here, viewer: Seen, digest: str) -> Response:
    """A plan that waits to be let pass."""
    with here.lender.reading() as connection:
        source, stored = waiting_plan(connection, digest)
    around = frame(request, "/changes", cli=(f"ordinaut approve {digest[:12]}",), json=None, live="source")  # fmt: skip
    return page(viewer, "plan.html", **around, digest=digest, source=source, plan=_shown(stored))


def waiting_plan(connection: Connection, digest: str) -> tuple[SourceStatus, Mapping[str, Any]]:
    """The source that waits with the plan of this digest, and the plan.

    Raises:
        NotFound: ORD310, there is none, or no more.
    """
    for source in list_sources(connection):
        if source.plan_digest and source.plan_digest.removeprefix("sha256:") == digest:
            stored = read_waiting_plan(connection, source)
            if stored is not None:
                return source, stored
    raise NotFound(
        f"no plan {digest[:12]} waits for approval", hint="`ordinaut approve` lists what waits now"
    )


def _shown(stored: Mapping[str, Any]) -> SimpleNamespace:
    """A stored plan as far as the page shows it; another version of the program may have written it."""
    # Plans are kept without what looks like a secret; looking again costs little.
    whole = hidden(stored, secrets_in(stored))
    rows = [
        SimpleNamespace(
            document=f"{one.get('kind', '')} {one.get('key', '')}",
            action=one.get("action", ""),
            facets=one.get("facets", ()),
            owner=one.get("owner"),
            place=f"{one['file']}:{one.get('line', 1)}" if one.get("file") else "",
        )
        for one in whole.get("changes", ())
    ]
    return SimpleNamespace(changes=rows, whole=whole)


def written(revision: Revision) -> str:
    """What a revision wrote, in numbers."""
    counts = revision.written.model_dump()
    parts = [f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count]
    return ", ".join(parts) or many(0, "document")


environment().filters["written"] = written
