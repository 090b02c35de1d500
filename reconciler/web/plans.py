"""Branches that are pulled, and the plans that wait for somebody to let them pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from runtime.errors import NotFound, StalePlan
from runtime.store.rows import Connection
from runtime.store.sources import approve_plan, list_sources, read_waiting_plan, withdraw_approval
from runtime.web.api.route import ThreadRoute
from runtime.web.auth import needs
from runtime.web.once import Doing, acts
from runtime.web.problems import refusals
from runtime.web.site import Here
from schemas.plan import Plan
from schemas.source import SourceList, SourceStatus
from schemas.wishes import PlanDecided, ReasonWish

router = APIRouter(
    route_class=ThreadRoute, tags=["sources"], responses=refusals(401, 403, 422, 429, 503)
)

Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="The digest of a plan.")]


@router.get("/sources", operation_id="listSources", dependencies=[needs("read")])
def list_all(here: Here) -> SourceList:
    """The branches that `ordinaut sync` pulls, where they stand, and which plan waits for approval."""
    with here.lender.reading() as connection:
        return SourceList(sources=list_sources(connection))


@router.get(
    "/plans/{digest}",
    operation_id="getWaitingPlan",
    dependencies=[needs("read")],
    responses=refusals(404),
)
def get_plan(here: Here, digest: Digest) -> Plan:
    """A plan that waits for approval, whole."""
    with here.lender.reading() as connection:
        for source in list_sources(connection):
            if source.plan_digest == digest:
                body = read_waiting_plan(connection, source)
                if body is not None:
                    return Plan.model_validate(body)
    raise NotFound(f"no plan of digest {digest} waits for approval")


@router.post(
    "/plans/{digest}/approval",
    operation_id="approvePlan",
    response_model=PlanDecided,
    responses=refusals(404, 409, 413),
)
def approve(
    doing: Annotated[Doing, acts("approve")], digest: Digest, wish: ReasonWish
) -> Response:
    """Let a plan pass that waits: the next look of `ordinaut sync` applies exactly that one."""

    def act(connection: Connection) -> PlanDecided:
        source = _source(
            connection, lambda one: one.approval is None and one.plan_digest == digest, digest
        )
        if not approve_plan(connection, source, actor=doing.actor(), reason=wish.reason):
            raise StalePlan(f"the plan {digest} does not wait any more")
        return PlanDecided(digest=digest, approved=True)

    return doing.once(act, wish)


@router.post(
    "/plans/{digest}/withdrawal",
    operation_id="withdrawPlanApproval",
    response_model=PlanDecided,
    responses=refusals(404, 409, 413),
)
def withdraw(
    doing: Annotated[Doing, acts("approve")], digest: Digest, wish: ReasonWish
) -> Response:
    """Take back an approval that was not used yet."""

    def act(connection: Connection) -> PlanDecided:
        source = _source(
            connection,
            lambda one: one.approval is not None and one.approval.digest == digest,
            digest,
        )
        if not withdraw_approval(connection, source, actor=doing.actor(), reason=wish.reason):
            raise StalePlan("that approval is gone: it was used, or taken back already")
        return PlanDecided(digest=digest, approved=False)

    return doing.once(act, wish)


def _source(
    connection: Connection, fits: Callable[[SourceStatus], bool], digest: str
) -> SourceStatus:
    for source in list_sources(connection):
        if fits(source):
            return source
    raise NotFound(f"no plan of digest {digest} waits for that")
