"""What other systems tell: events, which start tasks and end waits."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final
from uuid import UUID, uuid4, uuid5

import psycopg
from fastapi import APIRouter
from starlette.responses import Response

from runtime.actor import Actor
from runtime.store.connect import CONNECT_TIMEOUT_SECONDS, SESSION_OPTIONS
from runtime.store.events import Arrival, Event, arrive
from runtime.web.api.route import ThreadRoute
from runtime.web.once import Doing, acts
from runtime.web.problems import refusals
from schemas.wishes import Emission, Emitted

router = APIRouter(
    route_class=ThreadRoute, tags=["events"], responses=refusals(401, 403, 409, 413, 422, 429, 503)
)

Teller = Annotated[Doing, acts("emit")]
_KEYS: Final = UUID("6b0c9f0e-0d0f-5d6e-9a53-3b5b1f9f4a52")


@router.post("/events", operation_id="emitEvent", response_model=Emitted)
def emit(doing: Teller, wish: Emission) -> Response:
    """Tell of an event: it starts the tasks that listen for it, and ends the waits that it is for, once by its id."""
    event_id = wish.id or _made_up(doing)
    event = Event(wish.topic, wish.data, f"api:{doing.principal.name}", event_id, doing.trace_link)

    def act(_: Any) -> Emitted:
        # On a connection of its own: it counts once by its id, so a crash before the answer is kept does no harm.
        arrival = asyncio.run(_send(doing.site.lender.conninfo, event, doing.actor()))
        return Emitted(
            id=event_id,
            topic=wish.topic,
            is_new=arrival.is_new,
            ended=arrival.ended,
            heard=arrival.heard,
        )

    return doing.once(act, wish)


def _made_up(doing: Doing) -> str:
    """An id that a repetition of the request has as well."""
    if doing.key is None:
        return str(uuid4())
    return str(uuid5(_KEYS, f"{doing.principal.token_id}:{doing.key}"))


async def _send(conninfo: str, event: Event, actor: Actor) -> Arrival:
    async with await psycopg.AsyncConnection.connect(
        conninfo,
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        application_name="ordinaut web, events",
        options=SESSION_OPTIONS,
        prepare_threshold=None,
    ) as connection:
        return await arrive(connection, event, actor=actor)
