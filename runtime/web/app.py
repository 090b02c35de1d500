"""The application: everything that is served over HTTP, over one database.

    app = create_app(Config.load(), "postgresql://…")

Nothing here is there without a token but health, and what its routers say themselves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import anyio.to_thread
from fastapi import APIRouter, FastAPI

from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.config import Config
from runtime.store.lending import Lender
from runtime.web import api, health, hooks, metrics, pages
from runtime.web.boundary import Boundary
from runtime.web.inbox import Inbox
from runtime.web.limits import Limits
from runtime.web.measuring import Measured
from runtime.web.pages.live import Live
from runtime.web.problems import install_problems
from runtime.web.recent import Recent
from runtime.web.site import Site
from runtime.web.tracing import exporters

# As many requests as are worked on at once; more of them wait. Most wait for the database, which is lent four at a time.
_THREADS: Final = 8


def create_app(config: Config, database: str, *, clock: Clock = SYSTEM_CLOCK) -> FastAPI:
    """Make the application.

    Args:
        config: the settings.
        database: a libpq connection string or URL; it need not answer yet.
        clock: for what is measured and waited for here.
    """
    lender = Lender(database, silence=config.silence)
    site = Site(config, lender, clock, Limits.by(clock), Recent(clock))
    app = FastAPI(
        title="Ordinaut",
        lifespan=_lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.site = site
    app.state.metrics = metrics.Metrics(lender.reading, clock)
    app.state.inbox = Inbox(config, database, clock)
    app.state.live = Live(lender, clock)
    install_problems(app)
    for router in _routers():
        app.include_router(router)
    app.add_middleware(Boundary, site=site)
    # The last one is the outermost: what the boundary refuses is measured too.
    app.add_middleware(Measured, measure=app.state.metrics.answered, clock=clock)
    return app


def _routers() -> Iterator[APIRouter]:
    """Everything that is served."""
    yield health.router
    yield api.router
    yield metrics.router
    yield hooks.router
    yield pages.router


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
    async with AsyncExitStack() as open_:
        site: Site = app.state.site
        open_.enter_context(site.lender)
        open_.enter_context(app.state.metrics)
        open_.push_async_callback(app.state.inbox.close)
        for exporter in exporters(site.config.traces_url, site.lender, site.clock):
            open_.enter_context(exporter)
        yield
