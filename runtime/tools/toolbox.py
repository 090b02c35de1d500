"""Every tool that steps may call, behind one door: tool servers and built-in tools.

Promises: a call always comes to a `CallOutcome`, unless its caller is cancelled; leaving the toolbox, by whatever way
and from whatever task, ends every server process in bounded time; servers that a killed runtime left behind are ended
when the next one opens its toolbox.

A changed definition takes effect at once for new calls; the old server goes when its running calls have ended.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from runtime.clock import Clock
from runtime.core.leftopen import GoingOn
from runtime.core.letters import SENDING
from runtime.core.llm.definition import FindModel
from runtime.core.llm.tools import SERVER as LLM
from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.waits import WAITING_TOOLS
from runtime.errors import NotFound, ToolServerError
from runtime.tools.actor import ServerActor, ServerStatus
from runtime.tools.builtin import builtin_tools, call_builtin
from runtime.tools.catalogue import Catalogue, ToolInfo
from runtime.tools.definition import ServerDefinition
from runtime.tools.following import follow
from runtime.tools.llm import LlmCalls
from runtime.tools.logins import logins_in
from runtime.tools.orphans import ServerRecords, reap_orphans
from runtime.tools.reading import Parse
from runtime.tools.redact import Redactor
from runtime.tools.request import Request
from runtime.tools.sending import Senders
from runtime.tools.transports import Surroundings
from schemas.language_model import DEFAULT_MODEL, OFFLINE_MODEL

# What steps may ask for where the Project has no models.
_OFFLINE: Final = (DEFAULT_MODEL, OFFLINE_MODEL)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an actor stands: its server's key, and for a `per_run` server the run that it serves."""

    server: str
    run: str = ""


