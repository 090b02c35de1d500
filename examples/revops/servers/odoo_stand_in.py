"""A stand-in for an Odoo: speaks its XML-RPC protocol over a sample database, because a real one needs an account.

It answers `/xmlrpc/2/common` (version, authenticate), `/xmlrpc/db` (list) and `/xmlrpc/2/object` (execute_kw) for the models
`res.partner`, `crm.lead` and `ir.model.fields`: search, search_read, read, search_count, fields_get, write, create and unlink,
with Odoo's domains, and `order`, `limit`, `offset` and `fields`. Whatever is written stays in a SQLite file, with who wrote it
when, as Odoo keeps it in the log of a record.

    python servers/odoo_stand_in.py --port 18410 --database .ordinaut/crm.sqlite
"""

from __future__ import annotations

import argparse
import csv
import functools
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from socketserver import ThreadingMixIn
from threading import RLock
from typing import Any, Final
from xmlrpc.client import Fault
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

DATA: Final = Path(__file__).parent.parent / "data"
DATABASE, USER, UID = "crm", "revops", 2
PASSWORD: Final = (DATA / "odoo-password").read_text(encoding="utf-8").strip()
COUNTRIES: Final = {
    "DE": 57,
    "GB": 231,
    "FR": 75,
    "RO": 189,
    "MD": 138,
    "IT": 109,
    "ES": 68,
    "NL": 165,
    "PL": 177,
    "US": 233,
}
FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "res.partner": {
        "name": "char", "is_company": "boolean", "parent_id": "many2one", "email": "char", "website": "char",
        "country_id": "many2one", "country_code": "char", "active": "boolean",
    },
    "crm.lead": {
        "name": "char", "type": "selection", "partner_id": "many2one", "partner_name": "char", "email_from": "char",
        "country_id": "many2one", "country_code": "char", "stage_id": "many2one", "expected_revenue": "monetary",
        "date_deadline": "date", "description": "html", "active": "boolean",
        "x_apn_opportunity": "char", "x_apn_score": "float",
    },
    "ir.model.fields": {"model": "char", "ttype": "char", "field_description": "char"},
}  # fmt: skip
MAGIC: Final = {
    "id": "integer",
    "display_name": "char",
    "create_date": "datetime",
    "write_date": "datetime",
}
RELATIONS: Final = {
    "parent_id": "res.partner",
    "partner_id": "res.partner",
    "country_id": "res.country",
    "stage_id": "crm.stage",
}
STAGES: Final = ("New", "Qualified", "Proposition", "Won")
COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": lambda has, wanted: has == wanted or (not has and wanted is False),
    "!=": lambda has, wanted: has != wanted,
    ">": lambda has, wanted: has is not False and has > wanted,
    ">=": lambda has, wanted: has is not False and has >= wanted,
    "<": lambda has, wanted: has is not False and has < wanted,
    "<=": lambda has, wanted: has is not False and has <= wanted,
    "in": lambda has, wanted: has in wanted,
    "not in": lambda has, wanted: has not in wanted,
    "ilike": lambda has, wanted: str(wanted).lower() in str(has or "").lower(),
    "=ilike": lambda has, wanted: str(wanted).lower() == str(has or "").lower(),
}
Record = dict[str, Any]


