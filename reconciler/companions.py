"""Service: the processes of a Project, run beside `ordinaut up`, and the databases that its secrets name.

Everything else that calls tools runs where somebody else looks after what they need. On a machine of one's own `up` does: it
has databases made, starts processes, waits until each is ready, starts again what ended, and ends them with itself. A process that
cannot be started stops nobody: its absence is in the log, and what needs it fails with an error of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

from reconciler.reconcile import Reconciled
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.config import base_environment
from runtime.core.expressions import EVERY_SECRET, Context, compile_template, secret_names
from runtime.core.pauses import doubled_pause
from runtime.core.spans import rough_span
from runtime.embedded.databases import make_databases
from runtime.errors import OrdinautError
from runtime.keyring import Keyring
from runtime.logs import get_logger
from runtime.secrets import Secrets
from runtime.service import end_tasks, stop_if_cancelled
from runtime.tools.child import Child
from runtime.tools.definition import resolve_command
from runtime.tools.orphans import ServerRecords, reap_orphans
from schemas.durations import parse_duration

_FIRST_WAIT_SECONDS: Final = 1.0
_LONGEST_WAIT_SECONDS: Final = 60.0
_LOOK_AGAIN_SECONDS: Final = 0.1
_ASK_SECONDS: Final = 2.0
_CHUNK_BYTES: Final = 65_536
_log = get_logger("process")


@dataclass(frozen=True, slots=True)
class Home:
    """Where processes run and databases are.

    Attributes:
        folder: the project folder, which commands are relative to.
        records: where running processes are noted, for whoever comes after a crash.
        databases: where the URLs of databases are written.
        postgres: the URL of the embedded PostgreSQL; None where the settings name another.
    """

    folder: Path
    records: Path
    databases: Path
    postgres: str | None


class Companions:
    """Service: keeps the processes as the specs have them now.

    Args:
        home: where they are.
        clock: for waiting.
    """

    name = "processes"

    def __init__(self, home: Home, clock: Clock = SYSTEM_CLOCK) -> None:
        self._home = home
        self._clock = clock
        self._keyring = Keyring(home.folder, clock, home.databases)
        self._body: Mapping[str, Any] = {}
        self._kept: dict[str, tuple[Mapping[str, Any], asyncio.Task[None]]] = {}
        self._changed = asyncio.Event()

    async def begin(self, found: Reconciled | OrdinautError) -> None:
        """Have what the specs ask for, and wait until every process is ready, or is known not to be.

        Raises:
            EmbeddedError: ORD307, a database could not be made.
        """
        reap_orphans(self._home.records)
        self.look(found)
        await self._settle()

    def look(self, found: Reconciled | OrdinautError) -> None:
        """Notice what the specs ask for now; while they are broken, nothing changes."""
        if isinstance(found, Reconciled) and not found.specs.errors:
            projects = (key for key in found.specs.documents if key.kind == "Project")
            self._body = (
                {} if (key := next(projects, None)) is None else found.specs.documents[key].body
            )
            self._changed.set()

    async def run(self) -> None:
        """Follow the specs; ends all processes on the way out."""
        try:
            while True:
                stop_if_cancelled()
                await self._changed.wait()
                try:
                    await self._settle()
                except OrdinautError as error:
                    _log.error("%s", error)
        finally:
            await self.close()

    async def close(self) -> None:
        """End all processes."""
        await end_tasks([task for _, task in self._kept.values()])
        self._kept.clear()
        await self._keyring.close()

    async def _settle(self) -> None:
        self._changed.clear()
        await self._make_databases()
        wanted: Mapping[str, Mapping[str, Any]] = self._body.get("processes") or {}
        gone = [name for name, (body, _) in self._kept.items() if wanted.get(name) != body]
        await end_tasks([self._kept.pop(name)[1] for name in gone])
        ready = []
        for name, body in wanted.items():
            if name not in self._kept:
                settled = asyncio.Event()
                ready.append(settled.wait())
                self._kept[name] = body, asyncio.create_task(self._keep(name, body, settled))
        await asyncio.gather(*ready)

    async def _make_databases(self) -> None:
        sources: Mapping[str, Mapping[str, Any]] = self._body.get("secrets") or {}
        wanted: dict[str, set[str]] = {}
        for source in sources.values():
            if "database" in source:
                wanted.setdefault(source["database"], set()).update(source.get("extensions", ()))
        if wanted and self._home.postgres is not None:
            await asyncio.to_thread(
                make_databases, self._home.postgres, wanted, self._home.databases
            )

    async def _keep(self, name: str, body: Mapping[str, Any], settled: asyncio.Event) -> None:
        """Run one process, again and again, until cancelled."""
        failures = 0
        while True:
            stop_if_cancelled()
            started_at = self._clock.monotonic()
            try:
                how = await self._run(name, body, settled)
            except OrdinautError as error:
                how = f"could not be started: {error}"
            settled.set()
            lived = self._clock.monotonic() - started_at
            failures = 1 if lived > _LONGEST_WAIT_SECONDS else failures + 1
            wait = doubled_pause(
                failures, first=_FIRST_WAIT_SECONDS, longest=_LONGEST_WAIT_SECONDS
            )
            span = rough_span(timedelta(seconds=wait))
            _log.error("process %s %s; started again in %s", name, how, span)
            await self._clock.sleep(wait)

    async def _run(self, name: str, body: Mapping[str, Any], settled: asyncio.Event) -> str:
        """Run it to its end; how it ended, in words."""
        child = await self._start(body)
        drained = asyncio.create_task(_drain(name, child))
        waited = asyncio.create_task(self._await_ready(name, body, child, settled))
        try:
            await child.exited.wait()
            await child.ending(self._clock)
        finally:
            await end_tasks([drained, waited])
            await child.stop(self._clock)
        code = child.exit_code or 0
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return f"ended {how}" + (f": {words}" if (words := child.last_words()) else "")

    async def _start(self, body: Mapping[str, Any]) -> Child:
        environment = base_environment()
        path = environment.get("PATH", "")
        program = resolve_command(body["command"], project=self._home.folder, search_path=path)
        return await Child.start(
            [program, *body["args"]],
            cwd=self._home.folder / body.get("cwd", "."),
            env=environment | await self._filled(body["env"]),
            records=ServerRecords(self._home.records),
            redact=self._keyring.redact,
            clock=self._clock,
        )

    async def _filled(self, texts: Mapping[str, str]) -> dict[str, str]:
        """An environment with its secrets."""
        template = compile_template(dict(texts))
        secrets = Secrets(self._body.get("secrets") or {}, self._keyring)
        names = secret_names(template)
        await secrets.collect(secrets if EVERY_SECRET in names else names)
        rendered = template.render(Context(now=self._clock.now(), secrets=secrets))
        return {name: str(value) for name, value in rendered.items()}

    async def _await_ready(
        self, name: str, body: Mapping[str, Any], child: Child, settled: asyncio.Event
    ) -> None:
        url = body.get("ready")
        until = self._clock.monotonic() + parse_duration(body["ready_timeout"]).total_seconds()
        while url is not None and child.alive() and not await self._answers(url):
            if self._clock.monotonic() > until:
                _log.error("process %s does not answer at %s; its runs may fail", name, url)
                break
            await self._clock.sleep(_LOOK_AGAIN_SECONDS)
        else:
            _log.info("process %s is ready", name)
        settled.set()

    async def _answers(self, url: str) -> bool:
        parts = urlsplit(url)
        if parts.scheme != "tcp":
            return await asyncio.to_thread(_answers_over_http, url)
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        except (OSError, TimeoutError, ValueError):
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True


def _answers_over_http(url: str) -> bool:
    # Not through a proxy: what is asked runs here.
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(url, timeout=_ASK_SECONDS) as answer:
            return int(answer.status) < 400  # noqa: PLR2004 - from there on statuses are errors
    except HTTPError as error:
        error.close()
        return False
    except (URLError, OSError, ValueError):
        return False


async def _drain(name: str, child: Child) -> None:
    """Read what it prints, so that it never waits for us; the end of it is kept for the day that it fails."""
    while chunk := await child.stdout.read(_CHUNK_BYTES):
        child.note(chunk)
        _log.debug("process %s printed %d bytes", name, len(chunk))
