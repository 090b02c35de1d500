"""Puts the web side together."""

from __future__ import annotations

from fastapi import FastAPI

from reconciler.mcp.over_http import McpRoute
from reconciler.web import plans, revisions
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.config import Config
from runtime.web.api import PREFIX
from runtime.web.app import create_app


def whole_app(config: Config, database: str, *, clock: Clock = SYSTEM_CLOCK) -> FastAPI:
    """The application; as `create_app`."""
    app = create_app(config, database, clock=clock)
    for router in (revisions.router, plans.router):
        app.include_router(router, prefix=PREFIX)
    app.router.routes.append(McpRoute())
    return app
