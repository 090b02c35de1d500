"""What the servers of the enrichment example do with files as people send them, with odd rows, and with all that is kept."""

from __future__ import annotations

import gzip
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from mcp.server.mcpserver.exceptions import ToolError
from psycopg.rows import dict_row

from runtime.embedded import Urls
from tests.support.databases import fresh_database
from tests.support.processes import ROOT

SERVERS = ROOT / "examples" / "enrichment" / "servers"
COLUMNS = {"email": {"path": "$.raw.email"}, "domain": {"path": "$.domain.domain"}}
WORKFLOWS = [{"name": "domain", "takes": {"website": "$.raw.url"}, "attempts": 2}]


class Modules:
    """The servers' modules, which import each other by their bare names, over a database of their own."""

    def __init__(self, url: str, uploads: Path) -> None:
        self.url = url
        self.uploads = uploads
        self.staging = importlib.import_module("staging")
        self.batches = importlib.import_module("batches")
        self.consolidation = importlib.import_module("consolidation")
        self.worker = importlib.import_module("worker")
        self.hygiene = importlib.import_module("hygiene_worker")

    def upload(self, name: str, content: bytes) -> list[dict[str, Any]]:
        """Stage a file; its rows, as they are kept."""
        (self.uploads / name).write_bytes(content)
        self.staging.stage(name)
        query = (
            "select data from raw_row join upload using (upload_id) where file = %s order by line"
        )
        return [row["data"] for row in self.rows(query, [name])]

    def rows(self, query: str, given: Any = ()) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(query.encode(), given).fetchall()

    def enrich(self, client: str, run: str) -> None:
        """Take the newest upload of a client through its one workflow."""
        self.batches.launch(client, WORKFLOWS, run)
        for one in self.batches.claim(run, ["domain"], 100, 100)["domain"]:
            answers = [
                {"row": row["row"], "output": {"domain": row["website"]}} for row in one["rows"]
            ]
            self.batches.keep(one["chunk"], answers)
        for batch in self.batches.report()["batches"]:
            self.batches.close(batch["batch"], batch["finishes"])

    def table(self) -> list[tuple[Any, ...]]:
        columns = {name: self.consolidation.Column(**one) for name, one in COLUMNS.items()}
        self.consolidation.build("people", columns, "email")
        query = (
            "select client, email, domain, file, line from consolidated.people order by file, line"
        )
        return [tuple(row.values()) for row in self.rows(query)]


@pytest.fixture
def modules(servers: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Modules]:
    with fresh_database(servers.database, "template0") as url:
        yield from _loaded(url, tmp_path, monkeypatch)


