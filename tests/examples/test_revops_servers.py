"""The servers of the revops example by themselves: books, drift, names, pools, matching, and the stand-in for an Odoo."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar
from xmlrpc.client import Fault, ServerProxy

import psycopg
import pytest
from mcp import Client, StdioServerParameters
from psycopg import sql

from tests.examples.revops_story import needs_servers
from tests.support.probes import eventually
from tests.support.processes import ROOT, started
from tests.support.valkey import free_port

PYTHON = ROOT / ".servers" / "examples" / "bin" / "python"
SERVERS = ROOT / "examples" / "revops" / "servers"
LEADS = {"source": "odoo.lead", "id_field": "id", "written_field": "write_date"}
FIELDS = [{"name": "name", "type": "char"}, {"name": "amount", "type": "float"}]


def module(name: str) -> ModuleType:
    """A file of the example, as a module."""
    spec = importlib.util.spec_from_file_location(f"revops_{name}", SERVERS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


lake = module("lake")
matching = module("matching")


@pytest.fixture
def warehouse_url(database: str) -> str:
    """A database with pgvector, as `ordinaut up` makes one."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create extension vector schema public")
        # Of this database alone: others of the cluster are those of other tests.
        name = sql.Identifier(connection.info.dbname)
        connection.execute(
            sql.SQL("alter role current_user in database {} set search_path to public").format(
                name
            )
        )
    return database


@pytest.fixture
def books(warehouse_url: str) -> Iterator[Any]:
    """The warehouse, empty."""
    made = lake.Lake(warehouse_url)
    yield made
    made.pool.close()


@asynccontextmanager
async def warehouse(
    url: str, server: str = "warehouse.py", python: str = sys.executable, **env: str
) -> AsyncIterator[Any]:
    """A tool server, as something to call."""
    parameters = StdioServerParameters(
        command=python, args=[str(SERVERS / server)], env={"WAREHOUSE_URL": url, **env}
    )
    async with Client(parameters) as client:

        async def call(tool: str, **arguments: object) -> Any:
            answer = await client.call_tool(tool, arguments)
            assert not answer.is_error, answer.content
            return answer.structured_content

        yield call


def lead(number: int, **fields: object) -> dict[str, object]:
    """A lead as Odoo gives it."""
    return {
        "id": number,
        "name": f"Lead {number}",
        "write_date": "2026-11-20T08:00:00+00:00",
        **fields,
    }


async def test_a_batch_counts_once_and_a_record_that_is_the_same_is_left_alone(
    warehouse_url: str,
) -> None:
    async with warehouse(warehouse_url) as call:
        load = (await call("begin_load", source="odoo.lead", run="one"))["load"]
        first = await call("land", load=load, number=1, records=[lead(1), lead(2)], **LEADS)
        again = await call("land", load=load, number=1, records=[lead(3)], **LEADS)
        later = (await call("begin_load", source="odoo.lead", run="two"))["load"]
        next_night = await call(
            "land", load=later, number=1, records=[lead(1), lead(2, name="Other")], **LEADS
        )

    assert first == again == {"rows_read": 2, "rows_new": 2, "rows_changed": 0}
    assert next_night == {"rows_read": 2, "rows_new": 0, "rows_changed": 1}


async def test_a_watermark_moves_only_when_everything_arrived_and_nothing_is_empty(
    warehouse_url: str,
) -> None:
    newest = "2026-11-20T08:00:00+00:00"
    async with warehouse(warehouse_url) as call:
        for run, total, records, passes in (
            ("short", 3, [lead(1), lead(2)], False),
            ("empty", 1, [lead(3, name=False)], False),
            ("whole", 3, [lead(1), lead(2), lead(3)], True),
        ):
            opened = await call("begin_load", source="odoo.lead", run=run)
            assert opened["since"] == "1969-12-31 23:50:00"
            await call("expect", load=opened["load"], total=total, newest=newest)
            await call("land", load=opened["load"], number=1, records=records, **LEADS)
            assert (await call("check_load", load=opened["load"], source="odoo.lead"))[
                "passed"
            ] is passes
        since = (await call("begin_load", source="odoo.lead", run="next"))["since"]

    assert since == "2026-11-20 07:50:00"


async def test_fields_that_come_go_or_change_their_type_are_drift_and_some_of_it_breaks(
    warehouse_url: str,
) -> None:
    changed = [{"name": "amount", "type": "char"}, {"name": "region", "type": "char"}]
    async with warehouse(warehouse_url) as call:
        first = await call("compare_schema", source="odoo.lead", fields=FIELDS, read=["name"])
        drifted = await call("compare_schema", source="odoo.lead", fields=changed, read=["name"])
        again = await call("compare_schema", source="odoo.lead", fields=changed, read=["name"])
        await call("accept_schema", source="odoo.lead", fields=changed)
        accepted = await call(
            "compare_schema", source="odoo.lead", fields=changed, read=["amount"]
        )

    assert first["differences"] == accepted["differences"] == []
    assert [(one["field"], one["change"], one["breaks"]) for one in drifted["differences"]] == [
        ("amount", "retyped", False),
        ("name", "removed", True),
        ("region", "added", False),
    ]
    assert (drifted["breaking"], again["digest"]) == (["name"], drifted["digest"])


