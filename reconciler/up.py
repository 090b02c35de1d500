"""Everything on one machine, in one process: servers, schema, specs, runtime, and a watch on the specs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from reconciler.cache import Cache
from reconciler.companions import Companions, Home
from reconciler.healing import Healer
from reconciler.reconcile import Folder, Reconciled
from reconciler.source import require_folder
from reconciler.watch import SpecsWatch
from reconciler.web.beside import WebBeside
from runtime.addresses import listening_somewhere, url_of
from runtime.app import Place
from runtime.config import Config
from runtime.embedded import EmbeddedServers
from runtime.embedded.web import address_left
from runtime.errors import OrdinautError
from runtime.news import News
from runtime.service import Service
from runtime.serving import serve
from runtime.store.migrate import migrate
from schemas.event import Event


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything stands, and the runtime is about to start.

    Attributes:
        database: where the data are, in words.
        web: the address of the web side.
        migrated: the schema version before and after.
        reconciled: what the first look at the specs found and did, or why it was refused.
    """

    database: str
    web: str
    migrated: tuple[int, int]
    reconciled: Reconciled | OrdinautError


@dataclass(frozen=True, slots=True)
class Voice:
    """Who is told what happens; each is called on the event loop and must not wait."""

    ready: Callable[[Ready], None]
    reconciled: Callable[[Reconciled | OrdinautError], None]
    events: Callable[[Sequence[Event]], None]


class _ServersWatch:
    """Service: ends, with the reason, when an embedded server does."""

    name = "embedded servers"

    def __init__(self, servers: EmbeddedServers) -> None:
        self._servers = servers

    async def run(self) -> None:
        raise await self._servers.watch()


async def up(config: Config, voice: Voice) -> bool:
    """Bring everything up, and run until told to stop; whether it stopped with nothing left running.

    Servers that the settings name are used; what they do not name is started, under the state folder.

    Raises:
        OrdinautError: something could not start, or ended by itself.
    """
    folder = config.specs.absolute()
    require_folder(folder)
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(listening_somewhere(config.listen))
        beside: list[Service] = []
        database, redis, where = config.database_url, config.redis_url, "settings"
        if database is None or redis is None:
            servers = EmbeddedServers(config.state_dir)
            urls = await stack.enter_async_context(servers)
            beside.append(_ServersWatch(servers))
            where = "settings" if database else str(config.state_dir)
            database, redis = database or urls.database, redis or str(urls.redis)
        direct = config.direct_url or database
        migrated = await asyncio.to_thread(migrate, direct)
        embedded = None if config.database_url else database
        home = Home(folder.parent, config.state_dir / "processes", config.databases, embedded)
        companions = Companions(home)
        stack.push_async_callback(companions.close)

        def look(found: Reconciled | OrdinautError) -> None:
            companions.look(found)
            voice.reconciled(found)

        specs = Folder(direct, folder, config.environment, Cache(config.state_dir))
        watch = SpecsWatch(specs, look)
        web = config.public_url or url_of(listener)
        stack.enter_context(address_left(config.state_dir, web))
        first = await watch.begin()
        await companions.begin(first)
        voice.ready(Ready(where, web, migrated, first))
        found = replace(config, database_url=database, redis_url=redis)
        beside += [
            News(redis, config.stream, voice.events),
            companions,
            watch,
            Healer(direct),
            WebBeside(found, listener),
        ]
        place = Place(database, redis, folder.parent, config.direct_url)
        return await serve(replace(config, public_url=web), place, beside, quiet=True)
