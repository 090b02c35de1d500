"""The one task that starts, watches, restarts and leaves a tool server.

States: stopped → starting → ready → stopping → stopped; failed after a start that did not work or a server that went
away. From failed it starts again after a pause that doubles from 0.2 s to 30 s. A `lazy` server starts when somebody
uses it and stops when nobody did for a while; an `always` server runs whenever it can.

A server that is worn out is left once nobody uses it; while it is in use, whoever asked to be told puts another owner
beside this one, which first finishes what it has begun.

A server that let a call go unanswered is suspect: it takes no new call until it has answered something, if need be the
question for its tools. One that answers nothing any more is replaced once no call is under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, Literal

from mcp import MCPError

from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.pauses import doubled_pause
from runtime.errors import ToolServerError
from runtime.logs import about, context_about
from runtime.tools.answers import code_of, reason_of
from runtime.tools.connecting import connection_to
from runtime.tools.definition import HttpTransport, Protocol, ServerDefinition
from runtime.tools.session import Session, is_handshake_era, open_session
from runtime.tools.transports import Surroundings
from runtime.tools.waiting import Deadline, cancel_all, time_limit
from runtime.tools.wear import Wear

State = Literal["stopped", "starting", "ready", "stopping", "failed"]

FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 30.0
# A call waits for a restart that is due this soon; with a longer pause ahead it is told at once, and may come again.
PATIENCE_SECONDS: Final = 1.0
PROBE_SECONDS: Final = 5.0
_STOP_SECONDS: Final = 10.0
# Timers may wake a hair before the clock says so; sleeping that hair would be a busy loop.
_HAIR_SECONDS: Final = 0.001

_log = logging.getLogger("ordinaut.tools")


class Unready(Exception):
    """The server cannot take a call, so nothing was sent; `error` says why.

    Args:
        message: why.
        detail: the end of its stderr.
        retry_after: seconds until it may be ready, if known.
        code: ORD401, or ORD425.
    """

    def __init__(
        self,
        message: str,
        *,
        detail: str = "",
        retry_after: float | None = None,
        code: str = "ORD401",
    ) -> None:
        super().__init__(message)
        self.error = CallError(code, message, detail)
        self.outcome = CallOutcome("not_sent", error=self.error, retry_after=retry_after)


class ServerOwner:
    """Owns one server.

    Attributes:
        state: what it is doing.
        session: the current session; None unless ready.
        generation: how many sessions there were.
        error: why the server is not ready; empty if nothing is wrong.
        users: how many calls need the server now.
        wear: when it is worn out.
        handshake_era: whether it spoke a revision that begins with `initialize`.
    """

    generation: int
    wear: Wear
    handshake_era: bool

    def __init__(
        self,
        definition: ServerDefinition,
        surroundings: Surroundings,
        on_worn: Callable[[], None],
        *,
        after: ServerOwner | None = None,
    ) -> None:
        """Own a server.

        Args:
            definition: what it is.
            surroundings: where it lives.
            on_worn: called while a server that is worn out is still in use, whenever it is time to replace it.
            after: who owned the server before.
        """
        self.state: State = "stopped"
        self.session: Session | None = None
        self.generation = after.generation if after else 0
        self.error = ""
        self.users = 0
        self.wear = after.wear if after else Wear(definition, surroundings.clock)
        self._on_worn = on_worn
        self._definition = definition
        self._surroundings = surroundings
        self._clock = surroundings.clock
        self._detail = ""
        self._code = "ORD401"
        self._failures = 0
        self._failed_starts = 0
        self._not_before = 0.0
        self._ready_at = 0.0
        self._used_at = 0.0
        self.handshake_era = after is not None and after.handshake_era
        self._retiring = False
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to own the server; one that is not `always` starts when it is used."""
        self._task = asyncio.create_task(
            self._own(),
            name=f"tool server {self._definition.key}",
            # It outlives the run that happens to begin it.
            context=context_about(server=self._definition.key),
        )

    @contextmanager
    def use(self) -> Iterator[None]:
        """The server is needed for as long as this is entered."""
        self.users += 1
        try:
            yield
        finally:
            self.users -= 1
            self._used_at = self._clock.monotonic()
            session = self.session
            noticed = session is not None and (session.suspect or session.over or session.worn)
            if noticed or (self._retiring and not self.users):
                self.poke()

    async def ready(self, deadline: Deadline) -> Session | None:
        """The session, once there is one that takes calls; None if another owner has come. To be called while in `use`.

        Raises:
            Unready: there will be none soon enough.
        """
        failed_starts = self._failed_starts
        while not self._stopping.is_set():
            if self.session is not None and self.session.usable():
                return self.session
            if self._retiring:
                return None
            pause = self._not_before - self._clock.monotonic()
            if self._failed_starts > failed_starts or pause > PATIENCE_SECONDS:
                raise Unready(
                    self.error,
                    detail=self._detail,
                    retry_after=max(pause, 0.0),
                    code=self._code,
                )
            if self._task is None or self._task.done():
                self.start()  # only a stray cancellation ends it unasked
            self.poke()
            try:
                await deadline.wait(self._changed)
            except TimeoutError:
                raise Unready(
                    f"{self._definition.key} was not ready in time", detail=self._detail
                ) from None
        raise Unready(f"{self._definition.key} is being stopped")

    def poke(self) -> None:
        """Let everybody who waits for a change look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def retire(self) -> None:
        """Stop once nobody needs the server; to be called once nobody new can come."""
        self._retiring = True
        self.poke()
        while self.users:
            await self._changed.wait()
        await self.stop()

    async def stop(self) -> None:
        """Stop the server now; calls under way are lost. Bounded, safe to repeat and from any task."""
        self._stopping.set()
        self.poke()
        if self._task is None:
            return
        try:
            with contextlib.suppress(TimeoutError):
                async with time_limit(self._clock, _STOP_SECONDS):
                    await asyncio.wait({self._task})
        finally:
            # Reached undone only if the SDK hangs or our caller gives up: the process is killed on the way out.
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _own(self) -> None:
        try:
            while await self._wanted():
                with about(generation=self.generation + 1):
                    await self._keep_one()
        finally:
            self.state = "stopped"
            self.session = None
            self.poke()

    async def _wanted(self) -> bool:
        """Wait until the server should run; False when it should never again."""
        while not self._stopping.is_set():
            wanted = bool(self.users) or self._definition.lifecycle == "always"
            pause = self._not_before - self._clock.monotonic()
            if wanted and pause <= _HAIR_SECONDS:
                return True
            await self._pause(pause if wanted else None)
        return False

    async def _keep_one(self) -> None:
        """One session, from start to end."""
        self.state = "starting"
        connection = connection_to(self._definition, self._surroundings, self.poke)
        session: Session | None = None
        trouble = hint = ""
        self._code = "ORD401"
        try:
            async with open_session(
                self._definition,
                connection,
                self._clock,
                generation=self.generation + 1,
                protocol=self._protocol(),
                abort=self._stopping,
            ) as session:
                self._publish(session)
                async with self._watching_wear(session):
                    trouble = await self._watch(session)
                    # At once: a call that comes from here on must not be sent to who is about to go.
                    self.session, self.state = None, "stopping"
        except Exception as error:  # noqa: BLE001 - one server's trouble, of any kind, must not end its owner
            trouble = trouble or reason_of(error)
            self._code = code_of(error)
            hint = error.hint if isinstance(error, ToolServerError) else ""
        self.session = None
        if trouble and not self._stopping.is_set():
            self._fail(session, trouble, connection.last_words() or hint)
        else:
            self.state = "stopped"
        self.poke()

    def _protocol(self) -> Protocol:
        """What to ask for: a server that once spoke an old revision is not asked for the new one at each restart."""
        asked, transport = self._definition.protocol, self._definition.transport
        is_old = isinstance(transport, HttpTransport) and transport.form == "sse"
        return "legacy" if asked == "auto" and (self.handshake_era or is_old) else asked

    def _publish(self, session: Session) -> None:
        self.session = session
        self.generation = session.generation
        self.state = "ready"
        self.error = self._detail = ""
        self._ready_at = self._used_at = self._clock.monotonic()
        self.handshake_era = is_handshake_era(session.protocol)
        _log.debug("tool server %s is ready, generation %d", self._definition.key, self.generation)
        self.poke()

    def _fail(self, session: Session | None, trouble: str, detail: str) -> None:
        now = self._clock.monotonic()
        if session is None:
            self._failed_starts += 1
            self.handshake_era = False
            self.error = f"{self._definition.key} could not be started: {trouble}"
        else:
            proven = session.answers or now - self._ready_at >= LONGEST_PAUSE_SECONDS
            self._failures = 0 if proven else self._failures
            self.error = f"{self._definition.key} {trouble}"
        self.state = "failed"
        self._detail = detail
        self._failures += 1
        pause = doubled_pause(
            self._failures, first=FIRST_PAUSE_SECONDS, longest=LONGEST_PAUSE_SECONDS
        )
        self._not_before = now + pause
        _log.warning("tool server %s; next start in %.1f s at the earliest", self.error, pause)

    async def _watch(self, session: Session) -> str:
        """Wait for a reason to leave the session; what is wrong with the server, or empty if it did nothing wrong."""
        while not self._stopping.is_set() and not session.over:
            if not session.alive():
                return "went away by itself"
            if session.suspect:
                if await self._answers(session):
                    continue  # a change during the question must not be slept through
                return "does not answer any more"
            if session.worn and not self.users:
                break
            idle = self._idle_seconds()
            if idle is not None and idle <= _HAIR_SECONDS:
                break
            await self._pause(idle)
        return ""

    @asynccontextmanager
    async def _watching_wear(self, session: Session) -> AsyncIterator[None]:
        if session.pid is None or not self.wear.matters():
            yield
            return
        watch = asyncio.create_task(self._wear_out(session, session.pid))
        try:
            yield
        finally:
            await cancel_all(watch)

    async def _wear_out(self, session: Session, pid: int) -> None:
        await self.wear.out(pid)
        session.worn = True
        self.poke()
        while not self._retiring:
            if self.users:
                self._on_worn()
            await self.wear.again()

    def _idle_seconds(self) -> float | None:
        """Seconds until the server has been idle for long enough to be stopped; None if it is to go on."""
        if self._definition.lifecycle == "always":
            return None
        allowed = self._definition.idle_stop.total_seconds()
        # While it is in use nobody says when that ends: looking again after a whole span is soon enough.
        return allowed if self.users else allowed - (self._clock.monotonic() - self._used_at)

    async def _answers(self, session: Session) -> bool:
        """Whether a suspect server still answers something, found out without harm to calls under way."""
        try:
            seconds = min(PROBE_SECONDS, self._definition.connect_timeout.total_seconds())
            async with time_limit(self._clock, seconds):
                await session.refresh()
            session.suspect = False
        except MCPError:
            session.suspect = (
                False  # an error is an answer, too; a lost connection is noticed by `alive`
            )
        except TimeoutError:
            while (
                session.suspect
                and session.in_flight
                and session.alive()
                and not self._stopping.is_set()
            ):
                await self._pause(None)
        self.poke()
        return not session.suspect

    async def _pause(self, seconds: float | None) -> None:
        """Wait for a change, or so long."""
        changed = self._changed
        if seconds is None:
            await changed.wait()
            return
        with contextlib.suppress(TimeoutError):
            async with time_limit(self._clock, seconds):
                await changed.wait()