def _loaded(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Modules]:
    before = dict(sys.modules)
    monkeypatch.syspath_prepend(str(SERVERS))
    monkeypatch.setenv("ENRICHMENT_DATABASE_URL", url)
    monkeypatch.setenv("UPLOADS", str(tmp_path))
    monkeypatch.setenv("LEASE_SECONDS", "60")
    made = Modules(url, tmp_path)
    yield made
    made.staging.pool().close()
    for name in sys.modules.keys() - before.keys():
        if str(SERVERS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_cells_are_kept_as_they_came(modules: Modules) -> None:
    told = modules.upload(
        "ann-1.csv", '﻿name;note\r\n"Ann ""A""; B";"two\r\nlines"\r\nBen;\\u0000\0\r\n'.encode()
    )

    assert told == [
        {"name": 'Ann "A"; B', "note": "two\r\nlines"},
        {"name": "Ben", "note": "\\u0000�"},
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_file_is_read_in_the_encoding_in_which_it_came(modules: Modules, encoding: str) -> None:
    assert modules.upload("ann-1.csv", "name\tat\nÅsa\tx\n".encode(encoding)) == [
        {"name": "Åsa", "at": "x"}
    ]


def test_rows_that_are_too_short_or_too_long_lose_nothing(modules: Modules) -> None:
    told = modules.upload("ann-1.csv", b"name,mail\nAnn\nBen,b@x,more,still\n")

    assert told == [
        {"name": "Ann", "mail": None},
        {"name": "Ben", "mail": "b@x", "(rest)": ["more", "still"]},
    ]


def test_columns_of_one_name_lose_nothing(modules: Modules) -> None:
    told = modules.upload("ann-1.csv", b"mail,mail,mail (2),mail\na,b,c,d\n")

    assert told == [{"mail": "a", "mail (2)": "b", "mail (2) (2)": "c", "mail (2) (2) (2)": "d"}]


@pytest.mark.parametrize("content", [b"", b"name,mail\n"], ids=["nothing", "a head alone"])
def test_a_file_without_rows_is_staged_once_and_its_batch_ends(
    modules: Modules, content: bytes
) -> None:
    assert modules.upload("ann-1.csv", content) == []
    assert modules.staging.list_new() == {"files": []}

    modules.enrich("ann", "r1")

    assert modules.batches.look()["is_open"] is False


@pytest.mark.parametrize(
    "content",
    [
        b"no gzip",
        gzip.compress(b"name\nAnn\n" * 99)[:-9],
        gzip.compress(b"name\n" + b"x" * 300_000),
    ],
    ids=["not packed", "cut off", "a cell without end"],
)
def test_a_file_that_cannot_be_read_is_told_of_once_and_is_no_upload(
    modules: Modules, content: bytes
) -> None:
    modules.upload("ann-1.csv", b"name\nAnn\n")
    (modules.uploads / "ann-2.csv.gz").write_bytes(content)

    for _ in range(2):
        with pytest.raises(ToolError, match=r"ann-2\.csv\.gz cannot be read"):
            modules.staging.stage("ann-2.csv.gz")

    assert modules.staging.list_new() == {"files": []}
    assert modules.batches.launch("ann", WORKFLOWS, "r1")["file"] == "ann-1.csv"


def test_a_file_that_unpacks_to_too_much_is_not_read_to_its_end(
    modules: Modules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modules.staging, "MOST_BYTES", 100)
    (modules.uploads / "ann-1.csv.gz").write_bytes(gzip.compress(b"n\n" * 200))

    with pytest.raises(ToolError, match="more than 100 bytes"):
        modules.staging.stage("ann-1.csv.gz")


def test_files_are_read_once_to_be_known_again(
    modules: Modules, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules.upload("ann-1.csv", b"name\nAnn\n")
    modules.staging.list_new()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", lambda _: pytest.fail("read again"))
        assert modules.staging.list_new() == {"files": []}

    (modules.uploads / "ann-1.csv").write_bytes(b"name\nBenedict\n")
    assert modules.staging.list_new() == {"files": ["ann-1.csv"]}


def test_a_client_without_an_upload_is_told_so(modules: Modules) -> None:
    with pytest.raises(ToolError, match="no upload of ann is staged"):
        modules.batches.launch("ann", WORKFLOWS, "r1")


async def test_who_asks_is_told_what_is_wrong(modules: Modules) -> None:
    """Of any other exception the SDK tells nothing but that there was one."""
    for tool, given in (("pause", {"batch": 7}), ("redrive", {"batch": 7})):
        with pytest.raises(ToolError, match="there is none of batch 7"):
            await modules.batches.server.call_tool(tool, given)


def test_a_workflow_is_named_once(modules: Modules) -> None:
    modules.upload("ann-1.csv", b"name\nAnn\n")

    with pytest.raises(ToolError, match="domain is named twice"):
        modules.batches.launch("ann", WORKFLOWS * 2, "r1")


@pytest.mark.parametrize("odd", [7, ["a"], {"a": 1}], ids=str)
def test_a_row_that_is_no_text_takes_no_other_with_it(modules: Modules, odd: Any) -> None:
    rows = [
        {"row": 1, "website": odd},
        {"row": 2, "website": "www.ann.example"},
        {"row": 3, "other": "x"},
    ]

    told = modules.worker.answers("c", rows, modules.hygiene.domain_of)["answers"]

    assert [(one["row"], one.get("permanent", False)) for one in told] == [
        (1, True),
        (2, False),
        (3, True),
    ]


@pytest.mark.parametrize("price", ["NaN", "-1", "Infinity"])
def test_a_price_that_is_none_is_not_entered(modules: Modules, price: str) -> None:
    receiver = importlib.import_module("receiver")

    with pytest.raises(ToolError, match=f"{price} is no price"):
        receiver.receive("c", [], price, "EUR")


def test_rows_that_say_nothing_unique_are_all_kept(modules: Modules) -> None:
    for number in (1, 2):
        modules.upload(
            f"ann-{number}.csv", f"email,url\n,site{number}\nann@x,ann{number}\n".encode()
        )
        modules.enrich("ann", f"r{number}")

    assert modules.table() == [
        ("ann", "", "site1", "ann-1.csv", 1),
        ("ann", "ann@x", "ann1", "ann-1.csv", 2),
        ("ann", "", "site2", "ann-2.csv", 1),
    ]


def test_a_batch_that_has_only_begun_takes_nothing_from_the_table(modules: Modules) -> None:
    modules.upload("ann-1.csv", b"email,url\nann@x,ann\n")
    modules.enrich("ann", "r1")
    before = modules.table()

    modules.batches.launch("ann", WORKFLOWS, "r2")

    assert modules.table() == before == [("ann", "ann@x", "ann", "ann-1.csv", 1)]


def test_names_of_tables_and_columns_are_names(modules: Modules) -> None:
    """Whatever stands in a mapping, it is no SQL."""
    modules.upload("ann-1.csv", b"email\nann@x\n")
    modules.enrich("ann", "r1")
    name = 'x"; drop table upload; --%s{}'
    columns = {
        name: modules.consolidation.Column(
            path='$.raw.email ? (@ != "\'); drop table upload; --%")'
        )
    }

    modules.consolidation.build(name, columns, name)

    assert modules.rows("select count(*) from upload") == [{"count": 1}]
    assert json.dumps(
        modules.rows(
            "select table_name from information_schema.tables where table_schema = 'consolidated'"
        )
    ) == json.dumps([{"table_name": name}])
