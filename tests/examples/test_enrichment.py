"""The data-enrichment command centre: a batch comes to the expected table, whatever is killed, lost or told twice on its way."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.rows import dict_row

from runtime.clock import SYSTEM_CLOCK
from tests.support.probes import eventually
from tests.support.processes import ROOT, RunningProcess, ordinaut, started

EXAMPLE = ROOT / "examples" / "enrichment"
CLIENTS = ("fjord", "lumen", "tallow")
Rows = list[dict[str, Any]]
_ON_MODAL = """\
import json
from starlette.testclient import TestClient
import modal_app
asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
with TestClient(modal_app.titles.local(), base_url="https://team--titles.modal.run") as client:
    told = client.post("/mcp", json=asked, headers=headers).json()
print(json.dumps(sorted(tool["name"] for tool in told["result"]["tools"])))
"""


class Centre:
    """A copy of the example at ports of its own, with an answer after a second, and many faults."""

    def __init__(self, folder: Path, **differs: object) -> None:
        self.folder = folder
        ports = free_ports(4)
        settings = {
            **dict(zip(("hygiene_port", "titles_port", "provider_port"), ports, strict=False)),
            "answer_after": 1,
            **differs,
        }
        head = folder / "specs" / "ordinaut.yaml"
        project, *others = yaml.safe_load_all(head.read_text())
        project["variables"] |= settings
        head.write_text(yaml.safe_dump_all([project, *others], sort_keys=False))
        self.env = {"ORDINAUT_LISTEN": f"127.0.0.1:{ports[3]}"}

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / "specs" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def up(self) -> Any:
        return started("up", cwd=self.folder, env=self.env)

    async def run(self, *arguments: str, wait: bool = True, seconds: float = 30) -> Any:
        """Run a task; the value of its last step."""
        asked = ("run", *arguments, "--json", *(("--wait",) if wait else ()))
        done = await ordinaut(*asked, cwd=self.folder, env=self.env, seconds=seconds)
        assert done.status == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def rows(self, query: str, **given: Any) -> Rows:
        """What the database of the example says; nothing before it is there."""
        url = self.folder / ".ordinaut" / "databases" / "enrichment"
        if not url.exists():
            return []
        with psycopg.connect(url.read_text().strip(), row_factory=dict_row) as connection:
            try:
                return connection.execute(query.encode(), given).fetchall()
            except psycopg.errors.UndefinedTable:
                return []

    async def staged(self, *, seconds: float = 30) -> None:
        def is_staged() -> bool:
            return len(self.rows("select from upload")) == len(CLIENTS)

        await eventually(is_staged, "all uploads to be staged", seconds=seconds)

    async def launched(self) -> None:
        for client in CLIENTS:
            await self.run(f"enrich-{client}", wait=False)

    async def finished(self, *, seconds: float) -> None:
        """Wait until every batch is finished, and the table is made of all of them."""

        def is_finished() -> bool:
            open_ = self.rows("select finished_at is null as is_open from batch")
            return len(open_) == len(CLIENTS) and not any(row["is_open"] for row in open_)

        await eventually(is_finished, "the end of all batches", seconds=seconds)

    async def answered(self, share: float, *, seconds: float = 30) -> None:
        """Wait until so much is answered."""
        query = "select count(*) filter (where state = 'done')::float8 / nullif(count(*), 0) as share from row_state"
        await eventually(
            lambda: any((row["share"] or 0) >= share for row in self.rows(query)),
            f"{share:.0%} of all answers",
            seconds=seconds,
        )

    def kill_worker(self, name: str) -> None:
        """Kill -9 the process that serves `name`."""
        [pid] = [
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if f"servers/{name}".encode() in read(path)
            and (path.parent / "cwd").samefile(self.folder)
        ]
        os.kill(pid, signal.SIGKILL)

    def contacts(self) -> Rows:
        return self.rows("select * from consolidated.contacts order by client, line")


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def contents(path: Path) -> bytes:
    """What a file of sample data says, however it is packed, which differs among versions of Python."""
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def expected_table(path: Path) -> Rows:
    return [
        {
            **{name: value or None for name, value in row.items()},
            "line": int(row["line"]),
            "employees": int(row["employees"]) if row["employees"] else None,
            "is_complete": row["is_complete"] == "True",
        }
        for row in csv.DictReader(contents(path).decode().splitlines())
    ]


def same(found: Rows, expected: Rows) -> None:
    """The table is the expected one; where it is not, the first rows that differ are shown."""
    names = expected[0].keys()
    table = {(row["client"], row["line"]): {name: row[name] for name in names} for row in found}
    wanted = {(row["client"], row["line"]): row for row in expected}
    assert table.keys() == wanted.keys()
    assert [(table[key], row) for key, row in wanted.items() if table[key] != row][:3] == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the example, at the depth at which it finds the clone's servers."""
    clone = tmp_path / "clone"
    left_out = shutil.ignore_patterns(".ordinaut", "__pycache__")
    shutil.copytree(EXAMPLE, clone / "examples" / "enrichment", ignore=left_out)
    (clone / ".servers").symlink_to(ROOT / ".servers")
    return clone / "examples" / "enrichment"


