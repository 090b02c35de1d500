"""What people decide: steps that ask, and calls of which nobody knows whether they happened."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path
from starlette.responses import Response

from runtime.approving import decide_step, gone, waiting_there
from runtime.store.settling import list_unsettled, settle_call
from runtime.web.api.route import ThreadRoute
from runtime.web.once import Doing, acts
from runtime.web.problems import refusals
from schemas import patterns
from schemas.wishes import Decided, Decision, Settled, Settlement

router = APIRouter(
    route_class=ThreadRoute,
    tags=["approvals"],
    responses=refusals(401, 403, 404, 409, 413, 422, 429, 503),
)

Approver = Annotated[Doing, acts("approve")]
Operator = Annotated[Doing, acts("operate")]
Step = Annotated[str, Path(pattern=patterns.IDENTIFIER, description="The step's id.")]


@router.post("/approvals/{run_id}/{step}", operation_id="decideStep", response_model=Decided)
def decide(doing: Approver, run_id: UUID, step: Step, wish: Decision) -> Response:
    """Let a step go on that asks, or not. It takes the decision of those alone whom it asks, if it names any; and never that of the
    token that asked for the run, or of the agent that it works for."""

    return doing.once(lambda c: decide_step(c, run_id, step, wish, by=doing.actor()), wish)


@router.post("/unsettled/{run_id}/{step}", operation_id="settleCall", response_model=Settled)
def settle(doing: Operator, run_id: UUID, step: Step, wish: Settlement) -> Response:
    """Say what became of a call that may have happened; one answer counts."""

    def act(connection: Any) -> Settled:
        call = waiting_there(list_unsettled(connection), run_id, step, wish.item)
        is_settled = settle_call(
            connection,
            call,
            settled=wish.settled,
            result=wish.result,
            by=doing.actor(),
            reason=wish.reason,
        )
        if not is_settled:
            raise gone(step)
        return Settled(run_id=run_id, step=step, item=wish.item, settled=wish.settled)

    return doing.once(act, wish)
