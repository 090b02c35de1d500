"""How long requests take until they are answered, by what serves them; the labels are as many as there are routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from fastapi.routing import iter_route_contexts
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.clock import Clock
from runtime.web.meters import OTHER

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Measure = Callable[[str, str, str, float], None]
"""Takes the method, the template of the route, the class of the status (`2xx`) and the seconds."""


class Measured:
    """ASGI middleware, around everything that answers.

    Args:
        app: what is inside.
        measure: is told of each request that was answered.
        clock: for how long that took.
    """

    def __init__(self, app: ASGIApp, measure: Measure, clock: Clock) -> None:
        self._app = app
        self._measure = measure
        self._clock = clock
        self._paths: Mapping[int, str] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = self._clock.monotonic()

        async def outward(message: Message) -> None:
            if message["type"] == "http.response.start":
                # What follows may be a stream, which lasts as long as somebody looks.
                seconds = self._clock.monotonic() - began
                method = scope["method"] if scope["method"] in _METHODS else OTHER
                self._measure(method, self._route(scope), f"{message['status'] // 100}xx", seconds)
            await send(message)

        await self._app(scope, receive, outward)

    def _route(self, scope: Mapping[str, Any]) -> str:
        """The template, not the path: paths are what whoever asks makes up."""
        if self._paths is None:
            routes = iter_route_contexts(scope["app"].routes)
            self._paths = {id(one.original_route): one.path or OTHER for one in routes}
        return self._paths.get(id(scope.get("route")), OTHER)
