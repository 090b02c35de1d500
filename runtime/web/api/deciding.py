"""What people decide: steps that ask, and calls of which nobody knows whether they happened."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path
from starlette.responses import Response

from runtime.core.answering import UnfitAnswer, responses_of
from runtime.errors import NotFound, StalePlan
from runtime.store.settling import list_unsettled, settle_call
from runtime.store.waits import answer_wait, list_asked
from runtime.web.api.route import ThreadRoute
from runtime.web.once import Doing, acts
from runtime.web.problems import refusals
from schemas import patterns
from schemas.asked import Asked
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
    """Let a step go on that asks, or not. It takes the decision of those alone whom it asks, if it names any."""

    def act(connection: Any) -> Decided:
        asked = _waiting(list_asked(connection), run_id, step, wish.item)
        is_taken = answer_wait(
            connection,
            asked,
            approved=wish.approved,
            by=doing.actor(),
            reason=wish.reason,
            instead_of=wish.instead_of,
            responses=_responses(asked, wish) if wish.approved else {},
        )
        if not is_taken:
            raise _gone(step)
        return Decided(run_id=run_id, step=step, item=wish.item, approved=wish.approved)

    return doing.once(act, wish)


@router.post("/unsettled/{run_id}/{step}", operation_id="settleCall", response_model=Settled)
def settle(doing: Operator, run_id: UUID, step: Step, wish: Settlement) -> Response:
    """Say what became of a call that may have happened; one answer counts."""

    def act(connection: Any) -> Settled:
        call = _waiting(list_unsettled(connection), run_id, step, wish.item)
        is_settled = settle_call(
            connection,
            call,
            settled=wish.settled,
            result=wish.result,
            by=doing.actor(),
            reason=wish.reason,
        )
        if not is_settled:
            raise _gone(step)
        return Settled(run_id=run_id, step=step, item=wish.item, settled=wish.settled)

    return doing.once(act, wish)


def _waiting(waiting: list[Any], run_id: UUID, step: str, item: int) -> Any:
    place = (run_id, step, item)
    for one in waiting:
        if (one.run_id, one.step, one.iteration) == place:
            return one
    raise NotFound(f"no step {step} of run {run_id} waits for that")


def _gone(step: str) -> StalePlan:
    return StalePlan(
        f"step {step} does not wait any more: somebody else decided, or its time was over"
    )


def _responses(asked: Asked, wish: Decision) -> dict[str, Any]:
    """What the server that asks is answered."""
    requests = asked.asked.get("requests", {})
    if not requests:
        if wish.data is not None:
            raise UnfitAnswer(f"step {asked.step} of {asked.task} asks for no data")
        return {}
    data = wish.data or {}
    # With one question its fields are enough.
    return responses_of(requests, data if len(requests) > 1 else {next(iter(requests)): data})