async def test_batches_are_ranges_of_ids_that_do_not_move(warehouse_url: str) -> None:
    async with warehouse(warehouse_url) as call:
        load = (await call("begin_load", source="odoo.lead", run="one"))["load"]
        shared: dict[str, Any] = {"load": load, "since": "1970-01-01 00:00:00", "newest": None}
        none = await call("plan_pages", total=0, last_id=0, **shared)
        few = await call("plan_pages", total=999, last_id=70_000, **shared)
        many = await call("plan_pages", total=2_500, last_id=3_001, **shared)

    assert none["pages"] == []
    assert [page["domain"][-2:] for page in few["pages"]] == [
        [["id", ">", 0], ["id", "<=", 70_000]]
    ]
    assert [page["domain"][-1][2] for page in many["pages"]] == [1000, 2000, 3000, 4000]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("The Pélagos Foods S.r.l.", "pelagos foods"),
        ("PELAGOS FOODS SRL", "pelagos foods"),
        ("Arden & Sons GmbH & Co. KG", "arden and sons"),
        ("Arden Retail, Sp zoo", "arden retail sp zoo"),
        ("Arden Retail Sp. z o.o.", "arden retail"),
        ("Kestrel Motors Group", "kestrel motors"),
        ("SAS Institute", "sas institute"),
    ],
)
def test_a_name_has_one_form_however_it_is_written(books: Any, name: str, key: str) -> None:
    with books.transaction() as connection:
        assert connection.execute("select core.name_key(%s) as key", (name,)).fetchone() == {
            "key": key
        }


def test_a_domain_says_who_it_is_unless_everybody_has_mail_there(books: Any) -> None:
    addresses = [
        "https://www.Arden.example/shop?x=1",
        "info@arden.example",
        "ana@postbox.example",
        "nonsense",
        "",
    ]
    with books.transaction() as connection:
        found = [
            connection.execute("select core.domain_of(%s) as d", (one,)).fetchone()["d"]
            for one in addresses
        ]

    assert found == ["arden.example", "arden.example", None, None, None]


def test_duplicates_become_one_company_and_siblings_do_not(books: Any) -> None:
    parties = [
        ("1", "Arden Foods", "RO", "arden.example"),
        ("2", "Arden Foods", "RO", None),
        ("3", "Arden Foods Trading", "RO", "arden.example"),
        ("4", "Arden Foods", "DE", "arden-de.example"),
        ("5", "Arden Foods", "FR", None),
    ]
    with books.transaction() as connection:
        for identity, name, country, domain in parties:
            connection.execute(
                "insert into core.party (source, id, name, name_key, country, domain, is_company)"
                " values ('odoo.partner', %s, %s, core.name_key(%s), %s, %s, true)",
                (identity, name, name, country, domain),
            )
        books.rows(connection, "resolve_parties")
        rows = connection.execute("select company_key from core.party order by id").fetchall()

    assert [row["company_key"] for row in rows] == [
        "arden.example",
        "arden.example",
        "arden.example",
        "arden-de.example",
        "arden foods|FR",
    ]


@pytest.mark.parametrize("bound", [9, 21])
def test_a_pool_outside_its_bounds_is_refused(bound: int) -> None:
    with pytest.raises(ValueError, match="between them"):
        lake.Lake("postgresql://nobody.example/nothing", bound=bound)


