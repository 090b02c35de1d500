"""One actor per tool server: callers send calls, and every call comes to an outcome.

Promises: a call is sent at most once, and only to a server that runs and has listed the tool, with arguments that fit;
everything else is an outcome with `sent` false. Every wait has an end. A crash costs the calls under way on this server
and nothing else. A caller that is cancelled withdraws its call: the server is told, and `CancelledError` goes on.

The server itself belongs to `runtime.tools.owner`.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from mcp import MCPError
from mcp_types import CallToolResult

from runtime.core.outcomes import CallOutcome
from runtime.errors import ToolServerError
from runtime.tools.answers import (
    Call,
    code_of,
    is_session_over,
    is_stale_listing,
    outcome_of_error,
    outcome_of_result,
    reason_of,
)
from runtime.tools.catalogue import ToolInfo
from runtime.tools.definition import ServerDefinition
from runtime.tools.owner import ServerOwner, State, Unready
from runtime.tools.request import Request
from runtime.tools.session import Session
from runtime.tools.transports import Surroundings
from runtime.tools.waiting import Deadline, cancel_all, silence_limit, time_limit

# How often a server may refuse a call unseen (a forgotten session, an outdated list) before that is the outcome.
_MAX_REFUSALS: Final = 3

_log = logging.getLogger("ordinaut.tools")


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """How a server is.

    Attributes:
        key: its key.
        state: what is being done with it.
        generation: how many times it was connected.
        pid: its process, if it is ours and runs.
        protocol: the revision spoken; empty while not ready.
        server: name and version as it gives them; empty while not ready.
        tools: how many tools it offers.
        running: calls under way.
        waiting: calls that wait for the server or a free slot.
        replaced: how many of its processes were replaced while in use, because they were worn out.
        memory: bytes that its processes had when they were last looked at; None if nobody looked.
        error: why it is not ready; empty if nothing is wrong.
    """

    key: str
    state: State
    generation: int
    pid: int | None
    protocol: str
    server: str
    tools: int
    running: int
    waiting: int
    replaced: int
    memory: int | None
    error: str


class ServerActor:
    """One server."""

    def __init__(self, definition: ServerDefinition, surroundings: Surroundings) -> None:
        self.definition = definition
        self._surroundings = surroundings
        self._clock = surroundings.clock
        self._owner = ServerOwner(definition, surroundings, self._replace)
        self._former: dict[asyncio.Task[None], ServerOwner] = {}
        self._replacing: asyncio.Task[None] | None = None
        self._replaced = 0
        self._is_stopping = False
        self._calls = 0
        self._uncalled = asyncio.Event()
        self._redact = surroundings.redact
        self._slots = asyncio.Semaphore(definition.max_concurrency)

    def start(self) -> None:
        """Begin; a `lazy` server is started by its first call."""
        self._owner.start()

    async def stop(self) -> None:
        """Stop now; calls under way are lost. Bounded, safe to repeat and from any task."""
        self._is_stopping = True
        if self._replacing is not None:
            await cancel_all(self._replacing)
        owners = [self._owner, *self._former.values()]
        await asyncio.gather(*(owner.stop() for owner in owners))
        await asyncio.gather(*self._former)

    async def retire(self) -> None:
        """Stop once nobody uses the server any more."""
        while self._calls:
            self._uncalled.clear()
            await self._uncalled.wait()
        await self.stop()

    def status(self) -> ServerStatus:
        """How the server is now."""
        owner, session = self._owner, self._owner.session
        sessions = [each.session for each in (owner, *self._former.values())]
        running = sum(each.in_flight for each in sessions if each)
        return ServerStatus(
            key=self.definition.key,
            state=owner.state,
            generation=owner.generation,
            pid=session.pid if session else None,
            protocol=session.protocol if session else "",
            server=session.server if session else "",
            tools=len(session.catalogue.tools()) if session else 0,
            running=running,
            waiting=self._calls - running,
            replaced=self._replaced,
            memory=owner.wear.memory,
            error=owner.error,
        )

    async def tools(self) -> tuple[ToolInfo, ...]:
        """The tools it offers; starts it if need be.

        Raises:
            ToolServerError: ORD401, with the reason and the end of its stderr.
        """
        limit = self._limit(None)
        with self._counted():
            try:
                async with self._ready(limit.deadline) as session:
                    await self._find(session, None, limit.deadline)
            except Unready as unready:
                error = unready.error
                raise ToolServerError(
                    error.message, hint=error.detail, code=error.code
                ) from unready
        return session.catalogue.tools()

    async def call(
        self,
        request: Request,
        *,
        timeout: timedelta | None = None,  # noqa: ASYNC109 - what follows a send must become an outcome
        at_most: timedelta | None = None,
        stall: timedelta | None = None,
    ) -> CallOutcome:
        """Call a tool.

        Args:
            request: which, with what.
            timeout: the longest time for all of it: queue, start of the server, and call. None means twice the
                definition's connect timeout for the first two, and its call timeout for the call.
            at_most: with no timeout, the longest time for all of it whatever the definition says.
            stall: the longest time that the tool may not tell of its progress; None asks for none.
        """
        limit = self._limit(timeout, at_most, stall)
        with self._counted():
            try:
                async with self._slot(limit.deadline):
                    for _ in range(_MAX_REFUSALS):
                        outcome = await self._attempt(request, limit)
                        if outcome is not None:
                            return outcome
            except Unready as unready:
                return unready.outcome
        return Unready(
            f"{self.definition.key} refused the call {_MAX_REFUSALS} times, unseen"
        ).outcome

    async def _attempt(self, request: Request, limit: _Limit) -> CallOutcome | None:
        """One attempt to get the call looked at; None if it provably was not, so that another may be made."""
        async with self._ready(limit.deadline) as session:
            return await self._attempt_in(session, request, limit)

    async def _attempt_in(
        self, session: Session, request: Request, limit: _Limit
    ) -> CallOutcome | None:
        tool = await self._find(session, request.tool, limit.deadline)
        if tool is None:
            missing = session.catalogue.missing(request.tool)
            return CallOutcome("rejected", error=missing, generation=session.generation)
        if request.is_of_task:
            # What the call was allowed, and held against, when it began, counts.
            return await self._send(session, tool, request, limit) if session.usable() else None
        if not request.may_destroy:
            denied = tool.destruction_error(self.definition.locked.get(tool.name))
            if denied is not None:
                return CallOutcome("denied", error=denied, generation=session.generation)
        problem = tool.argument_error(request.arguments)
        if self.definition.on_contract_change == "refuse":
            problem = session.catalogue.contract_error(tool.name) or problem
        if problem is not None:
            call = self._call(session, tool, request)
            return call.outcome("contract_error", problem.code, problem.message, sent=False)
        if not limit.for_call():
            raise Unready(f"{self.definition.key}: time was up before the call could be sent")
        if not session.usable():
            return None
        return await self._send(session, tool, request, limit)

    async def _send(
        self,
        session: Session,
        tool: ToolInfo,
        request: Request,
        limit: _Limit,
    ) -> CallOutcome | None:
        seconds = limit.for_call()
        try:
            async with silence_limit(self._clock, limit.stall) as told:
                result = await session.send(request, seconds=seconds, told=told)
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises, the call has an outcome
            if is_session_over(error):
                session.over = True
            elif is_stale_listing(error):
                session.stale = True
            else:
                call = self._call(session, tool, request, failed=True)
                outcome = outcome_of_error(call, error)
                # A remote server's process is not ours to replace.
                session.suspect |= outcome.kind == "timeout" and session.pid is not None
                return outcome
            return None
        else:
            failed = isinstance(result, CallToolResult) and bool(result.is_error)
            return outcome_of_result(self._call(session, tool, request, failed=failed), result)

    @asynccontextmanager
    async def _ready(self, deadline: Deadline) -> AsyncIterator[Session]:
        """A session that takes calls, and goes on for as long as this is entered.

        Raises:
            Unready: there will be none soon enough.
        """
        session = None
        while session is None:
            owner = self._owner
            with owner.use():
                session = await owner.ready(deadline)
                if session is not None:
                    yield session

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
            if not self._calls:
                self._uncalled.set()

    def _replace(self) -> None:
        """Begin to put a fresh process in the place of one that is worn out, unless that is being done."""
        session = self._owner.session
        is_busy = self._replacing is not None and not self._replacing.done()
        if session is not None and session.worn and not is_busy and not self._is_stopping:
            self._replacing = asyncio.create_task(self._succeed())

    async def _succeed(self) -> None:
        """Start a fresh process beside the old one, which goes when it has finished its calls; each has a time limit."""
        former = self._owner
        fresh = ServerOwner(self.definition, self._surroundings, self._replace, after=former)
        fresh.start()
        try:
            with fresh.use():
                await fresh.ready(Deadline(self._clock, self.definition.connect_timeout * 2))
                self._owner = fresh
        except Unready as unready:
            _log.warning("tool server %s is not replaced yet: %s", self.definition.key, unready)
        finally:
            if self._owner is not fresh:
                await fresh.stop()
        if self._owner is fresh:
            self._replaced += 1
            leaving = asyncio.create_task(former.retire())
            self._former[leaving] = former
            leaving.add_done_callback(self._former.pop)

    async def _find(
        self, session: Session, name: str | None, deadline: Deadline
    ) -> ToolInfo | None:
        """A tool, or just an up-to-date list.

        Raises:
            Unready: the server could not list its tools.
        """
        known = session.catalogue.find(name) if name is not None else None
        if known is not None and not session.stale:
            return known
        try:
            async with time_limit(self._clock, deadline.remaining()):
                return await session.find(name)
        except (MCPError, TimeoutError) as error:
            reason = f"{self.definition.key} could not list its tools: {reason_of(error)}"
            raise Unready(reason, detail=session.last_words(), code=code_of(error)) from error

    @asynccontextmanager
    async def _slot(self, deadline: Deadline) -> AsyncIterator[None]:
        """One of the server's slots.

        Raises:
            Unready: none came free in time.
        """
        try:
            if self._slots.locked():
                async with time_limit(self._clock, deadline.remaining()):
                    await self._slots.acquire()
            else:
                await self._slots.acquire()
        except TimeoutError:
            slots = self.definition.max_concurrency
            raise Unready(
                f"{self.definition.key} had none of its {slots} slots free in time"
            ) from None
        try:
            yield
        finally:
            self._slots.release()

    def _call(
        self, session: Session, tool: ToolInfo, request: Request, *, failed: bool = False
    ) -> Call:
        return Call(
            tool,
            session.generation,
            self.definition.result_bytes,
            self._redact,
            session.last_words() if failed else "",
            goes_on=request.has_answers,
            follows=request.is_of_task,
            parse=request.parse,
        )

    def _limit(
        self,
        timeout: timedelta | None,
        at_most: timedelta | None = None,
        stall: timedelta | None = None,
    ) -> _Limit:
        if timeout is not None:
            whole = Deadline(self._clock, timeout)
            return _Limit(whole, whole, stall=stall)
        bound = timedelta.max if at_most is None else at_most
        preparation = self.definition.connect_timeout * 2
        call = self.definition.call_timeout
        whole = Deadline(self._clock, min(preparation + call, bound))
        prepared = Deadline(self._clock, min(preparation, bound))
        return _Limit(prepared, whole, call.total_seconds(), stall)


@dataclass(frozen=True, slots=True)
class _Limit:
    """How long a call may take.

    Attributes:
        deadline: when the preparation must be over.
        whole: when all of it must be.
        seconds: how long the call itself may take, if that is less.
        stall: how long it may not tell of its progress; None asks for none.
    """

    deadline: Deadline
    whole: Deadline
    seconds: float = math.inf
    stall: timedelta | None = None

    def for_call(self) -> float:
        """Seconds that the call itself may take now."""
        return min(self.whole.remaining(), self.seconds)
