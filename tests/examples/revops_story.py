"""The revops example in a folder of its own, on free ports: what its tests ask of it."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy

import psycopg
import pytest

from tests.support.probes import eventually
from tests.support.processes import ROOT, Finished, RunningProcess, ordinaut, started
from tests.support.valkey import free_port

EXAMPLE = ROOT / "examples" / "revops"
LONG = 240.0
# A runtime that takes over after a kill waits for the lease of the one before.
ENV = {"ORDINAUT_LEASE": "3s"}
needs_servers = pytest.mark.skipif(
    not (ROOT / ".servers" / "examples" / "bin" / "mcp-server-odoo").exists(),
    reason="what the servers of the examples need is not installed: make example",
)


@dataclass(frozen=True, slots=True)
class Story:
    """A copy of the example.

    Attributes:
        folder: where it is, at the depth at which it finds the clone's servers.
        port: of its stand-in for an Odoo.
    """

    folder: Path
    port: int

    @asynccontextmanager
    async def up(self) -> AsyncIterator[RunningProcess]:
        """`ordinaut up`, until it has begun."""
        async with started("up", cwd=self.folder, env=ENV) as process:
            await process.line("watching the specs", seconds=60)
            yield process

    async def ordinaut(self, *arguments: str, seconds: float = LONG) -> Finished:
        """A command of somebody who stands in the folder."""
        return await ordinaut(*arguments, cwd=self.folder, env=ENV, seconds=seconds)

    async def run(self, task: str, *, seconds: float = LONG) -> dict[str, Any]:
        """A run of a task from its beginning to its end, as `show` tells it."""
        await self.ordinaut("run", task, "--wait", seconds=seconds)
        return await self.last(task)

    async def last(self, task: str) -> dict[str, Any]:
        """The latest run of a task."""
        listed = json.loads((await self.ordinaut("runs", task, "--json")).stdout)
        shown = await self.ordinaut("show", listed["runs"][0]["run_id"], "--json")
        told: dict[str, Any] = json.loads(shown.stdout)
        return told

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the warehouse."""
        url = (self.folder / ".ordinaut" / "databases" / "revops").read_text().strip()
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def state(self) -> dict[str, list[str]]:
        """What RAW, CORE and SEARCH hold, whenever and in whatever order it came there."""
        tables = {
            "raw.record": "source, id, body, written_at",
            "core.party": "*",
            "core.company": "*",
            "core.lead": "*",
            "core.opportunity": "*",
            "search.document": "key, headline, body, model, vector_dims(embedding)",
        }
        rows = {
            name: sorted(map(str, self.ask(f"select {what} from {name}")))
            for name, what in tables.items()
        }
        assert all(rows.values())
        return rows

    def versions(self) -> list[tuple[Any, ...]]:
        """Which transaction wrote each row: the same again means that nothing was written, not even the same."""
        tables = [
            "raw.odoo_partner",
            "raw.odoo_lead",
            "raw.partner_network_opportunity",
            "core.company",
        ]
        tables += [
            "core.party",
            "core.lead",
            "core.opportunity",
            "search.document",
            "search.match",
        ]
        return [
            row
            for name in tables
            for row in self.ask(
                f"select '{name}', xmin::text, count(*) from {name} group by 2 order by 2"
            )
        ]

    def crm(self, method: str, model: str, *arguments: object) -> Any:
        """What somebody does in the CRM."""
        password = (EXAMPLE / "data" / "odoo-password").read_text().strip()
        with ServerProxy(f"http://127.0.0.1:{self.port}/xmlrpc/2/object", allow_none=True) as odoo:
            return odoo.execute_kw("crm", 2, password, model, method, list(arguments))

    def writes(self) -> list[tuple[int, str]]:
        """Which opportunity was written to which lead, as the CRM's own log has it, each time."""
        with closing(sqlite3.connect(self.folder / ".ordinaut" / "crm.sqlite")) as database:
            rows = database.execute(
                "select id, values_written from log where values_written like '%x_apn_opp%'"
            )
            return [(lead, json.loads(values)["x_apn_opportunity"]) for lead, values in rows]

    async def has(self, query: str) -> None:
        """Wait until the warehouse, which may not be there yet, answers a question with yes."""
        await self._answers("databases/revops", query)

    async def asks(self, words: str) -> None:
        """Wait until a person is asked something with these words."""
        query = f"select count(*) > 0 from ordinaut.wait where answered_at is null and asked::text like '%%{words}%%'"
        await self._answers("servers.json", query)

    async def _answers(self, address: str, query: str) -> None:
        with ExitStack() as stack:
            connections: list[psycopg.Connection] = []

            def answer() -> bool:
                try:
                    if not connections or connections[-1].closed:
                        told = (self.folder / ".ordinaut" / address).read_text().strip()
                        url = json.loads(told)["database"] if told.startswith("{") else told
                        connection = psycopg.connect(url, autocommit=True)
                        connections.append(stack.enter_context(connection))
                    return bool(connections[-1].execute(query.encode()).fetchall()[0][0])
                except (OSError, psycopg.Error):
                    # It is not there yet, or its tables are not.
                    return False

            await eventually(answer, query, seconds=LONG)


def made_in(
    tmp_path: Path, *, scale: float = 1.0, batch: int = 1000, write_takes: float = 0.0
) -> Story:
    """A copy of the example, with more or fewer data and in other batches."""
    clone = tmp_path / "clone"
    folder = clone / "examples" / "revops"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".ordinaut", "__pycache__"))
    (clone / ".servers").symlink_to(ROOT / ".servers")
    if scale != 1:
        command = [sys.executable, "data/make.py", "--scale", str(scale)]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    port = free_port()
    project = folder / "specs" / "ordinaut.yaml"
    text = project.read_text().replace("18410", str(port))
    text = re.sub(r"batch: 1000\b", f"batch: {batch}", text)
    text = text.replace(
        ".ordinaut/crm.sqlite]", f".ordinaut/crm.sqlite, --write-takes, '{write_takes}']"
    )
    project.write_text(text)
    return Story(folder, port)


def rows_of(file: Path) -> list[dict[str, str]]:
    """The rows of a file of sample data."""
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
