"""More tool servers that others wrote, each with its ways; not among the usual tests: `make test-compat` installs and runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from runtime.core.outcomes import OutcomeClass
from runtime.tools.definition import ServerDefinition, StdioTransport
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.test_third_party import BIN, NODE, PATIENT
from tests.support.cli import Cli
from tests.support.processes import ROOT

COMPAT: Final = ROOT / ".servers" / "compat"
FOR_NODE: Final = COMPAT / "node" / "node_modules" / ".bin"
NOBODY_THERE: Final = {"ODOO_URL": "http://127.0.0.1:9", "ODOO_API_KEY": "x", "ODOO_DB": "x"}


def own(name: str) -> Path:
    return COMPAT / name / "bin" / name


SERVERS: Final[dict[str, tuple[Path | str, list[str], dict[str, str]]]] = {
    "time": ("mcp-server-time", [], {}),
    "git": ("mcp-server-git", [], {}),
    "fetch": ("mcp-server-fetch", [], {}),
    "sqlite": (BIN / "mcp-server-sqlite", ["--db-path", "x.db"], {}),
    "calendar": (BIN / "ics-calendar-mcp", [], {"ICS_CALENDAR_URL": "http://127.0.0.1:9/x.ics"}),
    "mail": (BIN / "mcp-email-server", ["stdio"], {}),
    "files": (NODE / "mcp-server-filesystem", ["."], {}),
    "memory": (NODE / "mcp-server-memory", [], {}),
    "everything": (NODE / "mcp-server-everything", [], {}),
    "calculator": (own("mcp-server-calculator"), [], {}),
    "shell": (own("mcp-shell-server"), [], {"ALLOW_COMMANDS": "echo"}),
    "excel": (own("excel-mcp-server"), ["stdio"], {}),
    "duckdb": (own("mcp-server-motherduck"), ["--db-path", ":memory:", "--read-write"], {}),
    "odoo": (own("mcp-server-odoo"), [], NOBODY_THERE),
    "thinking": (FOR_NODE / "mcp-server-sequential-thinking", [], {}),
    "postgres": (FOR_NODE / "mcp-server-postgres", ["postgresql://127.0.0.1:9/x"], {}),
}
THOUGHT: Final = {
    "thought": "why",
    "nextThoughtNeeded": False,
    "thoughtNumber": 1,
    "totalThoughts": 1,
}
CALLS: Final[list[tuple[str, dict[str, Any], OutcomeClass, str]]] = [
    ("calculator.calculate", {"expression": "2*(3+4)"}, "ok", '"14"'),
    ("calculator.calculate", {"expression": "2*x"}, "tool_error", "Unknown identifier"),
    ("shell.shell_execute", {"command": ["echo", "hi"]}, "ok", "hi"),
    ("shell.shell_execute", {"command": ["rm", "x"]}, "tool_error", "Command not allowed"),
    ("duckdb.execute_query", {"sql": "select 42 as n"}, "ok", "42"),
    ("duckdb.execute_query", {"sql": "selec"}, "tool_error", "Parser Error"),
    ("excel.create_workbook", {"path": "absent/x.xlsx", "colour": "red"}, "contract_error", "colour"),
    ("odoo.list_models", {}, "tool_error", "Cannot connect to Odoo server"),
    ("thinking.sequentialthinking", THOUGHT, "ok", "thoughtHistoryLength"),
    ("postgres.query", {"sql": "select 1"}, "rejected", "ECONNREFUSED"),
]  # fmt: skip


def installed(key: str) -> tuple[str, list[str], dict[str, str]]:
    command, args, env = SERVERS[key]
    if isinstance(command, Path) and not command.exists():
        pytest.skip(f"{command.name} is not installed: make test-compat")
    return str(command), args, env


def definition(key: str) -> ServerDefinition:
    command, args, env = installed(key)
    transport = StdioTransport(command, tuple(args), env=env)
    return ServerDefinition(key=key, transport=transport, **PATIENT)


@pytest.mark.parametrize(("tool", "arguments", "kind", "said"), CALLS)
async def test_a_call_comes_to_its_outcome(
    open_toolbox: OpenToolbox, tool: str, arguments: dict[str, Any], kind: OutcomeClass, said: str
) -> None:
    box = await open_toolbox(definition(tool.partition(".")[0]))

    outcome = await box.call(tool, arguments)

    assert outcome.kind == kind
    assert said in (outcome.error.message if outcome.error else json.dumps(outcome.value))


async def test_excel_writes_what_it_reads_again(open_toolbox: OpenToolbox, tmp_path: Path) -> None:
    box = await open_toolbox(definition("excel"))
    book = {"path": str(tmp_path / "x.xlsx")}
    rows = [["city", "degrees"], ["Bari", 21]]

    await box.call("excel.create_workbook", book)
    await box.call("excel.write_range", {**book, "sheet": "Sheet1", "at": "A1", "rows": rows})
    read = await box.call("excel.read_range", {**book, "sheet": "Sheet1"})

    assert "Bari" in json.dumps(read.value)
    assert (tmp_path / "x.xlsx").stat().st_size > 1000


def test_all_of_them_are_locked_and_are_the_same_when_they_are_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    documents: list[dict[str, Any]] = [{"kind": "Project", "name": "compat"}]
    for key in SERVERS:
        command, args, env = installed(key)
        stdio = {"command": command, "args": args, "env": env}
        documents.append(
            {"kind": "ToolServer", "name": key, "stdio": stdio, "connect_timeout": "2m"}
        )
    (tmp_path / "specs").mkdir()
    head = {"apiVersion": "ordinaut/v1"}
    text = yaml.safe_dump_all([head | document for document in documents], sort_keys=False)
    (tmp_path / "specs" / "all.yaml").write_text(text)
    alone = Cli()

    locked = alone("tools", "lock")
    again = alone("tools", "lock", "--check")

    assert locked.status == 0
    assert f"wrote specs/tools.lock.json: {len(SERVERS)} servers" in locked.stderr
    assert again.status == 0, again.stdout
    assert alone("validate").status == 0
