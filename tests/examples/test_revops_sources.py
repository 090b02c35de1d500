"""Sources as they are: clocks that are wrong, names of any script, fields that come and go, and models of any size."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from xmlrpc.client import Fault

import psycopg
import pytest

from tests.examples.revops_story import needs_servers
from tests.examples.test_revops_servers import (
    LEADS,
    PYTHON,
    SERVERS,
    books,
    lead,
    matching,
    module,
    pair,
    warehouse,
    warehouse_url,
)

__all__ = ["books", "warehouse_url"]


async def test_a_date_that_is_yet_to_come_does_not_hide_what_is_written_until_then(
    warehouse_url: str,
) -> None:
    async with warehouse(warehouse_url) as call:
        opened = await call("begin_load", source="odoo.lead", run="one")
        records = [lead(1, write_date="2999-01-01T00:00:00+00:00")]
        await call("expect", load=opened["load"], total=1, newest="2999-01-01T00:00:00+00:00")
        await call("land", load=opened["load"], number=1, records=records, **LEADS)
        checked = await call("check_load", load=opened["load"], source="odoo.lead")
        since = (await call("begin_load", source="odoo.lead", run="two"))["since"]
        await call("expect", load=opened["load"] + 1, total=0, newest=None)
        await call("check_load", load=opened["load"] + 1, source="odoo.lead")
        later = (await call("begin_load", source="odoo.lead", run="three"))["since"]

    assert checked["passed"]
    assert "2026" <= since < "2100"
    # A night in which nothing came moves nothing.
    assert later == since


async def test_what_does_not_say_when_it_was_written_stops_the_load(warehouse_url: str) -> None:
    async with warehouse(warehouse_url) as call:
        load = (await call("begin_load", source="odoo.lead", run="one"))["load"]
        with pytest.raises(AssertionError, match="lead 1: no write_date says when"):
            await call("land", load=load, number=1, records=[lead(1, write_date=False)], **LEADS)


async def test_drift_that_comes_again_is_told_again_and_what_is_read_has_to_be_there(
    warehouse_url: str,
) -> None:
    plain = [{"name": "name", "type": "char"}, {"name": "note", "type": "empty"}]
    more = [{"name": "name", "type": "char"}, {"name": "note", "type": "text"}, {"name": "region", "type": "char"}]  # fmt: skip
    digests = []
    async with warehouse(warehouse_url) as call:
        first = await call("compare_schema", source="x", fields=plain, read=["name", "stage"])
        for _ in range(2):
            found = await call("compare_schema", source="x", fields=more, read=["name"])
            digests.append(found["digest"])
            assert [one["field"] for one in found["differences"]] == ["region"]
            await call("accept_schema", source="x", fields=more)
            await call("accept_schema", source="x", fields=plain)

    assert first["breaking"] == ["stage"]
    assert len(set(digests)) == 2


def test_records_that_are_not_committed_yet_are_waited_for(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", warehouse_url)
    monkeypatch.syspath_prepend(str(SERVERS))
    server = module("warehouse")
    with psycopg.connect(warehouse_url) as slow:
        slow.execute(
            "insert into raw.record (source, id, body, written_at, load) values ('odoo.lead', '1', '{}', now(), 1)"
        )
        with psycopg.connect(warehouse_url, autocommit=True) as quick:
            quick.execute(
                "insert into raw.record (source, id, body, written_at, load) values ('odoo.lead', '2', '{}', now(), 1)"
            )
        pages: list[Any] = []
        thread = threading.Thread(
            target=lambda: pages.extend(server.core_pages("run")["pages"]), daemon=True
        )
        thread.start()
        with psycopg.connect(warehouse_url, autocommit=True) as watch:
            while not watch.execute("select from pg_locks where not granted").fetchall():
                assert thread.is_alive(), "it did not wait"
        slow.commit()
        thread.join(timeout=20)
    server.lake.pool.close()

    assert [page["records"] for page in pages] == [2]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Ромашка «Лес» 24", "Ромашка Лес 24"),
        ("株式会社サンプル", "株式会社サンプル"),
        ("Ромашка S.R.L.", "Ромашка"),
    ],
)
def test_a_name_of_another_script_keeps_its_letters(books: Any, name: str, key: str) -> None:
    with books.transaction() as connection:
        found = connection.execute("select core.name_key(%s) as key", (name,)).fetchone()["key"]

    assert found.casefold() == key.casefold()


def test_a_lead_whose_company_was_taken_out_has_none(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", warehouse_url)
    monkeypatch.syspath_prepend(str(SERVERS))
    server = module("warehouse")
    load = server.begin_load("odoo.lead", "run")["load"]
    found = []
    for number, name in enumerate(["Arden Foods", False], 1):
        body = {"name": "A lead", "partner_name": name, "partner_id": False, "active": True, "country_code": "RO", "expected_revenue": 1}  # fmt: skip
        with server.lake.transaction() as connection:
            connection.execute(
                "insert into raw.record (source, id, body, written_at, load, seq) values ('odoo.lead', '1', %s, now(), 1, %s)"
                " on conflict (source, id) do update set body = excluded.body, seq = excluded.seq",
                (json.dumps(body), number),
            )
        server.refine(load, number, number - 1, number, 1)
        companies = server.resolve()["companies"]
        with server.lake.transaction() as connection:
            row = connection.execute("select company_key from core.lead").fetchone()
        found.append((row["company_key"], companies))
    server.lake.pool.close()

    assert found == [("arden foods|RO", 1), (None, 0)]


@pytest.mark.parametrize("amount", [-10.0, 0.0, float("nan"), float("inf")])
def test_money_that_is_none_says_nothing(amount: float) -> None:
    rules = matching.Rules({"base": -5000, "money": 1}, threshold=0.6, margin=0.05)

    (decided,) = matching.decide([pair("A", 1, meaning=0.5, amount=amount, monthly=5)], rules)

    assert (decided.reasons["money"], decided.decision) == (0.5, "unsure")


def test_an_export_is_read_by_instants_however_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = ["2026-11-20T09:30:00+02:00", "2026-11-20T07:45:00Z", "2026-11-20 08:00:00", ""]
    file = tmp_path / "export.csv"
    with file.open("w", newline="") as lines:
        table = csv.writer(lines)
        table.writerow(["Opportunity ID", "Last Modified Date", "Nothing"])
        table.writerows([f"O{number}", at, ""] for number, at in enumerate(written))
    monkeypatch.setenv("PARTNER_EXPORT", str(file))
    export = module("partner_export")

    found = export.read("2026-11-20 07:45:00", 0)["records"]

    # 07:30 UTC is too long ago, and what says nothing is not left out silently.
    assert [one["Opportunity ID"] for one in found] == ["O1", "O2", "O3"]
    assert export.pages("1970-01-01 00:00:00")["newest"] == "2026-11-20 08:00:00"
    kinds = {one["name"]: one["type"] for one in export.describe()["fields"]}
    assert kinds == {"Opportunity ID": "text", "Last Modified Date": "datetime", "Nothing": "empty"}  # fmt: skip


def test_the_stand_in_hides_what_is_archived_and_outlives_a_write_to_what_is_gone(
    tmp_path: Path,
) -> None:
    stand_in = module("odoo_stand_in")
    crm = stand_in.Crm(tmp_path / "crm.sqlite", stand_in.DATA)
    crm.write("crm.lead", [1], {"active": False})
    crm.unlink("crm.lead", [2])

    with pytest.raises(Fault, match="does not exist or has been deleted"):
        crm.write("crm.lead", [3, 2], {"name": "Nobody's"})

    assert crm.search("crm.lead", [["id", "<=", 3]]) == [3]
    assert crm.search("crm.lead", [["id", "<=", 3], ["active", "in", [True, False]]]) == [1, 3]
    assert crm.write("crm.lead", [3], {"name": "Somebody's"})
    again = stand_in.Crm(tmp_path / "crm.sqlite", stand_in.DATA)
    assert again.read("crm.lead", [3], ["name"])[0]["name"] == "Somebody's"


class Endpoint(BaseHTTPRequestHandler):
    """An OpenAI-compatible endpoint."""

    vector: ClassVar[list[float]]

    def do_POST(self) -> None:
        texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"]
        rows = [{"index": index, "embedding": self.vector} for index, _ in enumerate(texts)]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"data": rows}).encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def answering(vector: list[float]) -> Iterator[dict[str, str]]:
    """Such an endpoint, running: the environment in which it is used."""
    Endpoint.vector = vector
    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/v1"
        yield {"EMBEDDING_URL": address, "EMBEDDING_MODEL": "any", "EMBEDDING_KEY": "key"}
        server.shutdown()


ALIKE = """
insert into core.lead (id, title, description, is_active, apn)
values ('7', 'Hosting', '', true, null), ('8', 'Hosting', '', true, 'O9');
insert into core.opportunity (id, title, description) values ('O1', 'Hosting', ''), ('O9', 'Hosting', '')
"""


@pytest.mark.slow
@needs_servers
@pytest.mark.parametrize("width", [3, 2_500, 4_500])
async def test_vectors_of_any_length_are_compared_and_what_is_settled_is_left_out(
    warehouse_url: str, books: Any, width: int
) -> None:
    with books.transaction() as connection:
        connection.execute(ALIKE)
    rules = {"weights": {"base": -5, "meaning": 10}, "threshold": 0.6, "margin": 0.05}
    with answering([1.0] * width) as env:
        async with warehouse(warehouse_url, "search.py", str(PYTHON), **env) as call:
            load = await call("pages", run="one")
            (page,) = load["pages"]
            for number in (1, 2):
                # The second finds nothing to do any more.
                await call("embed", load=load["load"], number=number, first=page["first"], last=page["last"])  # fmt: skip
            checked = await call("check", load=load["load"])
            matched = await call("match", **rules)
            proposals = (await call("proposals"))["proposals"]

    assert checked["passed"]
    # Somebody has named O9 in lead 8 by hand: neither is anybody else's.
    assert matched == {"opportunities": 1, "proposed": 1, "unsure": 0, "to_write": 1}
    assert [(one["opportunity"], one["lead"]) for one in proposals] == [("O1", 7)]


@pytest.mark.slow
@needs_servers
async def test_an_answer_that_is_no_number_is_no_vector(warehouse_url: str, books: Any) -> None:
    with books.transaction() as connection:
        connection.execute(ALIKE)
    with answering([float("nan"), 1.0]) as env:
        async with warehouse(warehouse_url, "search.py", str(PYTHON), **env) as call:
            load = await call("pages", run="one")
            (page,) = load["pages"]
            with pytest.raises(AssertionError, match="something that is no number"):
                await call("embed", load=load["load"], number=1, first=page["first"], last=page["last"])  # fmt: skip
