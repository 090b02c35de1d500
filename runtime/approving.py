"""A person decides about a step that asks: by whichever way the decision comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from runtime.actor import Actor
from runtime.core.answering import UnfitAnswer, responses_of
from runtime.errors import EXIT_BLOCKED, NotFound, OrdinautError, StalePlan
from runtime.store.rows import Connection
from runtime.store.waits import answer_wait, list_asked, list_askers
from schemas.asked import Asked
from schemas.unsettled import Unsettled
from schemas.wishes import Decided, Decision

Waiting = TypeVar("Waiting", Asked, Unsettled)


class OwnAsking(OrdinautError):
    """Somebody decides what they asked for themselves."""

    default_code = "ORD418"
    exit_code = EXIT_BLOCKED


def decide_step(
    connection: Connection, run_id: UUID, step: str, wish: Decision, *, by: Actor
) -> Decided:
    """Let a step go on, or not, for somebody who is no person at a screen as far as anybody knows.

    Raises:
        NotFound: ORD310, it asks for nothing.
        NotAsked: ORD418, it asks others.
        OwnAsking: ORD418, they asked for the run or for one that led to it, or are the agent that it works for.
        UnfitAnswer: ORD421, the data do not fit what is asked.
        StalePlan: ORD202, somebody else decided.
    """
    asked = waiting_there(list_asked(connection), run_id, step, wish.item)
    if by.name in list_askers(connection, run_id):
        raise OwnAsking(
            f"{by.name} asked for run {run_id}, and cannot decide about it",
            hint="let somebody else decide: `ordinaut approve`, or the dashboard",
        )
    is_taken = answer_wait(
        connection,
        asked,
        approved=wish.approved,
        by=by,
        reason=wish.reason,
        instead_of=wish.instead_of,
        responses=_responses(asked, wish) if wish.approved else {},
    )
    if not is_taken:
        raise gone(step)
    return Decided(run_id=run_id, step=step, item=wish.item, approved=wish.approved)


def waiting_there(waiting: Sequence[Waiting], run_id: UUID, step: str, item: int) -> Waiting:
    """The one that waits in this place.

    Raises:
        NotFound: ORD310, none does.
    """
    place = (run_id, step, item)
    for one in waiting:
        if (one.run_id, one.step, one.iteration) == place:
            return one
    raise NotFound(f"no step {step} of run {run_id} waits for that")


def gone(step: str) -> StalePlan:
    """The refusal of what comes too late."""
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
