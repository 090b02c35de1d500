"""A place where runtime processes work: a database and a Redis, a tool server that keeps a diary, and looks at all of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg

from runtime.core.identity import derive_run_id
from tests.support.factories import NOON
from tests.support.installed import HEAD, Installed, install, queue_run, task
from tests.support.probes import eventually
from tests.support.processes import RunningProcess, started

SERVER: Final = Path(__file__).with_name("diary_server.py")
# Short, so that a crash is noticed soon; long enough that a busy machine still renews in time.
LEASE_SECONDS: Final = 3


def step(name: str, tool: str = "enter", **fields: Any) -> dict[str, Any]:
    """A step that calls a tool of the diary's server."""
    return {"id": name, "uses": f"diary.{tool}", "with": {"name": name}, **fields}


class Site:
    """One test's place of work.

    Args:
        folder: the project folder.
        connection: a direct connection to the database, in autocommit mode.
        env: how its processes reach their servers.
    """

    def __init__(
        self, folder: Path, connection: psycopg.AsyncConnection, env: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self.connection = connection
        self.env = {"ORDINAUT_LEASE": f"{LEASE_SECONDS}s", "ORDINAUT_STATE_DIR": "state", **env}
        self._gate = folder / "gate"
        self._diary = folder / "diary"

    def runtime(self, **settings: str) -> AbstractAsyncContextManager[RunningProcess]:
        """A runtime process for the block; settings by their lower-case names."""
        given = {f"ORDINAUT_{name.upper()}": value for name, value in settings.items()}
        return started("runtime", cwd=self.folder, env=self.env | given)

    async def install(
        self, *steps: Mapping[str, Any], name: str = "briefing", at_once: int = 4
    ) -> Installed:
        """The diary's server, which takes so many calls at once, and a task of these steps."""
        server = {**HEAD, "kind": "ToolServer", "name": "diary", "protocol": "legacy"}
        server |= {"max_concurrency": at_once}
        arguments = [str(SERVER), str(self._diary), str(self._gate)]
        stdio = {"command": sys.executable, "args": arguments}
        await install(self.connection, {**server, "stdio": stdio})
        return await install(self.connection, task(name, pipeline=list(steps)))

    async def queue(self, installed: Installed, key: str = "") -> UUID:
        """A run that is ready now, and a hint that it is."""
        run_id = await queue_run(self.connection, installed, key)
        await self.connection.execute("notify ordinaut_wake")
        return run_id

    async def queue_many(self, installed: Installed, count: int) -> None:
        """So many runs at once."""
        run_ids = [derive_run_id(installed.uid, "manual", str(n), NOON) for n in range(count)]
        place = [installed.uid, installed.revision_id, run_ids]
        await self.connection.execute(
            "insert into ordinaut.run (task_uid, revision_id, trigger, trigger_key, occurrence_for, due_at, state, run_id)"
            " select %s, %s, 'manual', run_id::text, ordinaut.now(), ordinaut.now(), 'queued', run_id from unnest(%s::uuid[]) run_id",
            place,
        )
        await self.connection.execute(
            "insert into ordinaut.due_work (task_uid, revision_id, ready_at, lane, run_id)"
            " select %s, %s, ordinaut.now(), 5, run_id from unnest(%s::uuid[]) run_id",
            place,
        )
        await self.connection.execute("notify ordinaut_wake")

    async def states(self) -> dict[str, int]:
        """How many runs are in each state."""
        found: list[Any] = await self.rows(
            "select state, count(*) from ordinaut.run group by state"
        )
        return dict(found)

    def open_gate(self) -> None:
        """Let every `wait` answer, from now on."""
        self._gate.touch()

    @property
    def diary(self) -> list[str]:
        """What was called, in order."""
        return self._diary.read_text().split() if self._diary.exists() else []

    async def called(self, *names: str) -> None:
        """Wait until exactly these were called."""
        await eventually(lambda: self.diary == list(names), f"{names} are called", seconds=20)

    async def runtimes_alive(self, count: int) -> None:
        """Wait until so many runtimes have announced themselves and not said farewell."""
        query = "select count(*) = %s from ordinaut.runtime where stopped_at is null"
        await eventually(lambda: self.value(query, count), f"{count} runtimes", seconds=20)

    async def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What a query gives."""
        cursor = await self.connection.execute(query.encode(), parameters)
        return await cursor.fetchall()

    async def value(self, query: str, *parameters: Any) -> Any:
        """The one value that a query gives."""
        ((found,),) = await self.rows(query, *parameters)
        return found

    async def ended(self, *run_ids: UUID, seconds: float = 20.0) -> list[str]:
        """Wait until these runs are over; their states."""

        async def states() -> list[str] | None:
            found = await self.rows(
                "select state from ordinaut.run where run_id = any(%s) order by run_id",
                list(run_ids),
            )
            over = [state for (state,) in found if state in {"succeeded", "failed"}]
            return over if len(over) == len(run_ids) else None

        return await eventually(states, "the runs end", seconds=seconds) or []

    async def results(self) -> list[tuple[Any, ...]]:
        """Every step result there is: step, outcome, and the lease under which it was recorded."""
        return await self.rows(
            "select step, outcome, lease_epoch from ordinaut.step_result order by finished_at, step"
        )

    async def events(self, run_id: UUID) -> list[tuple[str, UUID, str | None]]:
        """What was told of a run, published or not: type, id and step, in order; a repeated event counts as one."""
        return await self.rows(
            "select type, event_id, step from ("
            " select distinct on (event_id) event_id, type, data ->> 'step' as step, sequence from ordinaut.event_log"
            " where run_id = %s order by event_id, sequence) as once order by sequence",
            run_id,
        )

    async def record(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that was ever recorded of runs."""
        tables = ("run", "due_work", "step_result", "step_attempt")
        found = {
            name: await self.rows(f"select * from ordinaut.{name} order by 1, 2")
            for name in tables
        }
        events = "select event_id, type from ordinaut.event_log order by 1"
        return found | {"events": await self.rows(events)}