class Crm:
    """The records of all models, in memory and in one SQLite file."""

    def __init__(self, file: Path, data: Path, *, write_takes: float = 0.0) -> None:
        """Open the database, or make it of the sample data.

        Args:
            file: the SQLite file.
            data: the folder of the sample data.
            write_takes: seconds that a write takes before anything of it is done.
        """
        self._lock = RLock()
        self._write_takes = write_takes
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._file.execute("pragma journal_mode = wal")
        self._file.execute(
            "create table if not exists record (model text, id integer, body text, primary key (model, id))"
        )
        self._file.execute(
            "create table if not exists log (at text, model text, id integer, values_written text)"
        )
        self._records: dict[str, dict[int, Record]] = {model: {} for model in FIELDS}
        for model, identity, body in self._file.execute("select model, id, body from record"):
            self._records[model][identity] = json.loads(body)
        if not self._records["crm.lead"]:
            self._fill(data)

    def _fill(self, data: Path) -> None:
        """Take the sample data in one transaction, so that a start that was cut off leaves nothing."""
        self._file.execute("begin")
        for model, name in (("res.partner", "partners.csv"), ("crm.lead", "leads.csv")):
            with (data / name).open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    self._keep(model, sample(model, row))
        for model, fields in FIELDS.items():
            for name, kind in fields.items():
                if model != "ir.model.fields":
                    self._keep("ir.model.fields", {"name": name, "model": model, "ttype": kind})
        self._file.execute("commit")

    def _keep(self, model: str, values: Mapping[str, Any]) -> int:
        records = self._records[model]
        identity = int(values.get("id") or max(records, default=0) + 1)
        record = {
            "active": True,
            "create_date": values.get("write_date") or now(),
            "write_date": now(),
            **values,
            "id": identity,
        }
        records[identity] = record
        self._file.execute(
            "insert or replace into record values (?, ?, ?)", (model, identity, json.dumps(record))
        )
        return identity

    def fields_get(
        self, model: str, allfields: Sequence[str] = (), attributes: Sequence[str] = ()
    ) -> dict[str, Any]:
        """What a model's fields are."""
        kinds = {**MAGIC, **self._kinds(model)}
        return {
            name: {
                key: value
                for key, value in described(name, kind).items()
                if not attributes or key in attributes
            }
            for name, kind in kinds.items()
            if not allfields or name in allfields
        }

    def _kinds(self, model: str) -> dict[str, str]:
        if model in ("ir.model.fields",):
            return {"name": "char", **FIELDS[model]}
        return {
            field["name"]: field["ttype"]
            for field in self._records["ir.model.fields"].values()
            if field["model"] == model
        }

    def search(
        self, model: str, domain: Sequence[Any], offset: int = 0, limit: int = 0, order: str = ""
    ) -> list[int]:
        """The ids of the records for which a domain holds; archived ones only if it asks for them, as in Odoo."""
        asks = any(not isinstance(term, str) and term[0] == "active" for term in domain)
        # A copy, which Python makes at once: others may add records meanwhile.
        found = [
            record
            for record in list(self._records[model].values())
            if (asks or record["active"]) and holds(domain, record)
        ]
        for part in reversed((order or "id").split(",")):
            name, *direction = part.split()
            found.sort(
                key=lambda record: sortable(record.get(name)), reverse=direction == ["desc"]
            )
        return [record["id"] for record in found[offset : offset + limit if limit else None]]

    def search_count(self, model: str, domain: Sequence[Any]) -> int:
        """How many records there are for which a domain holds."""
        return len(self.search(model, domain))

    def read(self, model: str, ids: Iterable[int], fields: Sequence[str] = ()) -> list[Record]:
        """Records, with what is empty as False, as Odoo has it."""
        kinds = {**MAGIC, **self._kinds(model)}
        if unknown := [name for name in fields or () if name not in kinds]:
            raise Fault(1, f"ValueError: Invalid field {unknown[0]!r} on model {model!r}")
        records = self._records[model]
        return [
            {
                "id": identity,
                **{name: self._shown(name, records[identity]) for name in fields or kinds},
            }
            for identity in ids
            if identity in records
        ]

    def _shown(self, name: str, record: Record) -> Any:
        value = record.get(name, False)
        if name == "display_name":
            return record["name"]
        if name in ("parent_id", "partner_id") and value:
            return [value, self._records["res.partner"].get(value, {}).get("name", "")]
        return False if value in ("", None) else value

    def search_read(  # noqa: PLR0917 - Odoo's own order
        self,
        model: str,
        domain: Sequence[Any] = (),
        fields: Sequence[str] = (),
        offset: int = 0,
        limit: int = 0,
        order: str = "",
    ) -> list[Record]:
        """Both at once."""
        return self.read(model, self.search(model, domain, offset, limit, order), fields)

    def write(self, model: str, ids: Iterable[int], values: Record) -> bool:
        """Change records, and note in the log that they were."""
        time.sleep(self._write_takes)
        with self._lock:
            if gone := [identity for identity in ids if identity not in self._records[model]]:
                raise Fault(2, f"Record does not exist or has been deleted: {model}({gone[0]},)")
            self._file.execute("begin")
            for identity in ids:
                self._keep(
                    model, {**self._records[model][identity], **values, "write_date": now()}
                )
                self._file.execute(
                    "insert into log values (?, ?, ?, ?)",
                    (now(), model, identity, json.dumps(values)),
                )
            self._file.execute("commit")
        return True

    def create(self, model: str, values: Record | list[Record]) -> int | list[int]:
        """New records."""
        with self._lock:
            if isinstance(values, list):
                return [self._keep(model, one) for one in values]
            return self._keep(model, values)

    def unlink(self, model: str, ids: Iterable[int]) -> bool:
        """Remove records."""
        with self._lock:
            for identity in ids:
                self._records[model].pop(identity, None)
                self._file.execute(
                    "delete from record where model = ? and id = ?", (model, identity)
                )
        return True


