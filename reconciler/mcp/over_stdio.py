"""The MCP server of one client, over standard input and output, on which there is nothing else.

It begins at once, whether there is a database or not: a client that starts it early is told so when it calls a tool. Without a setting
it finds the database of the `ordinaut up` of its state folder, and finds it again after that was started anew.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from threading import Lock

from mcp.server.stdio import stdio_server
from starlette.concurrency import run_in_threadpool

from reconciler.mcp.calling import Call, Caller, Desk
from reconciler.mcp.server import server_for
from runtime.actor import current_actor
from runtime.clock import Clock
from runtime.config import Config
from runtime.embedded import running
from runtime.errors import DatabaseUnavailable, OrdinautError
from runtime.store.lending import Lender
from runtime.store.migrate import require_usable
from runtime.store.tokens import find_token
from schemas.token import Scope


class BadToken(OrdinautError):
    """The token is none that is in force."""

    default_code = "ORD319"


@dataclass
class Station:
    """Where calls of one client come to.

    Attributes:
        config: the settings.
        scopes: what may be done at most.
        agent: as which agent of the specs it is done; None as whoever started us, or as a token says.
        clock: for what is waited for.
    """

    config: Config
    scopes: frozenset[Scope]
    clock: Clock
    agent: str | None = None
    _open: ExitStack = field(default_factory=ExitStack)
    _lender: Lender | None = None
    _lock: Lock = field(default_factory=Lock)

    async def serve(self) -> None:
        """Serve until the client is gone."""
        server = server_for(self.here)
        with self._open:
            async with stdio_server() as (reads, writes):
                await server.run(reads, writes, server.create_initialization_options())

    async def here(self) -> Call:
        """Who calls now, and over which database.

        Raises:
            BadToken: ORD319.
            StoreError: there is a token, and no database to ask about it.
        """
        desk = Desk(self.config, self._lend, self.clock, lambda: None)
        return Call(desk, await run_in_threadpool(self._caller))

    def _caller(self) -> Caller:
        token = self.config.mcp_token
        if token is None:
            return Caller(self.agent or current_actor().name, self.scopes)
        with self._lend().reading() as connection:
            found = find_token(connection, token)
        if found is None:
            raise BadToken(
                "the token is unknown, was revoked, or has expired",
                hint="`ordinaut token create` makes one; give it as ORDINAUT_MCP_TOKEN",
            )
        granted = self.scopes if "admin" in found.scopes else found.scopes & self.scopes
        return Caller(found.name, frozenset(granted), found.name)

    def _lend(self) -> Lender:
        with self._lock:
            conninfo = self._conninfo()
            if self._lender is None or self._lender.conninfo != conninfo:
                self._forget()
                lender = self._open.enter_context(Lender(conninfo, silence=self.config.silence))
                with lender.reading() as connection:
                    require_usable(connection)
                self._lender = lender
            return self._lender

    def _forget(self) -> None:
        self._lender = None
        self._open.close()

    def _conninfo(self) -> str:
        if self.config.database_url is not None:
            return self.config.database_url
        found = running(self.config.state_dir)
        if found is None:
            # The next one has the same address, and these connections would be tried again for a while.
            self._forget()
            raise DatabaseUnavailable(
                f"no server runs in {self.config.state_dir.absolute()}, and database_url is not set",
                hint="start `ordinaut up`, and name its specs in ORDINAUT_SPECS; or set ORDINAUT_DATABASE_URL",
            )
        return found.database
