"""`POST /hooks/PROJECT/NAME`: events that others tell of; whoever knows the webhook's secret may, and there is no token.
`POST /callbacks/TOKEN`: the answer that a step waits for; whoever was given the token may, once.

An answer in the 200s is given when the event is on record, and never before: 202 for one that is new, 200 for one that came before.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response
from starlette.requests import Request

from runtime.core.webhooks import NotAuthentic, NotUnderstood, read_json, read_request
from runtime.core.webhooks import Request as Posted
from runtime.store.events import CallbackRefused, Event, arrive_by_token, put_on_record
from runtime.web.inbox import Inbox
from runtime.web.once import trace_link_of
from runtime.web.problems import Refused
from schemas.webhook import CallbackAnswer, HookAnswer

router = APIRouter(include_in_schema=False)


async def inbox_of(request: Request) -> Inbox:
    """What comes in from outside, as the application has it."""
    inbox = request.app.state.inbox
    assert isinstance(inbox, Inbox)  # noqa: S101 - what makes the application puts it there
    return inbox


Incoming = Annotated[Inbox, Depends(inbox_of)]


@router.post("/hooks/{project}/{name}", status_code=202)
async def post_hook(
    project: str, name: str, request: Request, response: Response, incoming: Incoming
) -> HookAnswer:
    """Take in an event."""
    hook = await incoming.hook(project, name)
    if hook is None:
        raise Refused(404, f"there is no webhook {project}/{name}", code="ORD310")
    posted = Posted(dict(request.headers), await request.body())
    try:
        told = read_request(hook, posted, incoming.clock.now())
    except NotAuthentic as refusal:
        incoming.tell_refusal(request.client.host if request.client else "")
        raise Refused(403, str(refusal), code="ORD341") from None
    except NotUnderstood as refusal:
        raise Refused(422, str(refusal)) from None
    async with incoming.connection() as connection:
        is_new = await put_on_record(
            connection,
            Event(
                told.topic,
                told.data,
                told.source,
                told.event_id,
                trace_link_of(request.headers),
            ),
        )
    if not is_new:
        response.status_code = 200
    return HookAnswer(id=told.event_id, topic=told.topic, is_new=is_new)


_REFUSALS: Final = {"unknown": 404, "used": 409, "expired": 410}


@router.post("/callbacks/{token}", status_code=202)
async def post_callback(token: str, request: Request, incoming: Incoming) -> CallbackAnswer:
    """Take in the answer to a callback."""
    try:
        data = read_json(await request.body() or b"null")
    except NotUnderstood as refusal:
        raise Refused(422, str(refusal)) from None
    try:
        async with incoming.connection() as connection:
            arrival = await arrive_by_token(
                connection, token, data, trace_link_of(request.headers)
            )
    except CallbackRefused as refusal:
        raise Refused(_REFUSALS[refusal.why], refusal.message, code=refusal.code) from None
    return CallbackAnswer(resumed=bool(arrival.ended))
