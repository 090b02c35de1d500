"""Keeps the books of what agents cost: reads what Ordinaut recorded, sums it up, and looks for days that stand out."""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from calls import call_of
from ledger import open_ledger, plain
from mcp.server.mcpserver import MCPServer
from ordinaut_json import NotTold, told
from robust import anomalies

server = MCPServer("books")

URL: Final = os.environ["BOOKS_URL"]
HISTORY: Final = Path(__file__).parent.parent / "data" / "history.csv"
# Calls are over in another order than they are committed in: the last minutes are read once more.
AGAIN: Final = timedelta(minutes=5)
ALL: Final = "90d"
PAGE: Final = "5000"
SERIES: Final = ("task", "client", "model")


@server.tool()
def read_calls(source: str, state_dir: str = "") -> dict[str, Any]:
    """Enter what was called since the last time, of one Ordinaut.

    Args:
        source: what it is called in the books.
        state_dir: its state folder; the one of this server's environment if it is left out.
    """
    if state_dir and not (Path(state_dir) / "postgres").exists():
        return {"source": source, "calls": 0, "note": f"there is no Ordinaut in {state_dir}"}
    where = ("--state-dir", state_dir) if state_dir else ()
    with open_ledger(URL) as ledger:
        last = ledger.last_read(source)
        since = ALL if last is None else (last - AGAIN).isoformat()
        entered = 0
        after: tuple[str, ...] | None = ()
        while after is not None:
            try:
                page = told(
                    ("calls", "--since", since, "-n", PAGE, "--with-input", *where, *after)
                )
            except NotTold as why:
                if not state_dir:
                    raise  # of another Ordinaut it is a note: this one is what the books are for
                return {"source": source, "calls": entered, "note": str(why)}
            ledger.put(call_of(source, one) for one in page["calls"])
            entered += len(page["calls"])
            after = ("--after", page["next"]) if page["next"] else None
    return {"source": source, "calls": entered}


@server.tool()
def sum_up() -> dict[str, Any]:
    """Sum up by day, source, task, agent, tool, model and client."""
    with open_ledger(URL) as ledger:
        ledger.sum_up()
        [total] = ledger.rows(
            "select count(*) as sums, coalesce(sum(calls), 0) as calls from spend where not is_seeded"
        )
    return {"sums": int(total["sums"]), "calls": int(total["calls"])}


@server.tool()
def load_history() -> dict[str, Any]:
    """Enter the seeded weeks of data/history.csv, marked as such: they end with the last Saturday."""
    today = datetime.now(UTC).date()
    sunday = today - timedelta(days=(today.weekday() + 1) % 7)
    with open_ledger(URL) as ledger, HISTORY.open(newline="") as file:
        ledger.write("delete from spend where is_seeded")
        rows = list(csv.DictReader(file))
        for row in rows:
            row["day"] = str(sunday - timedelta(days=int(row.pop("days_ago"))))
            ledger.write(
                """
                insert into spend values (%(day)s, %(source)s, %(task)s, %(agent)s, %(tool)s, %(model)s, %(client)s,
                    %(currency)s, %(calls)s, %(input_tokens)s, %(output_tokens)s, %(cost)s, true)
                """,
                **row,
            )
    return {"rows": len(rows)}


@server.tool()
def find_anomalies() -> dict[str, Any]:
    """Find whole days on which a task, a client or a model cost far more than it uses to; `robust.py` says by which rule."""
    today = datetime.now(UTC).date()
    found = []
    with open_ledger(URL) as ledger:
        ledger.write("delete from anomaly")
        for by in SERIES:
            costs: dict[tuple[Any, ...], dict[date, float]] = defaultdict(dict)
            for row in ledger.rows(
                "select * from spend where cost > 0 and day < %(today)s", today=today
            ):
                key = row["source"], by, row[by], row["currency"], row["is_seeded"]
                series = costs[key]
                series[row["day"]] = series.get(row["day"], 0.0) + float(row["cost"])
            for (source, kind, name, currency, is_seeded), series in costs.items():
                for one in anomalies(series):
                    place = {"day": one.day, "source": source, "by": kind, "name": name, "currency": currency}  # fmt: skip
                    told_of = {"cost": Decimal(f"{one.cost:.6f}"), "usual": Decimal(f"{one.usual:.6f}"), "score": one.score, "is_seeded": is_seeded}  # fmt: skip
                    ledger.write(
                        """
                        insert into anomaly values (%(day)s, %(source)s, %(by)s, %(name)s, %(currency)s, %(cost)s, %(usual)s,
                            %(score)s, %(is_seeded)s)
                        """,
                        **place,
                        **told_of,
                    )
                    found.append({**place, **told_of, "score": round(min(one.score, 1e6), 1)})
    return {"anomalies": plain(sorted(found, key=lambda one: (one["day"], one["by"])))}


@server.tool()
def report(days: int = 14) -> dict[str, Any]:
    """What was spent in the last days, what stands out, what could be saved and what was, and how promises stand."""
    with open_ledger(URL) as ledger:
        spent = ledger.rows(
            """
            select source, task, client, model, currency, sum(calls)::bigint as calls, sum(cost) as cost
            from spend where day > (now() at time zone 'UTC')::date - %(days)s and not is_seeded
            group by 1, 2, 3, 4, 5 order by cost desc, 1, 2, 4
            """,
            days=days,
        )
        outliers = ledger.rows("select * from anomaly order by day, by, name")
        advice = ledger.rows(
            "select id, kind, task, step, state, said, branch, cost_per_day, estimated_per_day, realised_per_day, currency"
            " from recommendation order by estimated_per_day desc, id"
        )
    try:
        promises = told(("slo",))["tasks"]
    except NotTold as why:
        promises = [{"note": str(why)}]
    return {
        "spent": plain(spent),
        "anomalies": plain(outliers),
        "recommendations": plain(advice),
        "promises": promises,
    }


if __name__ == "__main__":
    server.run()
