"""Branches that are pulled, and the plans that wait for somebody to let them pass."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from runtime.errors import NotFound
from runtime.store.sources import list_sources, read_waiting_plan
from runtime.web.auth import needs
from runtime.web.problems import refusals
from runtime.web.site import Here
from schemas.plan import Plan
from schemas.source import SourceList

router = APIRouter(
    tags=["sources"], dependencies=[needs("read")], responses=refusals(401, 403, 422, 429, 503)
)

Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="The digest of a plan.")]


@router.get("/sources", operation_id="listSources")
def list_all(here: Here) -> SourceList:
    """The branches that `ordinaut sync` pulls, where they stand, and which plan waits for approval."""
    with here.lender.reading() as connection:
        return SourceList(sources=list_sources(connection))


@router.get("/plans/{digest}", operation_id="getWaitingPlan", responses=refusals(404))
def get_plan(here: Here, digest: Digest) -> Plan:
    """A plan that waits for approval, whole."""
    with here.lender.reading() as connection:
        for source in list_sources(connection):
            if source.plan_digest == digest:
                body = read_waiting_plan(connection, source)
                if body is not None:
                    return Plan.model_validate(body)
    raise NotFound(f"no plan of digest {digest} waits for approval")