@pytest.mark.slow
def test_however_many_calls_there_are_connections_are_bounded(warehouse_url: str) -> None:
    made, eleven, together = lake.Lake(warehouse_url, bound=10), threading.Barrier(11), []

    def hold() -> None:
        with made.transaction():
            try:
                eleven.wait(timeout=3)
            except threading.BrokenBarrierError:
                return
            together.append(True)

    threads = [threading.Thread(target=hold) for _ in range(11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    grown = made.pool.get_stats()["pool_size"]
    made.pool.close()

    assert (together, grown) == ([], 10)


def pair(opportunity: str, number: int, **features: float) -> dict[str, Any]:
    """A candidate, whose score is that of its meaning."""
    nothing = {
        "same_company": False,
        "same_country": False,
        "other_domain": False,
        "name": 0,
        "days": None,
    }
    titles = {"opportunity_title": "one", "lead_title": "two", "amount": None, "monthly": None}
    return {"opportunity": opportunity, "lead": str(number), **nothing, **titles, **features}


def test_an_opportunity_goes_to_its_best_lead_and_no_lead_is_given_twice() -> None:
    rules = matching.Rules({"base": -5, "meaning": 10}, threshold=0.6, margin=0.05)
    rows = [
        pair("A", 1, meaning=0.9),
        pair("A", 2, meaning=0.6),
        pair("B", 1, meaning=0.8),
        pair("B", 3, meaning=0.2),
    ]

    decided = matching.decide(rows, rules)

    assert [(one.opportunity, one.lead, one.decision) for one in decided] == [
        ("A", "1", "proposed"),
        ("B", "3", "unsure"),
    ]


def test_two_leads_that_are_as_good_are_left_to_people() -> None:
    rules = matching.Rules({"base": -5, "meaning": 10}, threshold=0.6, margin=0.05)

    (decided,) = matching.decide([pair("A", 1, meaning=0.81), pair("A", 2, meaning=0.80)], rules)

    assert decided.decision == "unsure"


def test_precision_and_recall_count_every_labelled_opportunity() -> None:
    labels = [
        {"opportunity": "A", "lead": "1", "match": "1"},
        {"opportunity": "B", "lead": "2", "match": "1"},
        {"opportunity": "C", "lead": "3", "match": "0"},
    ]
    found = [
        matching.Pair(one, number, 0.9, {}) for one, number in (("A", "1"), ("C", "3"), ("X", "9"))
    ]

    quality = matching.measure(found, labels, 0.5)

    assert (quality.precision, quality.recall) == (0.5, 0.5)


class Endpoint(BaseHTTPRequestHandler):
    """An OpenAI-compatible endpoint whose vectors have three places."""

    asked: ClassVar[list[tuple[str | None, str]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.headers["Authorization"], body["model"]))
        rows = [
            {"index": index, "embedding": [len(text), 1, 2]}
            for index, text in enumerate(body["input"])
        ]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"data": rows[::-1]}).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.slow
@needs_servers
async def test_another_model_takes_over_by_configuration(warehouse_url: str, books: Any) -> None:
    with books.transaction() as connection:
        connection.execute(
            "insert into core.lead (id, title, description, is_active) values ('7', 'ERP hosting', '', true)"
        )
        connection.execute(
            "insert into search.document (key, kind, id, headline, body, model, embedding)"
            " values ('lead:7', 'lead', '7', 'ERP hosting', '', 'the one before', '[1,0]')"
        )
        connection.execute(
            "create index lead_by_meaning on search.document using hnsw ((embedding::vector(2)) vector_cosine_ops) where kind = 'lead'"
        )
    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as endpoint:
        threading.Thread(target=endpoint.serve_forever, daemon=True).start()
        env = {
            "EMBEDDING_URL": f"http://127.0.0.1:{endpoint.server_port}/v1",
            "EMBEDDING_MODEL": "three-places",
            "EMBEDDING_KEY": "key",
        }
        async with warehouse(warehouse_url, "search.py", str(PYTHON), **env) as call:
            load = await call("pages", run="one")
            (page,) = load["pages"]
            await call(
                "embed", load=load["load"], number=1, first=page["first"], last=page["last"]
            )
            checked = await call("check", load=load["load"])
        endpoint.shutdown()

    with books.transaction() as connection:
        rows = connection.execute(
            "select model, vector_dims(embedding) as width from search.document"
        ).fetchall()
    assert checked["passed"]
    assert rows == [{"model": "three-places", "width": 3}]
    assert Endpoint.asked == [("Bearer key", "three-places")]


@pytest.mark.slow
async def test_the_stand_in_takes_domains_as_odoo_does_and_no_wrong_password(
    tmp_path: Path,
) -> None:
    port = free_port()
    arguments = (
        str(SERVERS / "odoo_stand_in.py"),
        "--port",
        str(port),
        "--database",
        str(tmp_path / "crm.sqlite"),
    )
    async with started(*arguments, cwd=tmp_path, program=(sys.executable,)):
        with ServerProxy(f"http://127.0.0.1:{port}/xmlrpc/2/object") as odoo:

            def ask(password: str, method: str, *given: object) -> Any:
                return odoo.execute_kw("crm", 2, password, "crm.lead", method, list(given))

            def refused() -> bool:
                try:
                    ask("wrong", "search", [])
                except OSError:
                    return False
                except Fault as fault:
                    return "Access Denied" in fault.faultString
                return False

            await eventually(refused, "the refusal of a wrong password", seconds=30)
            password = (SERVERS.parent / "data" / "odoo-password").read_text().strip()
            either = ["|", ["id", "=", 3], "&", ["id", ">", 5], ["id", "<=", 7]]
            assert ask(password, "search", either) == [3, 6, 7]
            assert ask(password, "search", ["!", ["id", ">", 2]]) == [1, 2]
            assert ask(password, "search_count", [["name", "ilike", "web SHOP"]]) > 0
            with pytest.raises(Fault, match="Invalid field 'nonsense'"):
                ask(password, "read", [1], ["nonsense"])
