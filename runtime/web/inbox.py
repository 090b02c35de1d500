"""What comes in from outside: connections of its own, and the secrets by which senders are known.

Events are taken in by the same statements as everywhere, which wait for the database without a thread; so these routes have a
pool of their own, opened when something comes in for the first time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg_pool import PoolTimeout

from runtime.clock import Clock
from runtime.config import Config
from runtime.core.webhooks import Hook
from runtime.errors import StoreError
from runtime.keyring import Keyring
from runtime.logs import get_logger
from runtime.secrets import Secrets
from runtime.store.connect import unavailable
from runtime.store.pool import Connection, Pool, borrow, open_pool
from runtime.store.webhooks import FoundHook, find_webhook
from schemas.durations import parse_duration

_CONNECTIONS: Final = 4
# A webhook that was changed is another one so much later. Strangers who post to it ask the database once for all.
_KNOWN_SECONDS: Final = 1.0
_MOST_KNOWN: Final = 1000
_TOLD_EVERY_SECONDS: Final = 60.0
_SECRET: Final = len("${secrets.")
_log = get_logger("web")


@dataclass(frozen=True, slots=True)
class _Known:
    found: FoundHook
    at: float


class Inbox:
    """Connections and secrets for requests from outside; close it at the end."""

    def __init__(self, config: Config, database: str, clock: Clock) -> None:
        self._config = config
        self._database = database
        self.clock = clock
        self._keyring = Keyring(Path.cwd(), clock, config.databases)
        self._opening = asyncio.Lock()
        self._pool: Pool | None = None
        self._known: dict[tuple[str, str], _Known] = {}
        self._refused = 0
        self._told_at: float | None = None

    async def close(self) -> None:
        """Give the connections back, and end programs that print secrets."""
        await self._keyring.close()
        if self._pool is not None:
            await self._pool.close(self._config.silence.total_seconds())

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in autocommit mode.

        Raises:
            DatabaseUnavailable: ORD301 away, or too busy.
            StoreError: it refused.
        """
        try:
            async with borrow(await self._opened()) as connection:
                yield connection
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise unavailable(self._database, error) from error
        except psycopg.Error as error:
            raise StoreError(f"the database refused: {error}") from error

    async def hook(self, project: str, name: str) -> Hook | None:
        """The webhook of this name, with its secrets as they are now; None if there is none.

        Raises:
            SecretUnreadable: ORD410.
        """
        # No name holds what the database would refuse to look for.
        is_name = "\x00" not in project + name
        found = await self._find(project, name) if is_name else None
        if found is None:
            return None
        names = [reference[_SECRET:-1] for reference in found.hook["secret"]]
        secrets = Secrets(found.secrets or {}, self._keyring)
        await secrets.collect(names)
        return _hook(project, name, found.hook, tuple(secrets[one] for one in names))

    def tell_refusal(self, peer: str) -> None:
        """Count, and tell at most once a minute: strangers must not be able to fill the log."""
        self._refused += 1
        now = self.clock.monotonic()
        if self._told_at is None or now - self._told_at >= _TOLD_EVERY_SECONDS:
            told = {"peer": peer, "count": self._refused}
            _log.warning("requests of webhooks without a right signature", extra=told)
            self._refused, self._told_at = 0, now

    async def _find(self, project: str, name: str) -> FoundHook | None:
        now = self.clock.monotonic()
        known = self._known.get((project, name))
        if known is not None and now - known.at < _KNOWN_SECONDS:
            return known.found
        async with self.connection() as connection:
            found = await find_webhook(connection, project, name)
        self._known.pop((project, name), None)
        if found is not None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[project, name] = _Known(found, now)
        return found

    async def _opened(self) -> Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await open_pool(
                    self._database, size=_CONNECTIONS, silence=self._config.silence
                )
        return self._pool


def _hook(project: str, name: str, body: Mapping[str, Any], secrets: tuple[str, ...]) -> Hook:
    return Hook(
        project,
        name,
        body["preset"],
        secrets,
        body.get("topic"),
        parse_duration(body["tolerance"]),
    )
