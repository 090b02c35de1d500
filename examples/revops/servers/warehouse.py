"""The tool server of the warehouse: lands records in RAW, refines them to CORE, and keeps the books of both in OPS.

Every tool may be repeated: a load is found again by the run that it is for, a batch by its number, and a record that is the
same is left alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from lake import Lake, as_json
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

NEEDED: Final[Mapping[str, list[str]]] = {
    "odoo.partner": ["id", "name", "write_date"],
    "odoo.lead": ["id", "name", "write_date"],
    "partner_network.opportunity": [
        "Opportunity ID",
        "Customer Company Name",
        "Partner Project Title",
        "Last Modified Date",
    ],
}
"""What no record may lack."""
EMPTY: Final = "empty"
BEGINNING: Final = "1970-01-01 00:00:00"
REFINING: Final = (
    "refine_partners",
    "refine_lead_parties",
    "drop_lead_parties",
    "refine_leads",
    "refine_customers",
    "refine_opportunities",
)
RESOLVING: Final = (
    "resolve_parties",
    "resolve_companies",
    "drop_companies",
    "resolve_leads",
    "resolve_opportunities",
)


server = MCPServer("warehouse")
lake = Lake.from_environment()


@server.tool()
def compare_schema(source: str, fields: list[dict[str, str]], read: list[str]) -> dict[str, Any]:
    """Compare what a source looks like with what was accepted: fields that are new, gone, or of another type.

    What the pipelines read and find gone or retyped breaks them, and what is not there breaks them whoever accepted that. The
    first look is accepted as it is. A column in which nothing is has no type, and says nothing of a change.
    """
    after = {field["name"]: field["type"] for field in fields}
    with lake.transaction() as connection:
        accepted = lake.rows(connection, "accepted_schema", source=source)
        if not accepted:
            lake.rows(connection, "accept_schema", source=source, fields=as_json(after))
        before: dict[str, str] = accepted[0]["fields"] if accepted else after
        differences = [
            {
                "field": name,
                "change": kind_of_change(before.get(name), after.get(name)),
                "before": before.get(name),
                "after": after.get(name),
                "breaks": name in read and name in before,
            }
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name)
            and EMPTY not in (before.get(name), after.get(name))
        ]
        # Of what was accepted when, too: a field that goes, comes back and goes again is told again.
        since = accepted[0]["accepted_at"].isoformat() if accepted else ""
        digest = hashlib.sha256(json.dumps([since, differences]).encode()).hexdigest()[:16]
        for difference in differences:
            lake.rows(connection, "note_drift", source=source, digest=digest, **difference)
    breaking = sorted(
        {one["field"] for one in differences if one["breaks"]} | set(read) - after.keys()
    )
    return {"source": source, "differences": differences, "breaking": breaking, "digest": digest}


def kind_of_change(before: str | None, after: str | None) -> str:
    """What became of a field, by the types that it had and has."""
    if before is None:
        return "added"
    return "removed" if after is None else "retyped"


@server.tool()
def accept_schema(source: str, fields: list[dict[str, str]]) -> dict[str, Any]:
    """From now on a source is expected to look like this."""
    accepted = {field["name"]: field["type"] for field in fields}
    with lake.transaction() as connection:
        lake.rows(connection, "accept_schema", source=source, fields=as_json(accepted))
    return {"source": source, "fields": len(accepted)}


@server.tool()
def begin_load(source: str, run: str, overlap_minutes: int = 10) -> dict[str, Any]:
    """Open the load of a source, and say since when records are wanted.

    A little more than what is new: a transaction of the source may have been committed after a later one was read. What was
    read before is the same, and costs nothing but its way here.
    """
    with lake.transaction() as connection:
        opened = lake.begin(connection, "raw", source, run)
        (found,) = connection.execute(
            "select to_char(coalesce(%s::timestamp, %s) - make_interval(mins => %s), 'YYYY-MM-DD HH24:MI:SS') as since",
            (opened["since"], BEGINNING, overlap_minutes),
        )
    since: str = found["since"]
    # Odoo hides what is archived unless it is asked for, and archiving is a change that must not be missed.
    domain = [["write_date", ">=", since], ["active", "in", [True, False]]]
    return {"load": opened["load"], "since": since, "domain": domain}


@server.tool()
def plan_pages(
    *, load: int, since: str, total: int, newest: str | None, last_id: int, size: int = 1000
) -> dict[str, Any]:
    """Cut what is wanted of Odoo into batches.

    They are ranges of ids: those do not move while people work on, as pages by offset would. `newest` is what was newest
    before the first batch was read; it becomes the watermark, so what changes meanwhile is read again next time.
    """
    count = 0 if total == 0 else 1 if total <= size else -(-last_id // size)
    upper = last_id if count == 1 else size
    pages = [
        {
            "number": number + 1,
            "domain": [
                ["write_date", ">=", since],
                ["active", "in", [True, False]],
                ["id", ">", number * upper],
                ["id", "<=", (number + 1) * upper],
            ],
        }
        for number in range(count)
    ]
    expect(load, total, newest)
    return {"pages": pages, "total": total}


@server.tool()
def expect(load: int, total: int, newest: str | None) -> dict[str, Any]:
    """Note how many records a source has to give, and which write date is the newest of them.

    A date that is yet to come is that of a clock that is wrong: as a watermark it would hide what is written until then.
    """
    until = newest and newest.replace("T", " ").removesuffix("Z").removesuffix("+00:00")
    with lake.transaction() as connection:
        lake.rows(connection, "expect", load=load, until=until, expected=total)
    return {"load": load, "until": until}


@server.tool()
def land(
    *,
    load: int,
    number: int,
    source: str,
    id_field: str,
    written_field: str,
    records: list[dict[str, Any]],
) -> dict[str, int]:
    """Put a batch of records into RAW, as they are."""
    given = [
        {"id": str(one[id_field]), "written_at": one[written_field] or None, "body": one}
        for one in records
    ]
    if undated := [one["id"] for one in given if not (one["id"] and one["written_at"])]:
        raise ToolError(
            f"{source} {undated[0] or 'without an id'}: no {written_field} says when it was written"
        )
    return lake.once(load, number, "land", source=source, records=as_json(given))


@server.tool()
def check_load(load: int, source: str) -> dict[str, Any]:
    """Whether everything arrived, and nothing lacks what it needs; only then the watermark moves."""
    with lake.transaction() as connection:
        totals = lake.row(connection, "totals", load=load)
        (noted,) = connection.execute(
            "select coalesce(expected, 0) as expected from ops.load where load = %s", (load,)
        )
        nulls = lake.row(connection, "raw_nulls", load=load, source=source, needed=NEEDED[source])[
            "count"
        ]
        arrived, expected = totals["rows_read"], noted["expected"]
        return lake.conclude(
            connection,
            load,
            [
                ("all records arrived", arrived >= expected, str(arrived), f"at least {expected}"),
                ("no record lacks what it needs", nulls == 0, str(nulls), "0"),
            ],
        )


@server.tool()
def core_pages(run: str, size: int = 1000) -> dict[str, Any]:
    """Open the load of CORE, and cut what changed in RAW since the last one into batches."""
    with lake.transaction() as connection:
        opened = lake.begin(connection, "core", "raw", run)
        lake.rows(connection, "no_more_writers")
        pages = lake.rows(connection, "core_pages", since=int(opened["since"] or 0), size=size)
        if pages:
            lake.rows(
                connection,
                "expect",
                load=opened["load"],
                until=str(pages[-1]["upto"]),
                expected=sum(page["records"] for page in pages),
            )
    return {"load": opened["load"], "pages": pages}


@server.tool()
def refine(load: int, number: int, after: int, upto: int, records: int) -> dict[str, int]:
    """Make typed rows of a batch: parties with their names in one form, leads and opportunities."""
    with lake.transaction() as connection:
        if done := lake.rows(connection, "batch_done", load=load, number=number):
            return done[0]
        for statement in REFINING:
            lake.rows(connection, statement, after=after, upto=upto)
        counts = {"rows_read": records, "rows_new": 0, "rows_changed": records}
        lake.rows(connection, "note_batch", load=load, number=number, **counts)
    return counts


@server.tool()
def resolve() -> dict[str, int]:
    """Find out which parties are the same company, and whose each lead and opportunity is."""
    with lake.transaction() as connection:
        for statement in RESOLVING:
            lake.rows(connection, statement)
        (found,) = connection.execute(
            "select (select count(*) from core.party where is_company) as parties, (select count(*) from core.company) as companies"
        )
    return {"parties": found["parties"], "companies": found["companies"]}


@server.tool()
def check_core(load: int) -> dict[str, Any]:
    """Count rows, look for what is empty, and follow every reference; only then the watermark moves."""
    with lake.transaction() as connection:
        checks = connection.execute(lake.text("core_checks").encode()).fetchall()
        return lake.conclude(connection, load, [tuple(check.values()) for check in checks])


@server.tool()
def loads(limit: int = 10) -> list[dict[str, Any]]:
    """The latest loads of all layers, newest first: their watermarks, counts and states."""
    with lake.transaction() as connection:
        return lake.rows(connection, "recent_loads", limit=limit)


if __name__ == "__main__":
    server.run()