def holds(domain: Sequence[Any], record: Mapping[str, Any]) -> bool:
    """Whether a domain, in Odoo's prefix notation, holds for a record."""
    results: list[bool] = []
    for term in reversed(domain):
        if term == "!":
            results.append(not results.pop())
        elif term in ("&", "|"):
            left, right = results.pop(), results.pop()
            results.append((left and right) if term == "&" else (left or right))
        else:
            name, operator, wanted = term
            results.append(COMPARE[operator](record.get(name, False), wanted))
    return all(results)


def described(name: str, kind: str) -> dict[str, Any]:
    """A field as Odoo describes it."""
    relation = {"relation": RELATIONS[name]} if name in RELATIONS else {}
    return {
        "type": kind,
        "string": name.replace("_", " ").title(),
        "required": name == "name",
        "readonly": False,
        **relation,
    }


def sample(model: str, row: Mapping[str, str]) -> Record:
    """A row of the sample data, with the types that it has in Odoo."""
    record: Record = {key: value or False for key, value in row.items()}
    record["id"] = int(row["id"])
    code = row["country_code"]
    record["country_id"] = [COUNTRIES[code], code]
    if model == "res.partner":
        return {
            **record,
            "is_company": row["is_company"] == "True",
            "parent_id": int(row["parent_id"] or 0) or False,
        }
    stage = [STAGES.index(row["stage_id"]) + 1, row["stage_id"]]
    revenue = float(row["expected_revenue"])
    return {
        **record,
        "partner_id": int(row["partner_id"] or 0) or False,
        "stage_id": stage,
        "expected_revenue": revenue,
    }


def sortable(value: Any) -> tuple[bool, Any]:
    """What is empty comes first."""
    return (
        value is not None and value is not False,
        value if isinstance(value, int | float | str) else "",
    )


def now() -> str:
    """As Odoo writes instants: in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")


class Server(ThreadingMixIn, SimpleXMLRPCServer):
    """Serves the three addresses, several requests at once."""

    daemon_threads = True


class Doors(SimpleXMLRPCRequestHandler):
    """The addresses of Odoo's external API."""

    rpc_paths = ("/xmlrpc/db", "/xmlrpc/2/common", "/xmlrpc/2/object")

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        """Say that somebody is here."""
        self.send_response(200)
        self.end_headers()


def execute_kw(  # noqa: PLR0917 - as above
    crm: Crm,
    database: str,
    uid: int,
    password: str,
    model: str,
    method: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
) -> Any:
    """Call a method of a model, as `execute_kw` does."""
    if (database, uid, password) != (DATABASE, UID, PASSWORD):
        raise Fault(3, "Access Denied")
    if model not in FIELDS:
        raise Fault(2, f"Object {model} doesn't exist")
    public = (
        "search",
        "search_read",
        "search_count",
        "read",
        "fields_get",
        "write",
        "create",
        "unlink",
    )
    if method not in public:
        raise Fault(1, f"AttributeError: The method {model}.{method} does not exist here")
    wanted = {
        key: value
        for key, value in (kwargs or {}).items()
        if key != "context" and value is not None
    }
    return getattr(crm, method)(model, *args, **wanted)


def main() -> None:
    """Serve until ended."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--database", type=Path, required=True)
    options.add_argument("--data", type=Path, default=DATA)
    options.add_argument("--write-takes", type=float, default=0.0)
    asked = options.parse_args()
    crm = Crm(asked.database, asked.data, write_takes=asked.write_takes)
    with Server(("127.0.0.1", asked.port), Doors, logRequests=False, allow_none=True) as server:
        server.register_function(
            lambda: {"server_version": "18.0", "server_serie": "18.0", "protocol_version": 1},
            "version",
        )
        server.register_function(
            lambda database, user, password, _: (
                UID if (database, user, password) == (DATABASE, USER, PASSWORD) else False
            ),
            "authenticate",
        )
        server.register_function(lambda: [DATABASE], "list")
        server.register_function(functools.partial(execute_kw, crm), "execute_kw")
        server.serve_forever()


if __name__ == "__main__":
    main()
