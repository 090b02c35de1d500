"""What requests do, once: with an `Idempotency-Key`, whoever asks again gets the same answer and no second effect.

    @router.post("/tasks/{name}/pause")
    def pause(doing: Annotated[Doing, acts("operate")], name: str, wish: PauseWish) -> Response:
        return doing.once(lambda connection: pause_task(connection, …), wish)

The effect, its entry in the audit log and the answer are one transaction: after a crash there are all of them or none. A key
is its token's own, and holds for 24 hours (draft-ietf-httpapi-idempotency-key-header). What was refused had no effect, and is
not kept: asked again, it is tried again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import orjson
from fastapi import Depends, Header
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from runtime.actor import Actor
from runtime.core.tracing import TRACEPARENT, kept_link
from runtime.store.requests import Answered, Keyed, claim_request, find_request, record_request
from runtime.store.rows import Connection
from runtime.web.auth import ORIGIN, Principal, needs
from runtime.web.problems import Refused
from runtime.web.site import Here, Site
from schemas.token import Scope

MAX_KEY: Final = 255
REPLAYED: Final = "Idempotency-Replayed"
_JSON: Final = "application/json"
_KEY: Final = re.compile(rf"[\x20-\x7e]{{1,{MAX_KEY}}}")


@dataclass(frozen=True, slots=True)
class Doing:
    """A request that does something.

    Attributes:
        site: where.
        principal: who asks.
        key: the idempotency key; None if it has none.
        operation: the method and path.
        address: where it came from.
        trace_link: the span that it was asked from, of a trace elsewhere.
    """

    site: Site
    principal: Principal
    key: str | None
    operation: str
    address: str | None
    trace_link: str | None

    def actor(self, reason: str = "") -> Actor:
        """Who does it, for records of who did what."""
        name = self.principal.name
        return Actor(name, ORIGIN, token=name, address=self.address, reason=reason)

    def once(
        self,
        act: Callable[[Connection], BaseModel],
        wish: BaseModel,
        *,
        status: int = 200,
        path_of: Callable[[Mapping[str, Any]], str] | None = None,
    ) -> Response:
        """Do it, unless it was done; the answer.

        Args:
            act: has the effect, in a transaction.
            wish: the arguments, by which a repetition is known.
            status: of the answer.
            path_of: where what was made is found, by the answer.

        Raises:
            Refused: 409 somebody is at it, 422 the key stands for another request.
            OrdinautError: what `act` raises.
        """
        with self.site.lender.writing() as connection, connection.transaction():
            keyed = self._keyed(wish)
            before = None if keyed is None else _claimed(connection, keyed)
            answer = before.answer if before else act(connection).model_dump_json()
            if keyed is not None and before is None:
                record_request(connection, keyed, status, answer)
        self.site.recent.forget()
        headers = {"Location": path_of(orjson.loads(answer))} if path_of else {}
        replayed = {REPLAYED: "true"} if before else {}
        return Response(answer, status, headers | replayed, _JSON)

    def _keyed(self, wish: BaseModel) -> Keyed | None:
        if self.key is None:
            return None
        said = f"{self.operation}\n{wish.model_dump_json()}".encode()
        return Keyed(self.principal.token_id, self.key, hashlib.sha256(said).digest())


def _claimed(connection: Connection, keyed: Keyed) -> Answered | None:
    """What was answered before; None if the request is ours to answer."""
    if not claim_request(connection, keyed):
        raise Refused(
            409,
            "a request with this Idempotency-Key is being answered",
            hint="ask again in a moment: the same key gets the same answer",
            code="ORD329",
            headers={"Retry-After": "1"},
        )
    before = find_request(connection, keyed)
    if before is None:
        return None
    if before.fingerprint != keyed.fingerprint:
        raise Refused(
            422,
            "this Idempotency-Key was used for another request",
            hint="take a new key for each thing that is to be done",
            code="ORD329",
        )
    return before


def trace_link_of(headers: Headers) -> str | None:
    """What a request says of the trace that it is part of (W3C Trace Context), as far as it may be kept."""
    return kept_link(headers.getlist(TRACEPARENT))


def acts(scope: Scope) -> Any:
    """The parameter of a route that does something, and takes this scope; it receives the `Doing`."""

    admitted = needs(scope)

    def doing(
        request: Request,
        here: Here,
        principal: Principal = admitted,
        key: Annotated[
            str | None,
            Header(
                alias="Idempotency-Key",
                min_length=1,
                max_length=MAX_KEY,
                pattern=r"^[\x20-\x7e]+$",
                description="Whoever asks again with the same key within 24 hours gets the same answer, and nothing is done again.",
            ),
        ] = None,
    ) -> Doing:
        address = request.client.host if request.client else None
        operation = f"{request.method} {request.url.path}"
        return Doing(here, principal, key, operation, address, trace_link_of(request.headers))

    return Depends(doing)
