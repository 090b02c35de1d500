"""One run under test: a database, a recorder and a clock around its execution."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from runtime.arrivals import Arrivals
from runtime.attention import Attention
from runtime.calling import Tools
from runtime.clock import SYSTEM_CLOCK
from runtime.core.program import compile_program
from runtime.execution import Execution
from runtime.keyring import Keyring
from runtime.live import Live
from runtime.recorder import Recorder
from runtime.secrets import Secrets
from runtime.store.answers import Answers
from runtime.store.budgets import Budgets
from runtime.store.due_work import Claim, claim_due
from runtime.store.pool import Pool
from runtime.store.rates import Rates
from runtime.store.recorded import load_results
from runtime.store.runtimes import load_task_revisions
from runtime.surroundings import Looking, Surroundings
from runtime.turns import Turns
from runtime.wake import Bell
from tests.support.clock import FakeClock
from tests.support.installed import install, queue_run, task

LEASE = timedelta(seconds=15)
KEY = b"callbacks are made with it"
RETRY = {"attempts": 3, "initial": "10s", "jitter": "none"}


@dataclass(slots=True)
class Bench:
    """A database, a recorder and a clock, and the one run under test."""

    pool: Pool
    connection: psycopg.AsyncConnection
    recorder: Recorder
    clock: FakeClock
    live: Live
    secrets: Secrets
    arrivals: Arrivals
    attention: Attention
    turns: Turns
    looking: Looking | None = None

    async def queue(self, **fields: Any) -> None:
        """Queue one run of a task with these fields."""
        run_fields = {
            name: fields.pop(name) for name in ("params_given", "event") if name in fields
        }
        installed = await install(self.connection, task(**fields))
        given = {"params": run_fields["params_given"]} if "params_given" in run_fields else {}
        given |= {"event": run_fields["event"]} if "event" in run_fields else {}
        await queue_run(self.connection, installed, **given)

    async def claim(self) -> Claim:
        """Lease the run."""
        (claim,) = (await claim_due(self.pool, runtime_id=1, limit=1, lease=LEASE)).claims
        return claim

    async def go(self, tools: Tools) -> Claim:
        """Claim the run and execute what is left of it."""
        claim = await self.claim()
        await self.execute(claim, tools)
        return claim

    async def execute(self, claim: Claim, tools: Tools) -> None:
        """Execute a claimed run."""
        key = claim.task_uid, claim.revision_id
        revision = (await load_task_revisions(self.pool, [key])).get(key)
        assert revision is not None
        around = self.around(tools)
        program = compile_program(revision.body, revision.project)
        recorded = await load_results(self.pool, claim.run_id)
        await Execution(around, claim, program, self.live, self.secrets, recorded=recorded).run()

    def around(self, tools: Tools) -> Surroundings:
        """What executions have around them."""
        return Surroundings(
            tools,
            self.recorder,
            self.pool,
            Rates(self.pool),
            Budgets(self.pool),
            self.clock,
            random.Random(1),
            self.looking or self.arrivals,
            self.attention,
            KEY,
            Answers(self.pool),
        )

    async def row(self, query: str) -> Any:
        """The first column of the first row, or the row if it has several."""
        cursor = await self.connection.execute(query.encode())
        row = await cursor.fetchone()
        return row[0] if row is not None and len(row) == 1 else row

    async def seconds_until_ready(self) -> float:
        """How long until the run may be claimed, whole seconds."""
        seconds = "select round(extract(epoch from ready_at - ordinaut.now()))::integer from ordinaut.due_work"
        return float(await self.row(seconds))

    async def events(self) -> list[str]:
        """What was told, in order."""
        cursor = await self.connection.execute(
            "select type from ordinaut.event_log order by sequence"
        )
        return [kind for (kind,) in await cursor.fetchall()]


@asynccontextmanager
async def opened_bench(
    pool: Pool,
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    database: str,
    folder: Path,
) -> AsyncIterator[Bench]:
    """One run under test, and the secret `token`."""
    await clock.attach(database)
    (folder / "token").write_text("s3cr3t-token\n")
    turns = Turns(pool, clock, Bell(clock), Bell(clock))
    recorder = Recorder(pool, clock, Bell(clock), turns)
    serving = asyncio.create_task(recorder.run())
    secrets = Secrets({"token": {"file": "token"}}, Keyring(folder, SYSTEM_CLOCK))
    arrivals = Arrivals(pool, clock, Bell(clock), turns)
    attention = Attention(pool, clock, Bell(clock), 5.0)
    yield Bench(pool, connection, recorder, clock, Live(), secrets, arrivals, attention, turns)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


def step(name: str, uses: str = "tool.do", **fields: Any) -> dict[str, Any]:
    """A step of a pipeline."""
    return {"id": name, "uses": uses, **fields}
