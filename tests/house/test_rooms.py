"""Each effect has one room: SQL, the clock, the environment; the cores have none."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house.sources import ROOT, Module, dotted, imported, module, product

CLOCK = "runtime/clock.py"
CONFIG = "runtime/config.py"

_SQL = re.compile(
    r"""^\s*(
        select\s.*\bfrom\s | select\s+[\w.]+\( | insert\s+into\s | update\s+[\w."]+\s+set\s | delete\s+from\s |
        with\s+(recursive\s+)?\w+\s+as\s | merge\s+into\s | truncate\s |
        (create|alter|drop)\s+(or\s+replace\s+)?(table|schema|index|function|role|database|trigger|view|user)\s |
        (listen|notify|unlisten)\s+\w+\s*(,|;|$) | lock\s+table\s | (grant|revoke)\s.*\bon\s | set\s+(local|session)\s |
        copy\s+[\w."]+\s+(from|to)\s | (begin|commit|rollback)\s*;
    )""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_EXECUTING = {"execute", "executemany", "copy", "stream"}

# Deadlines are not among them: how long a network may be silent is the business of the event loop.
_CLOCKS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today",
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
    "asyncio.sleep", "anyio.sleep", "anyio.sleep_until", "anyio.current_time",
}  # fmt: skip
_ENVIRONMENTS = {"os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv"}

# What a core may not import: anything that reads, writes, waits or knows the machine. `pathlib` names paths, and the pure
# half of it is welcome.
_EFFECTS = {
    "aiohttp", "anyio", "asyncio", "click", "concurrent", "fcntl", "http", "httpx", "io", "logging", "mcp", "multiprocessing",
    "os", "pathlib.Path", "psycopg", "psycopg_pool", "random", "redis", "rich", "secrets", "select", "shutil", "signal",
    "socket", "sqlite3", "ssl", "starlette", "subprocess", "tempfile", "threading", "time", "urllib.request",
    "uvicorn", "uvloop", "watchfiles", "runtime.clock", "runtime.config", "runtime.store", "runtime.tools",
}  # fmt: skip
_EFFECTFUL_CALLS = {"open", "print", "input", "breakpoint", "eval", "exec", "uuid.uuid1", "uuid.uuid4", "uuid4"}  # fmt: skip


def _sql_outside_its_room(source: Module) -> Iterator[str]:
    """Text that reads as a statement, and statements that are not taken by name."""
    documentation = _documentation(source.tree)
    for node in ast.walk(source.tree):
        if (
            isinstance(node, ast.Constant)
            and node not in documentation
            and _SQL.match(_text(node))
        ):
            yield f"{source.place(node)} {_text(node).strip()[:40]!r}"
        match node:
            case ast.Call(func=ast.Attribute(attr=name), args=[first, *_]) if name in _EXECUTING:
                if any(isinstance(part, ast.JoinedStr | ast.BinOp) for part in ast.walk(first)):
                    yield f"{source.place(node)} a statement is put together"
                elif isinstance(first, ast.Constant):
                    yield f"{source.place(node)} a statement without a name"
            case _:
                pass


def _documentation(tree: ast.Module) -> set[ast.AST]:
    """Strings that stand for themselves: docstrings, and what is said of an attribute below it."""
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def _text(node: ast.Constant) -> str:
    match node.value:
        case str():
            return node.value
        case bytes():
            return node.value.decode(errors="replace")
        case _:
            return ""


def _clocks(source: Module) -> Iterator[str]:
    for node, name in imported(source):
        if name.partition(".")[0] == "time" or name in _CLOCKS:
            yield f"{source.place(node)} imports {name}"
    for node in ast.walk(source.tree):
        name = dotted(node)
        if name in _CLOCKS:
            yield f"{source.place(node)} {name}"


def _environments(source: Module) -> Iterator[str]:
    for node, name in imported(source):
        if name in _ENVIRONMENTS:
            yield f"{source.place(node)} imports {name}"
    for node in ast.walk(source.tree):
        if dotted(node) in _ENVIRONMENTS:
            yield f"{source.place(node)} {dotted(node)}"


def _effects(source: Module) -> Iterator[str]:
    for node, name in imported(source):
        if any(name == effect or name.startswith(f"{effect}.") for effect in _EFFECTS):
            yield f"{source.place(node)} imports {name}"
    for node in ast.walk(source.tree):
        match node:
            case ast.Attribute() if (
                dotted(node).startswith("sys.") and dotted(node) != "sys.maxsize"
            ):
                yield f"{source.place(node)} {dotted(node)}"
            case ast.Call(func=function) if dotted(function) in _EFFECTFUL_CALLS:
                yield f"{source.place(node)} calls {dotted(function)}"
            case ast.AsyncFunctionDef() | ast.Await():
                yield f"{source.place(node)} waits"
            case _:
                pass


def test_statements_live_in_sql_files_and_are_taken_by_name() -> None:
    assert [offence for source in product() for offence in _sql_outside_its_room(source)] == []


@pytest.mark.parametrize(
    "line",
    [
        'x = "select 1 from ordinaut.run"',
        'x = "SELECT pg_notify(%s, %s)"',
        'x = """\n  insert into ordinaut.run values (1)"""',
        "x = b'update ordinaut.run set state = 1'",
        'x = f"delete from {table}"',
        'x = "with due as (select 1) select 2"',
        'x = "create table if not exists t (a int)"',
        'x = "set local role reader"',
        'x = "listen ordinaut"',
        'connection.execute("vacuum")',
        'connection.execute("ana" + "lyze")',
        'await cursor.executemany(f"call {name}()", rows)',
        'connection.execute(statement("fire").replace(b"x", b"y" + z))',
    ],
)
def test_sql_elsewhere_is_found(line: str) -> None:
    assert list(_sql_outside_its_room(module("runtime/planted.py", line)))


@pytest.mark.parametrize(
    "line",
    [
        '"""Select what is due from the queue, with its lease."""',
        'connection.execute(statement("claim_due_work"), {"now": now})',
        "connection.execute(migration.up.encode())",
        'hint = "select another name"',
        'help = "Update the specs, set by set."',
        'x = "with a plan as its argument"',
        'x = "commit abc, by somebody"',
    ],
)
def test_prose_and_named_statements_are_no_sql(line: str) -> None:
    assert list(_sql_outside_its_room(module("runtime/planted.py", line))) == []


def test_only_the_clock_reads_clocks_and_sleeps() -> None:
    offences = {source.path: list(_clocks(source)) for source in product()}

    assert offences.pop(CLOCK)
    assert [offence for found in offences.values() for offence in found] == []


def test_only_the_configuration_reads_the_environment() -> None:
    offences = {source.path: list(_environments(source)) for source in product()}

    assert offences.pop(CONFIG)
    assert [offence for found in offences.values() for offence in found] == []


def test_the_cores_have_no_effects() -> None:
    cores = [source for source in product() if "/core/" in source.path]

    assert cores
    assert [offence for source in cores for offence in _effects(source)] == []


@pytest.mark.parametrize(
    "line",
    [
        "import asyncio",
        "from os import path",
        "from pathlib import Path",
        "import urllib.request",
        "from runtime.store import runs",
        "async def f(): ...",
        "x = open('specs')",
        "import sys; x = sys.stdout",
    ],
)
def test_an_effect_in_a_core_is_found(line: str) -> None:
    assert list(_effects(module("runtime/core/planted.py", line)))


def test_every_folder_of_python_is_a_package_that_is_installed_or_one_that_never_is() -> None:
    folders = {
        path.relative_to(ROOT).parts[0]
        for path in ROOT.glob("[!.]*/**/*.py")
        if "__pycache__" not in path.parts
    }

    assert folders <= {
        "migrations",
        "reconciler",
        "runtime",
        "schemas",
        "tests",
        "examples",
        "docs",
    }
    unmarked = {
        folder
        for source in product()
        if not (ROOT / (folder := source.path.rpartition("/")[0]) / "__init__.py").is_file()
    }
    assert unmarked == set()
