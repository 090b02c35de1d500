"""One session with a tool server: from the handshake to the farewell, with the tools it lists.

Opened, and left, by exactly one task (`runtime.tools.actor`): the SDK's `Client` must be left by the task that entered
it, or that task is poisoned for good. Any task may send calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import anyio
from mcp import Client, MCPError
from mcp.client.session import ClientRequestContext, IncomingMessage
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp.shared.dispatcher import ProgressFnT
from mcp_types import (
    CONNECTION_CLOSED,
    METHOD_NOT_FOUND,
    REQUEST_TIMEOUT,
    CallToolRequest,
    CallToolResult,
    ElicitRequestParams,
    ElicitResult,
    Implementation,
    InputRequiredResult,
    Tool,
    ToolListChangedNotification,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from pydantic import TypeAdapter

from runtime.clock import Clock
from runtime.tools.catalogue import Catalogue, ToolInfo
from runtime.tools.definition import Protocol, ServerDefinition
from runtime.tools.interview import Interview, answer
from runtime.tools.request import Request
from runtime.tools.tasks import TaskHandle, Tasks, Working, ask_task
from runtime.tools.transports import Connection
from runtime.tools.waiting import cancel_all, time_limit

_RESULT: Final[TypeAdapter[CallToolResult | InputRequiredResult | TaskHandle]] = TypeAdapter(
    CallToolResult | InputRequiredResult | TaskHandle
)
_NO_ANSWER: Final = frozenset({CONNECTION_CLOSED, REQUEST_TIMEOUT})
_CLIENT_INFO: Final = Implementation(name="ordinaut", version="1")
_MAX_PAGES: Final = 100
_log = logging.getLogger("ordinaut.tools")
# The SDK's own timeout begins once the request is written; this bounds the writing as well, where it is more than putting
# it into memory, which is all that a process of ours takes.
_WRITE_SECONDS: Final = 5.0


class Session:
    """A connected server. Made by `open_session`.

    Attributes:
        generation: the how-manieth session with this server it is.
        catalogue: the tools as last listed.
        stale: whether the server has said since that they changed.
        over: whether it must not be used any more.
        suspect: whether a call went unanswered since the server last answered one.
        worn: whether the server is worn out, and to be replaced.
        answers: how many calls the server has answered.
        in_flight: how many calls are under way.
    """

    def __init__(
        self, client: Client, connection: Connection, definition: ServerDefinition, generation: int
    ) -> None:
        self.generation = generation
        self.catalogue = Catalogue(definition.key)
        self.stale = True
        self.over = False
        self.suspect = False
        self.worn = False
        self.answers = 0
        self.in_flight = 0
        self._interviews: list[Interview] = []
        self._client = client
        self._connection = connection
        self._definition = definition
        self._listing = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None

    @property
    def protocol(self) -> str:
        """The protocol revision that was agreed on."""
        return self._client.protocol_version

    @property
    def server(self) -> str:
        """Name and version as the server gives them; empty if it gives none."""
        info = self._client.server_info
        return f"{info.name} {info.version}" if info else ""

    @property
    def pid(self) -> int | None:
        """Number of the server process, if it is ours."""
        return self._connection.pid

    def usable(self) -> bool:
        """Whether a call may be sent now."""
        return not self.over and not self.suspect and self._connection.alive()

    def alive(self) -> bool:
        """Whether the server is there at all."""
        return not self.over and self._connection.alive()

    def last_words(self) -> str:
        """The end of the server's stderr."""
        return self._connection.last_words()

    async def find(self, name: str | None) -> ToolInfo | None:
        """A tool, listed anew if the list is out of date or does not have it; with None, only the former.

        Raises:
            MCPError, TimeoutError: the server could not list its tools.
        """
        found = self.catalogue.find(name) if name is not None else None
        if self.stale or (found is None and name is not None):
            await self.refresh()
            found = self.catalogue.find(name) if name is not None else None
        return found

    async def refresh(self) -> None:
        """List the tools. Callers at the same time share one listing.

        Raises:
            MCPError, TimeoutError: the server could not.
        """
        before = self.catalogue
        async with self._listing:
            if self.catalogue is not before and not self.stale:
                return
            self._watch_changes()
            self.stale = False
            try:
                self.catalogue = await self._list()
            except BaseException:
                self.stale = True
                raise

    async def send(
        self,
        asked: Request,
        *,
        seconds: float,
        told: Callable[[], None] | None = None,
    ) -> CallToolResult | InputRequiredResult | Working:
        """Send one call, once; or ask for the result of one that became a task. `told` is called whenever the tool tells of its progress; with None it is not asked to.

        Not through `Client.call_tool`: that answers requests for input by itself, and raises where a result breaks its
        schema, before anybody can see the result.

        Raises:
            MCPError, TimeoutError, pydantic.ValidationError: see `runtime.tools.answers`.
        """
        is_modern = not is_handshake_era(self.protocol)
        request = CallToolRequest(params=asked.params(goes_on=is_modern))
        interview = Interview(asked.going_on)
        self._interviews.append(interview)
        self.in_flight += 1
        most = seconds + _WRITE_SECONDS if self.pid is None else None
        try:
            async with asyncio.timeout(most):
                if (going_on := asked.going_on) is not None and going_on.task is not None:
                    return await ask_task(self._client.session, going_on.task, going_on, seconds)
                result = await self._client.session.send_request(
                    request,
                    _RESULT,
                    request_read_timeout_seconds=seconds,
                    progress_callback=None if told is None else _told(told),
                )
        except MCPError as error:
            if interview.result is None or error.code in _NO_ANSWER:
                raise
            result = interview.result
        finally:
            self.in_flight -= 1
            self._interviews.remove(interview)
        self.answers += 1
        self.suspect = False
        result = interview.result or result
        return result.working if isinstance(result, TaskHandle) else result

    def answer(self, params: ElicitRequestParams) -> ElicitResult:
        """What a server of an older revision is told that asks while calls are under way."""
        return answer(self._interviews, params)

    async def close(self) -> None:
        """Stop listening for changes."""
        self.over = True
        if self._watch is not None:
            await cancel_all(self._watch)

    async def heard(self, message: IncomingMessage) -> None:
        """Called by the SDK for notifications."""
        if isinstance(message, ToolListChangedNotification):
            self.stale = True

    async def _list(self) -> Catalogue:
        tools: list[Tool] = []
        cursor: str | None = None
        for _ in range(_MAX_PAGES):
            try:
                page = await self._client.list_tools(cursor=cursor)
            except MCPError as error:
                if error.code == METHOD_NOT_FOUND:
                    break  # a server without tools
                raise
            tools += page.tools
            cursor = page.next_cursor
            if cursor is None:
                break
        return self._catalogue(tools)

    def _catalogue(self, tools: Sequence[Tool]) -> Catalogue:
        definition = self._definition
        key, offers = definition.key, definition.offers
        catalogue = Catalogue(
            key,
            [_tool_info(key, tool) for tool in tools if offers(tool.name)],
            hidden=[tool.name for tool in tools if not offers(tool.name)],
            locked=definition.locked,
        )
        if catalogue.changed and definition.on_contract_change == "warn":
            _log.warning(
                "tools of %s no longer keep to the tool lock: %s; they are called all the same",
                key,
                ", ".join(sorted(catalogue.changed)),
            )
        return catalogue

    def _watch_changes(self) -> None:
        """Subscribe to changes where the revision needs it; before listing, so that none falls between the two."""
        listed = self._client.server_capabilities.tools
        if self._watch is None and listed is not None and listed.list_changed:
            self._watch = asyncio.create_task(self._hear_changes())

    async def _hear_changes(self) -> None:
        # Older revisions send notifications unasked, and a server may refuse: then the list is as of the connect.
        with contextlib.suppress(
            ListenNotSupportedError, MCPError, SubscriptionLost, TimeoutError
        ):
            async with self._client.listen(tools_list_changed=True) as changes:
                try:
                    async for _ in changes:
                        self.stale = True
                finally:
                    # What is missed from here on is made up for by the next listing, which subscribes again.
                    self.stale = True
                    self._watch = None