class Toolbox:
    """All tools. Enter it before the first call.

    Args:
        definitions: the tool servers. One named like a built-in server takes its place.
        clock: for all waiting.
        state_dir: where running processes are recorded, and logins are kept.
        project: the folder that relative commands and folders of definitions start from.
        redact: blots secrets out of all that servers say.
    """

    def __init__(
        self,
        definitions: Iterable[ServerDefinition],
        clock: Clock,
        state_dir: Path,
        *,
        project: Path = Path(),
        redact: Redactor | None = None,
    ) -> None:
        self._definitions = {definition.key: definition for definition in definitions}
        self._clock = clock
        self._records = state_dir / "servers"
        self._logins = logins_in(state_dir)
        self._project = project
        self._redact = redact or Redactor()
        self._builtins = builtin_tools()
        self._llm = LlmCalls(clock, project)
        self._senders = Senders(clock, project)
        self._surroundings: Surroundings | None = None
        self._actors: dict[_Place, ServerActor] = {}
        self._leaving: dict[asyncio.Task[None], ServerActor] = {}

    async def __aenter__(self) -> Self:
        """End what an earlier runtime left behind, and begin; `always` servers start in the background."""
        reap_orphans(self._records)
        records = ServerRecords(self._records)
        self._surroundings = Surroundings(
            self._clock, self._project, records, self._logins, self._redact
        )
        self.replace(self._definitions.values())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """As `stop`."""
        await self.stop()

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        timeout: timedelta | None = None,  # noqa: ASYNC109 - what follows a send must become an outcome
        meta: Mapping[str, Any] | None = None,
        *,
        at_most: timedelta | None = None,
        stall: timedelta | None = None,
        run: str = "",
        may_destroy: bool = True,
        find_model: FindModel | None = None,
        going_on: GoingOn | None = None,
        parse: Parse = "auto",
    ) -> CallOutcome:
        """Call a tool.

        Args:
            name: `server.tool`; the server's key ends at the first dot.
            arguments: any JSON object.
            timeout: the longest time for all of it; None leaves it to the server's definition. Built-in tools that only
                compute cannot be stopped by anything.
            meta: `_meta` of the request.
            at_most: where the timeout is left to the definition, the longest time it may come to.
            stall: the longest time that the tool may not tell of its progress; None asks for none.
            run: the run that calls, for servers that live as long as one.
            may_destroy: whether it may be a tool that destroys something; built-in ones are taken for none.
            find_model: gives the language models that `llm.*` ask; None where there are none.
            going_on: what a call goes on with that the server left open; nothing yet, for one that begins. With None a call
                that is left open is at its end, and one that becomes a task is followed for as long as it may take.
            parse: how the text that a server answers is read.
        """
        server, _, tool = name.partition(".")
        try:
            actor = self._actor(server, run)
        except ToolServerError as closed:
            return CallOutcome("not_sent", error=CallError(closed.code, closed.message))
        if actor is not None:
            request = Request(tool, arguments, meta, going_on, may_destroy, parse)
            began = self._clock.monotonic()
            outcome = await actor.call(request, timeout=timeout, at_most=at_most, stall=stall)
            if going_on is None and outcome.kind == "task":
                limit = timeout or at_most or actor.definition.call_timeout
                return await self._followed(actor, request, outcome, began + limit.total_seconds())
            return outcome
        if name in SENDING:
            info = self._builtins[server][tool].info
            return await self._senders.call(info, arguments, meta, limit=timeout or at_most)
        known = self._builtins[LLM].get(tool) if server == LLM else None
        if find_model is None or known is None or arguments.get("model") == OFFLINE_MODEL:
            return self._call_builtin(server, tool, arguments)
        return await self._llm.call(
            known.info, arguments, find_model, timeout=timeout, at_most=at_most
        )

    def only_computes(self, name: str) -> bool:
        """Whether a tool is a built-in one that neither waits nor sends: the others do nothing but compute."""
        server = name.partition(".")[0]
        is_builtin = server in self._builtins and server not in self._definitions
        return is_builtin and name not in WAITING_TOOLS and name not in SENDING

    def compute(self, name: str, arguments: Mapping[str, Any]) -> CallOutcome:
        """Call a tool that only computes."""
        server, _, tool = name.partition(".")
        return self._call_builtin(server, tool, arguments)

    async def tools(self, server: str) -> list[ToolInfo]:
        """What a server offers; starts it if need be.

        Raises:
            NotFound: ORD310, there is no such server.
            ToolServerError: ORD401, it cannot be started or reached.
        """
        actor = self._actor(server, "")
        if actor is not None:
            return list(await actor.tools())
        if server not in self._builtins:
            raise NotFound(self._unknown(server))
        return list(self._builtin_catalogue(server).tools())

    def servers(self) -> list[str]:
        """The keys of all servers, built-in ones included."""
        return sorted({*self._definitions, *self._builtins})

    def status(self) -> list[ServerStatus]:
        """How the defined servers are, in the order of their keys."""
        return sorted(
            (actor.status() for actor in self._actors.values()), key=lambda each: each.key
        )

    def replace(self, definitions: Iterable[ServerDefinition]) -> None:
        """Work by other definitions from now on; servers whose own did not change go on undisturbed."""
        self._definitions = {definition.key: definition for definition in definitions}
        for place, actor in list(self._actors.items()):
            if self._definitions.get(place.server) != actor.definition:
                self._dismiss(place)
        for definition in self._definitions.values():
            if definition.lifecycle != "per_run":
                self._actor(definition.key, "")

    def end_run(self, run: str) -> None:
        """Stop the servers that live for this run; what is forgotten here goes when it has been idle."""
        for place in [place for place in self._actors if place.run == run]:
            if place.run:
                self._dismiss(place)

    async def stop(self) -> None:
        """End every server. Calls that wait are not sent; calls under way are lost. Safe to repeat and from any task."""
        self._surroundings = None
        actors = [*self._actors.values(), *self._leaving.values()]
        await asyncio.gather(*(actor.stop() for actor in actors))
        await asyncio.gather(*self._leaving)
        await self._llm.aclose()
        await self._senders.aclose()

    def _actor(self, server: str, run: str) -> ServerActor | None:
        """The actor of a defined server, made when it is first needed; None if there is no such server."""
        definition = self._definitions.get(server)
        if definition is None:
            return None
        place = _Place(server, run if definition.lifecycle == "per_run" else "")
        if place not in self._actors:
            if self._surroundings is None:
                raise ToolServerError(f"{server} cannot be used: the toolbox is closed")
            self._actors[place] = ServerActor(definition, self._surroundings)
            self._actors[place].start()
        return self._actors[place]

    def _dismiss(self, place: _Place) -> None:
        """Let an actor finish its calls, and then go."""
        actor = self._actors.pop(place)
        task = asyncio.create_task(actor.retire())
        self._leaving[task] = actor
        task.add_done_callback(self._leaving.pop)

    def _call_builtin(self, server: str, tool: str, arguments: Mapping[str, Any]) -> CallOutcome:
        if server not in self._builtins:
            return CallOutcome("rejected", error=CallError("ORD310", self._unknown(server)))
        builtin = self._builtins[server].get(tool)
        if builtin is None:
            error = self._builtin_catalogue(server).missing(tool)
            return CallOutcome("rejected", error=error)
        model = arguments.get("model") if server == LLM else None
        if isinstance(model, str) and model not in _OFFLINE:
            message = f"there is no model {model!r}: the Project names none"
            return CallOutcome("rejected", error=CallError("ORD310", message))
        return call_builtin(builtin, arguments)

    async def _followed(
        self, actor: ServerActor, request: Request, outcome: CallOutcome, until: float
    ) -> CallOutcome:
        """The result of a task, for whoever cannot come back for it."""
        left = outcome.left_open
        if left is None:
            return outcome

        async def ask(going_on: GoingOn, at_most: timedelta) -> CallOutcome:
            return await actor.call(replace(request, going_on=going_on), at_most=at_most)

        first = GoingOn(None, {}, left.task)
        return await follow(ask, first, self._clock, until=until, pause=left.wait_seconds)

    def _builtin_catalogue(self, server: str) -> Catalogue:
        return Catalogue(server, [tool.info for tool in self._builtins[server].values()])

    def _unknown(self, server: str) -> str:
        close = difflib.get_close_matches(server, self.servers(), n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(self.servers())}"
        return f"there is no tool server {server!r}: {hint}"
