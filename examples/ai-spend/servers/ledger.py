"""The books, in a PostgreSQL database of their own: calls, sums by day, anomalies, and recommendations with what became of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import psycopg
from calls import Argument, Call
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

_TABLES: Final = """
create table if not exists call (
    source text, run_id uuid, step text, item integer, task text not null, client text not null, agent text not null,
    tool text not null, model text not null, occurrence_for timestamptz not null, finished_at timestamptz not null,
    revision bigint not null, outcome text not null, attempts integer not null, is_reused boolean not null,
    arguments jsonb not null, output text not null, input_tokens bigint not null, output_tokens bigint not null,
    cost numeric not null, again_cost numeric not null, currency text not null,
    primary key (source, run_id, step, item));
create index if not exists call_by_day on call (source, occurrence_for);
create table if not exists spend (
    day date, source text, task text, agent text, tool text, model text, client text, currency text,
    calls bigint not null, input_tokens bigint not null, output_tokens bigint not null, cost numeric not null,
    is_seeded boolean not null default false,
    primary key (day, source, task, agent, tool, model, client, currency));
create table if not exists anomaly (
    day date, source text, by text, name text, currency text, cost numeric not null, usual numeric not null,
    score double precision not null, is_seeded boolean not null, primary key (day, source, by, name, currency));
create table if not exists recommendation (
    id text primary key, source text not null, kind text not null, task text not null, step text not null,
    why text not null, edit jsonb not null, revision bigint not null, tests text not null, cost_per_day numeric not null,
    spared_per_day numeric not null, estimated_per_day numeric not null, currency text not null, state text not null default 'found', said text not null default '',
    branch text, realised_per_day numeric, found_at timestamptz not null default now());
"""
_PUT: Final = """
insert into call values (
    %(source)s, %(run_id)s, %(step)s, %(item)s, %(task)s, %(client)s, %(agent)s, %(tool)s, %(model)s, %(occurrence_for)s,
    %(finished_at)s, %(revision)s, %(outcome)s, %(attempts)s, %(is_reused)s, %(arguments)s, %(output)s, %(input_tokens)s,
    %(output_tokens)s, %(cost)s, %(again_cost)s, %(currency)s)
on conflict (source, run_id, step, item) do update set
    finished_at = excluded.finished_at, outcome = excluded.outcome, attempts = excluded.attempts,
    is_reused = excluded.is_reused, output = excluded.output, input_tokens = excluded.input_tokens,
    output_tokens = excluded.output_tokens, cost = excluded.cost, again_cost = excluded.again_cost,
    currency = excluded.currency, model = excluded.model, arguments = excluded.arguments
"""
# All sums are made again: what is left of them is right, whatever was read before, and also where a call went to another day.
_SUM_UP: Final = """
insert into spend (day, source, task, agent, tool, model, client, currency, calls, input_tokens, output_tokens, cost)
select (finished_at at time zone 'UTC')::date, source, task, agent, tool, model, client, currency, count(*),
    sum(input_tokens), sum(output_tokens), sum(cost)
from call
where not is_reused
group by 1, 2, 3, 4, 5, 6, 7, 8
"""


class Ledger:
    """The books, open."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        self._connection = connection

    def rows(self, query: str, **params: Any) -> list[dict[str, Any]]:
        """What a query gives."""
        # Queries are literals of these servers; what varies goes by parameters.
        return self._connection.execute(query, params).fetchall()

    def write(self, query: str, **params: Any) -> None:
        """Change something."""
        self._connection.execute(query, params)

    def last_read(self, source: str) -> datetime | None:
        """When the newest call of a source was over that is in the books."""
        [row] = self.rows("select max(finished_at) as at from call where source = %(s)s", s=source)
        at: datetime | None = row["at"]
        return at

    def put(self, calls: Iterable[Call]) -> None:
        """Enter calls; one that is there already is entered anew."""
        rows = [asdict(call) | {"arguments": Jsonb(dict(call.arguments))} for call in calls]
        with self._connection.cursor() as cursor:
            cursor.executemany(_PUT, rows)

    def sum_up(self) -> None:
        """Make the sums of all days."""
        self.write("delete from spend where not is_seeded")
        self.write(_SUM_UP)

    def calls(self, source: str, days: int) -> list[Call]:
        """The calls of a source that stand for the last whole days, in UTC, in the order in which they were due."""
        rows = self.rows(
            """
            select * from call
            where source = %(source)s and occurrence_for < date_trunc('day', now(), 'UTC')
                and occurrence_for >= date_trunc('day', now(), 'UTC') - make_interval(days => %(days)s)
            order by occurrence_for, run_id, step, item
            """,
            source=source,
            days=days,
        )
        return [Call(**_read(row)) for row in rows]


def _read(row: Mapping[str, Any]) -> dict[str, Any]:
    arguments = {name: Argument(*parts) for name, parts in row["arguments"].items()}
    return {**row, "run_id": str(row["run_id"]), "arguments": arguments}


@contextmanager
def open_ledger(url: str) -> Iterator[Ledger]:
    """The books behind a URL; what is written in one go is there whole, or not at all."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        connection.execute("select pg_advisory_xact_lock(8)")
        connection.execute(_TABLES)
        yield Ledger(connection)


def plain(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows as JSON has them: dates and amounts are text."""
    told: list[dict[str, Any]] = json.loads(json.dumps([dict(row) for row in rows], default=str))
    return told
