"""The web side as it is in production, within the test process: uvicorn in a thread, over a test's database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import psycopg
from starlette.types import ASGIApp

from reconciler.web.app import whole_app
from runtime.actor import Actor
from runtime.addresses import listening, url_of
from runtime.config import Config
from runtime.store.tokens import add_token
from runtime.web.server import Server
from schemas.token import Scope

ALL_SCOPES: tuple[Scope, ...] = ("read", "operate", "approve", "emit")


@dataclass(frozen=True)
class Web:
    """A web side that answers.

    Attributes:
        url: where, without a slash at the end.
        database: what it is over.
        token: one with every scope but `admin`, named `tester`.
        client: sends that token; `httpx.get(web.url + …)` sends none.
    """

    url: str
    database: str
    token: str
    client: httpx.Client
    config: Config
    _made: dict[tuple[Scope, ...], str] = field(default_factory=dict)

    def token_for(self, *scopes: Scope) -> str:
        """A token with these scopes and no others."""
        if scopes not in self._made:
            self._made[scopes] = make_token(self.database, "-".join(scopes), scopes)
        return self._made[scopes]

    def as_(self, *scopes: Scope) -> dict[str, str]:
        """Headers of somebody whose token has these scopes and no others."""
        return bearer(self.token_for(*scopes))


def bearer(token: str) -> dict[str, str]:
    """The headers that show a token."""
    return {"Authorization": f"Bearer {token}"}


def make_token(database: str, name: str, scopes: tuple[Scope, ...]) -> str:
    """A token that is in force for an hour."""
    with psycopg.connect(database, autocommit=True) as connection:
        return add_token(connection, name, scopes, timedelta(hours=1), actor=Actor("tester")).token


@contextmanager
def running(
    database: str, *, before: Callable[[ASGIApp], ASGIApp] | None = None, **settings: Any
) -> Iterator[tuple[str, Config]]:
    """A web side over this database, whether that answers or not, on a free port for the block; its address.

    Args:
        database: what it is over.
        before: makes what stands before it of what comes next.
        settings: its settings.
    """
    listener = listening("127.0.0.1:0")
    config = Config.load({"database_url": database, "silence": "5s", **settings}, environ={})
    app = whole_app(config, database)
    if before is not None:
        app.add_middleware(before)
    server = Server(app)
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve(sockets=[listener])), name="web"
    )
    thread.start()
    try:
        # The socket listens already: what comes before uvicorn does waits in its queue.
        yield url_of(listener), config
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive(), "the web side does not end"


@contextmanager
def serving(database: str, **settings: Any) -> Iterator[Web]:
    """A web side over this database, with these settings, on a free port, for the block."""
    with running(database, **settings) as (url, config):
        token = make_token(database, "tester", ALL_SCOPES)
        with httpx.Client(base_url=url, headers=bearer(token), timeout=20) as client:
            client.get("/healthz").raise_for_status()
            yield Web(url, database, token, client, config)
