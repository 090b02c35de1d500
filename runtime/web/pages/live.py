"""What changed, told to open pages as server-sent events: which kinds of things, and nothing of what they are.

However many pages are open, one follower reads the event log, once a second, and only while somebody looks. A page that is told
asks for itself again. A stream ends when its session does, when the process does, and when it fell behind.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import psycopg
from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from runtime.clock import Clock
from runtime.errors import OrdinautError
from runtime.logs import get_logger
from runtime.store.event_log import LogReader
from runtime.store.lending import Lender
from runtime.store.sessions import find_session
from runtime.web.pages.route import PageRoute
from runtime.web.pages.viewer import COOKIE, viewing
from runtime.web.problems import Refused
from runtime.web.site import Here

router = APIRouter(route_class=PageRoute)

MOST_STREAMS: Final = 100
_EVERY_SECONDS: Final = 1.0
_SIGN_OF_LIFE_SECONDS = 15.0
_HELD: Final = 64
_ENDED: Final = ""
_log = get_logger("web")


class Live:
    """Who is told, and the follower that tells them.

    Args:
        lender: where connections come from.
        clock: for the pause between two looks.
    """

    def __init__(self, lender: Lender, clock: Clock) -> None:
        self._lender = lender
        self._clock = clock
        self._told: dict[asyncio.Queue[str], str] = {}
        self._following: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_over = False

    @property
    def streams(self) -> int:
        """How many pages are told."""
        return len(self._told)

    def join(self, secret: str) -> asyncio.Queue[str]:
        """Be told from now on, for a session; on the loop.

        Raises:
            Refused: 503 ORD322, too many are told already.
        """
        if self._is_over or len(self._told) >= MOST_STREAMS:
            raise Refused(503, "too many pages are open", hint="they go on by asking now and then")
        queue: asyncio.Queue[str] = asyncio.Queue(_HELD)
        self._told[queue] = secret
        self._loop = asyncio.get_running_loop()
        if self._following is None or self._following.done():
            self._following = asyncio.create_task(self._follow())
        return queue

    def leave(self, queue: asyncio.Queue[str]) -> None:
        """Be told no more."""
        self._told.pop(queue, None)

    def drop(self, secret: str) -> None:
        """End the streams of a session; from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end, secret)

    def close(self) -> None:
        """End all streams, and let none begin; on the loop."""
        self._is_over = True
        self._end(None)
        if self._following is not None:
            self._following.cancel()

    def _end(self, secret: str | None) -> None:
        for queue, owner in list(self._told.items()):
            if secret is None or owner == secret:
                self._put(queue, _ENDED)

    async def _follow(self) -> None:
        reader: LogReader | None = None
        while self._told:
            try:
                reader, kinds = await run_in_threadpool(self._look, reader)
                for kind in sorted(kinds):
                    for queue in list(self._told):
                        self._put(queue, kind)
            except (OrdinautError, psycopg.Error) as error:
                _log.warning("live pages are not told: %s", " ".join(str(error).split()))
            except Exception:  # noqa: BLE001 - one row that cannot be read must not stop what tells pages
                _log.exception("live pages are not told: a defect")
            await self._clock.sleep(_EVERY_SECONDS)

    def _look(self, reader: LogReader | None) -> tuple[LogReader, set[str]]:
        with self._lender.reading() as connection:
            if reader is None:
                return LogReader.from_now(connection, self._clock), set()
            kinds = {event.type.partition(".")[0] for event in reader.read(connection)}
            while reader.is_behind:
                kinds |= {event.type.partition(".")[0] for event in reader.read(connection)}
            return reader, kinds

    def _put(self, queue: asyncio.Queue[str], kind: str) -> None:
        try:
            queue.put_nowait(kind)
        except asyncio.QueueFull:
            # It reads nothing: whoever is behind it has gone, or comes back and asks for all anew.
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(_ENDED)


@router.get("/live", dependencies=[Depends(viewing)])
async def live(request: Request, here: Here) -> Response:
    """The stream of what changed."""
    hub: Live = request.app.state.live
    secret = request.cookies.get(COOKIE, "")
    queue = hub.join(secret)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_told(hub, queue, here.lender, secret), media_type="text/event-stream", headers=headers)  # fmt: skip


async def _told(
    hub: Live, queue: asyncio.Queue[str], lender: Lender, secret: str
) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    until = loop.time() + _SIGN_OF_LIFE_SECONDS
    try:
        yield "retry: 3000\n\nevent: hello\ndata: \n\n"
        while True:
            kinds = set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    kinds.add(await queue.get())
            while not queue.empty():
                kinds.add(queue.get_nowait())
            is_in = True
            # However much happens, it is looked now and then whether they may still be told.
            if loop.time() >= until:
                until = loop.time() + _SIGN_OF_LIFE_SECONDS
                is_in = await run_in_threadpool(_is_in, lender, secret)
            if _ENDED in kinds or not is_in:
                yield "event: bye\ndata: \n\n"
                return
            yield (
                f"event: changed\ndata: {' '.join(sorted(kinds))}\n\n" if kinds else ": alive\n\n"
            )
    finally:
        hub.leave(queue)


def _is_in(lender: Lender, secret: str) -> bool:
    """Whether the session is still one; while the database is away, it is taken to be."""
    try:
        with lender.reading() as connection:
            return find_session(connection, secret) is not None
    except OrdinautError:
        return True