async def test_the_example_is_without_problems() -> None:
    for command in ("validate", "lint", "test"):
        found = await ordinaut(command, "--specs", "specs", cwd=EXAMPLE)
        assert (found.status, "error" in found.stdout) == (0, False), found.stdout


@pytest.mark.skipif(
    not (ROOT / ".servers" / "examples" / "bin" / "python").exists(),
    reason="what examples need is not installed: make .servers/examples/.installed",
)
def test_what_modal_would_serve_is_the_worker() -> None:
    """With Modal's own package, and without Modal: nothing is sent to it."""
    told = subprocess.run(
        [ROOT / ".servers" / "examples" / "bin" / "python", "-c", _ON_MODAL],
        cwd=EXAMPLE / "servers",
        env={"HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(told.stdout) == ["classify_title", "tidy_name"]


def test_the_data_are_those_that_the_generator_makes(folder: Path) -> None:
    files = [path.relative_to(EXAMPLE) for path in (EXAMPLE / "data").rglob("*.*sv*")]

    subprocess.run([sys.executable, folder / "data" / "make.py"], check=True)

    assert [path for path in files if contents(folder / path) != contents(EXAMPLE / path)] == []
    assert sum((EXAMPLE / path).stat().st_size for path in files) < 1_000_000


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_whatever_is_killed_lost_or_told_twice_the_table_is_the_expected_one(
    folder: Path,
) -> None:
    small = {"uploads": "data/small/uploads", "register": "data/small", "chunk_rows": 40}
    faults = {
        "lose_every": 5,
        "repeat_every": 3,
        "busy_every": 5,
        "answer_within": "5s",
        "lease_seconds": "8",
    }
    centre = Centre(folder, **small, **faults)
    expected = expected_table(folder / "data" / "small" / "expected.csv")

    async with centre.up() as up:
        await up.line("watching the specs", seconds=40)
        await centre.staged()
        await centre.launched()
        await centre.answered(0.1)
        centre.kill_worker("hygiene_worker")
        await centre.answered(0.5)
        centre.kill_worker("batches")
        up.kill()
        await up.ended()
    async with centre.up() as up:
        await up.line("watching the specs", seconds=40)
        await centre.finished(seconds=60)
        await consolidated(centre, expected)

        same(centre.contacts(), expected)
        assert_faults_happened(centre)
        locked = await ordinaut("tools", "lock", "--check", cwd=folder, env=centre.env)
        assert locked.status == 0, locked.stdout
        spent = await ordinaut(
            "spend", "--by", "label:client", "--json", cwd=folder, env=centre.env
        )
        by_client = {row["name"] for row in json.loads(spent.stdout)["rows"]}
        assert by_client == {*CLIENTS}
        await assert_dead_rows_are_redriven(centre, up)
        await assert_another_mapping_makes_another_table(centre, up)
        up.terminate()
        assert (await up.ended()).status == 0


async def consolidated(centre: Centre, expected: Rows) -> None:
    """Wait until the table of the last batch is there; each batch that ends makes it anew."""
    complete = sum(row["is_complete"] for row in expected)
    query = "select count(*) from consolidated.contacts where is_complete"
    await eventually(
        lambda: any(row["count"] == complete for row in centre.rows(query)),
        "the whole table",
        seconds=30,
    )


def assert_faults_happened(centre: Centre) -> None:
    """Else nothing was shown."""
    [lost] = centre.rows(
        """select count(*) from chunk c where c.workflow = 'company'
           and not exists (select from raw_answer a where a.chunk = c.chunk)
           and not exists (select from row_state s where s.chunk = c.chunk)"""
    )
    assert lost["count"] > 0
    # Each was paid for once, however often it was told.
    [paid] = centre.rows(
        "select sum(cost) as sum, count(*) as count from raw_answer where cost > 0"
    )
    assert paid["sum"] == Decimal("0.004") * paid["count"]


async def assert_dead_rows_are_redriven(centre: Centre, up: RunningProcess) -> None:
    """The register learns of more companies, and what was dead goes on from where it died."""
    before = centre.contacts()
    dead = {(row["client"], row["line"]) for row in before if not row["is_complete"]}
    listed = await centre.run("dead-letters")
    batches = sorted({row["batch"] for row in listed["steps"][-1]["output"]["rows"]})
    assert dead
    later = centre.folder / "data" / "small" / "later" / "register-december.csv"
    shutil.copy(later, centre.folder / "data" / "small")

    for batch in batches:
        await centre.run("redrive", "--param", f"batch={batch}")
    await centre.finished(seconds=40)
    await eventually(
        lambda: all(row["is_complete"] for row in centre.contacts()),
        "a table without gaps",
        seconds=20,
    )

    now = {(row["client"], row["line"]): row for row in centre.contacts()}
    assert all(now[key]["company"] for key in dead)
    untouched = [row for row in before if row["is_complete"]]
    assert [now[row["client"], row["line"]] for row in untouched] == untouched


async def assert_another_mapping_makes_another_table(centre: Centre, up: RunningProcess) -> None:
    """Out of the same answers: nobody is asked again."""
    answers = centre.rows("select * from raw_answer order by batch_id, line, workflow")
    old = "domain: {path: $.domain.domain}"
    centre.edit("mapping.yaml", old, f"{old}\n    from_email: {{path: '$.domain.found_in == \"email\"', type: boolean}}")  # fmt: skip
    centre.edit("mapping.yaml", "table: contacts", "table: people")
    await up.line("applied revision r2")

    await centre.run("consolidate")

    people = centre.rows("select * from consolidated.people order by client, line")
    assert len(people) == len(centre.contacts())
    assert {row["from_email"] for row in people} == {True, False}
    assert centre.rows("select * from raw_answer order by batch_id, line, workflow") == answers


@pytest.mark.full_size
async def test_ten_thousand_rows_come_to_the_expected_table(folder: Path) -> None:
    centre = Centre(folder, answer_after=2, answer_within="15s")
    expected = expected_table(folder / "data" / "expected.csv.gz")

    async with centre.up() as up:
        await up.line("watching the specs", seconds=40)
        await centre.staged()
        began = SYSTEM_CLOCK.monotonic()
        await centre.launched()
        await centre.answered(1.0 - 0.01, seconds=600)
        took = SYSTEM_CLOCK.monotonic() - began
        await centre.finished(seconds=600)
        await consolidated(centre, expected)
        same(centre.contacts(), expected)
        print(throughput(centre, took))  # what somebody runs it for
        up.terminate()
        await up.ended()


def throughput(centre: Centre, seconds: float) -> str:
    [counted] = centre.rows(
        """select (select sum(u.rows) from upload u) as rows, (select count(*) from raw_answer) as answers,
               (select count(*) from chunk) as chunks"""
    )
    rates: Mapping[str, float] = {name: count / seconds for name, count in counted.items()}
    return (
        f"{counted['rows']:,} rows in {seconds:.0f} s: {rates['rows']:,.0f} rows/s, "
        f"{rates['answers']:,.0f} answers/s in {rates['chunks']:,.1f} calls/s"
    )