@asynccontextmanager
async def open_session(
    definition: ServerDefinition,
    connection: Connection,
    clock: Clock,
    *,
    generation: int,
    protocol: Protocol,
    abort: asyncio.Event,
) -> AsyncIterator[Session]:
    """A session: connected, hands shaken, tools listed. To be left by the task that entered it.

    Args:
        protocol: the revision to speak.
        abort: set to give up connecting.

    Raises:
        TimeoutError: it was not ready within the definition's connect timeout.
        Exception: whatever the SDK raises; see `runtime.tools.answers.reason_of`.
    """
    seconds = definition.connect_timeout.total_seconds()
    sessions: list[Session] = []

    async def heard(message: IncomingMessage) -> None:
        for session in sessions:
            await session.heard(message)

    async def asked(
        context: ClientRequestContext,  # noqa: ARG001 - the SDK's signature
        params: ElicitRequestParams,
    ) -> ElicitResult:
        return sessions[0].answer(params) if sessions else ElicitResult(action="cancel")

    # The scope spans the whole session, as scopes nest strictly, but it is cancelled only before the session is ready.
    with anyio.CancelScope() as scope:
        timer = asyncio.create_task(_give_up(clock, seconds, abort, scope))
        try:
            async with Client(
                connection,
                mode=protocol,
                read_timeout_seconds=seconds,
                message_handler=heard,
                elicitation_callback=asked,
                extensions=[Tasks()],
                client_info=_CLIENT_INFO,
                cache=None,
            ) as client:
                session = Session(client, connection, definition, generation)
                sessions.append(session)
                await session.refresh()
                timer.cancel()
                try:
                    yield session
                finally:
                    await session.close()
        finally:
            timer.cancel()
    if scope.cancelled_caught:
        raise TimeoutError


async def _give_up(
    clock: Clock, seconds: float, abort: asyncio.Event, scope: anyio.CancelScope
) -> None:
    with contextlib.suppress(TimeoutError):
        async with time_limit(clock, seconds):
            await abort.wait()
    scope.cancel()


def _told(told: Callable[[], None]) -> ProgressFnT:
    async def heard(
        progress: float,  # noqa: ARG001 - the SDK's signature
        total: float | None,  # noqa: ARG001 - likewise
        message: str | None,  # noqa: ARG001 - likewise
    ) -> None:
        told()

    return heard


def is_handshake_era(protocol: str) -> bool:
    """Whether this is a revision that begins with `initialize`."""
    return protocol in HANDSHAKE_PROTOCOL_VERSIONS


def _tool_info(server: str, tool: Tool) -> ToolInfo:
    annotations = tool.annotations
    return ToolInfo(
        server=server,
        name=tool.name,
        description=tool.description or "",
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
        annotations=annotations.model_dump(by_alias=True, exclude_none=True)
        if annotations
        else {},
    )
