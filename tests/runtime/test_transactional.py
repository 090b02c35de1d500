"""Steps that commit with their record: both or neither, whatever happens, and nothing of ours is within their reach."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from runtime.errors import LeaseLost, StoreError
from runtime.store.pool import open_pool
from tests.support.executing import RETRY, Bench, step
from tests.support.locks import hold_commits, somebody_waits_for_the_lock
from tests.support.proxy import Proxy
from tests.support.scripted_tools import ScriptedTools, ok

INSERT = "insert into account (id, sum) values ($1, $2) returning id, sum"
STATE = "select state, error ->> 'code', error ->> 'message' from ordinaut.run"
ROWS = "select count(*) from public.account"


def sql(statement: str, *parameters: Any, name: str = "book", **fields: Any) -> dict[str, Any]:
    """A step that executes a statement."""
    arguments = {"statement": statement, "parameters": list(parameters)}
    return step(name, "ordinaut.sql", **{"with": arguments}, effect="transactional", **fields)


async def prepared(bench: Bench) -> int:
    """How many statements the last connection still knows."""
    async with bench.pool.connection() as connection:
        cursor = await connection.execute(
            "select count(*) as found from pg_prepared_statements where name like 'ordinaut_%'"
        )
        row = await cursor.fetchone()
    return int(row["found"]) if row else 0


@pytest.fixture
async def accounts(bench: Bench) -> Bench:
    """A table that steps may use."""
    await bench.connection.execute(
        "create table public.account (id integer primary key, sum numeric not null, at timestamptz default now())"
    )
    await bench.connection.execute(
        "grant select, insert, update on public.account to ordinaut_sql"
    )
    return bench


async def test_the_rows_are_the_result_and_values_take_the_types_of_their_places(
    accounts: Bench,
) -> None:
    book = sql(INSERT, "${params.id}", "${params.sum}")
    end = step("end", **{"with": {"sum": "${steps.book.rows[0].sum}"}})
    await accounts.queue(params={"id": "17", "sum": 99.5}, pipeline=[book, end])
    tools = ScriptedTools(tool__do=ok())

    await accounts.go(tools)

    assert tools.calls == [("tool.do", {"sum": 99.5})]
    assert await accounts.row("select id, sum::float8 from public.account") == (17, 99.5)
    output = await accounts.row("select output from ordinaut.step_result where step = 'book'")
    assert output == {"rows": [{"id": 17, "sum": 99.5}]}
    assert await accounts.row("select state from ordinaut.run") == "succeeded"
    assert (await accounts.events()).count("step.succeeded") == 2


async def test_a_change_that_returns_nothing_gives_no_rows(accounts: Bench) -> None:
    await accounts.queue(pipeline=[sql("insert into account (id, sum) values ($1, 1)", 1)])

    await accounts.go(ScriptedTools())

    assert await accounts.row("select output from ordinaut.step_result") == {"rows": []}
    assert await accounts.row(ROWS) == 1


async def test_values_are_never_read_as_part_of_the_statement(accounts: Bench) -> None:
    await accounts.connection.execute("create table public.note (text text, more jsonb)")
    await accounts.connection.execute("grant insert, select on public.note to ordinaut_sql")
    nasty = "'); drop table account; -- \\ $1 %s \u2028"
    statement = "insert into note values ($1, $2) returning text, more"
    more = {"list": [1, None, "'"], "text": nasty}
    await accounts.queue(params={"nasty": nasty}, pipeline=[sql(statement, "${params.nasty}", more)])  # fmt: skip

    await accounts.go(ScriptedTools())

    output = await accounts.row("select output from ordinaut.step_result")
    assert output == {"rows": [{"text": nasty, "more": more}]}
    assert await accounts.row(ROWS) == 0


async def test_null_is_null_and_a_missing_value_fails(accounts: Bench) -> None:
    await accounts.queue(pipeline=[sql("select $1::text as a, $2::boolean as b", None, False)])
    await accounts.go(ScriptedTools())

    assert await accounts.row("select output from ordinaut.step_result") == {"rows": [{"a": None, "b": False}]}  # fmt: skip


LOCKING = "select n / ($1::integer * n) as x from generate_series(1, 1) n where pg_advisory_lock(7)::text is not null"
FAILURES: list[tuple[str, list[Any], str]] = [
    ("insert into account (id, sum) values (1, null)", [], "(23502)"),
    ("select 1 / $1::integer as x", [0], "(22012)"),
    ("insert into nowhere values (1)", [], "(42P01)"),
    ("select $1::integer + $2::integer as x", [1], "(42601)"),
    ("select n from generate_series(1, 1001) n", [], "more than 1000 rows"),
    ("begin", [], "(42601)"),
]


@pytest.mark.parametrize(("statement", "parameters", "said"), FAILURES)
async def test_a_statement_that_fails_is_told_and_nothing_is_kept(
    accounts: Bench, statement: str, parameters: list[Any], said: str
) -> None:
    await accounts.queue(pipeline=[sql(statement, *parameters)])

    await accounts.go(ScriptedTools())

    state, code, message = await accounts.row(STATE)
    assert (state, code) == ("failed", "ORD404")
    assert said in message
    assert await accounts.row("select outcome from ordinaut.step_result") == "tool_error"
    assert await prepared(accounts) == 0


async def test_what_the_step_does_not_take_for_a_success_is_rolled_back(accounts: Bench) -> None:
    await accounts.queue(pipeline=[sql(INSERT, 1, 5, expect="result.rows[0].sum > `10`")])

    await accounts.go(ScriptedTools())

    assert (await accounts.row(STATE))[:2] == ("failed", "ORD412")
    assert await accounts.row(ROWS) == 0


async def test_a_result_that_is_too_large_is_rolled_back(accounts: Bench) -> None:
    statement = "insert into account (id, sum) values (1, 1) returning repeat('x', 2000000) as x"
    await accounts.queue(pipeline=[sql(statement)])

    await accounts.go(ScriptedTools())

    assert (await accounts.row(STATE))[:2] == ("failed", "ORD506")
    assert await accounts.row(ROWS) == 0


async def test_a_statement_that_takes_too_long_is_ended_and_may_be_tried_again(
    accounts: Bench,
) -> None:
    retry = {**RETRY, "retry_on": ["timeout"]}
    slow = "insert into account (id, sum) select 1, 1 from pg_sleep(case when $1 = 'now' then 0 else 60 end)"  # fmt: skip
    await accounts.queue(pipeline=[sql(slow, "${'later'}", timeout="50ms", retry=retry)])

    await accounts.go(ScriptedTools())

    assert await accounts.row("select outcome from ordinaut.step_attempt") == "timeout"
    assert await prepared(accounts) == 0
    assert await accounts.row(ROWS) == 0
    assert await accounts.seconds_until_ready() == 10


async def test_a_run_whose_lease_was_lost_leaves_no_trace_of_its_statement(
    accounts: Bench,
) -> None:
    await accounts.queue(pipeline=[sql(INSERT, 1, 5)])
    stale = await accounts.claim()
    await accounts.clock.advance(16)
    holder = await accounts.claim()

    with pytest.raises(LeaseLost):
        await accounts.execute(stale, ScriptedTools())
    assert await accounts.row(ROWS) == 0
    await accounts.execute(holder, ScriptedTools())

    assert await accounts.row(ROWS) == 1
    assert await accounts.row("select lease_epoch from ordinaut.step_result") == 2


async def test_items_are_committed_one_by_one(accounts: Bench) -> None:
    book = sql(INSERT, "${item}", 1, foreach="${`[1, 2, 3]`}", max_parallel=3)
    await accounts.queue(pipeline=[book])

    await accounts.go(ScriptedTools())

    assert await accounts.row(ROWS) == 3
    assert await accounts.row("select count(*) from ordinaut.step_result where iteration >= 0") == 3  # fmt: skip
    assert await accounts.row("select state from ordinaut.run") == "succeeded"


ESCAPES = [
    "select * from ordinaut.run",
    "delete from ordinaut.due_work",
    "select ordinaut.now()",
    "select ordinaut.run_statement('select 1', '[]', 1)",
    "select * from public.ordinaut_migration",
    "select set_config('role', 'none', false)",
    "select set_config('session_authorization', 'default', false)",
    "select set_config('role', 'postgres', true), query_to_xml('delete from ordinaut.run', true, true, '')",
    "select query_to_xml('delete from ordinaut.run returning 1', true, true, '')",
    "select escape('reset role; delete from ordinaut.run')",
    "select escape('delete from ordinaut.run')",
    "select pg_read_file('/etc/passwd')",
    "select 1; delete from ordinaut.run",
]


@pytest.mark.parametrize("statement", ESCAPES)
async def test_no_statement_reaches_what_is_ours(accounts: Bench, statement: str) -> None:
    await accounts.connection.execute(
        "create function public.escape(text text) returns text language plpgsql as"
        " $$ begin execute text; return current_user; end $$"
    )
    await accounts.queue(pipeline=[sql(statement)])

    await accounts.go(ScriptedTools())

    assert await accounts.row("select outcome from ordinaut.step_result") in {"tool_error", "contract_error"}  # fmt: skip
    assert await accounts.row("select count(*) from ordinaut.run") == 1


async def test_what_a_trigger_put_off_runs_as_nobody_else(accounts: Bench) -> None:
    await accounts.connection.execute(
        "create function public.late() returns trigger language plpgsql as"
        " $$ begin update ordinaut.run set reason = 'mine'; return null; end $$"
    )
    await accounts.connection.execute(
        "create constraint trigger late after insert on public.account deferrable initially deferred"
        " for each row execute function public.late()"
    )
    await accounts.queue(pipeline=[sql(INSERT, 1, 1)])

    await accounts.go(ScriptedTools())

    state, code, message = await accounts.row(STATE)
    assert (state, code) == ("failed", "ORD404")
    assert "permission denied for schema ordinaut" in message


async def test_what_a_statement_sets_is_forgotten(accounts: Bench) -> None:
    settings = "select set_config('search_path', 'pg_temp', false), set_config('statement_timeout', '1', false)"  # fmt: skip
    again = sql("select current_setting('search_path') as path", name="again")
    await accounts.queue(pipeline=[sql(settings), again])

    await accounts.go(ScriptedTools())

    assert await accounts.row("select output -> 'rows' -> 0 ->> 'path' from ordinaut.step_result where step = 'again'") == "public, pg_temp"  # fmt: skip
    async with accounts.pool.connection() as connection:
        shown = await (await connection.execute("show statement_timeout")).fetchone()
    assert shown == {"statement_timeout": "1min"}


@pytest.mark.parametrize("divisor", [1, 0], ids=["succeeds", "fails"])
async def test_what_a_statement_locks_for_its_session_is_let_go(
    accounts: Bench, divisor: int
) -> None:
    await accounts.queue(pipeline=[sql(LOCKING, divisor)])

    await accounts.go(ScriptedTools())

    assert await accounts.row("select pg_try_advisory_lock(7)")


async def test_without_its_role_no_statement_runs(accounts: Bench) -> None:
    await accounts.connection.execute(
        "alter function ordinaut.run_statement(text, jsonb, integer) owner to current_user"
    )
    await accounts.queue(pipeline=[sql("delete from ordinaut.run")])

    await accounts.go(ScriptedTools())

    assert "must belong to the role ordinaut_sql" in (await accounts.row(STATE))[2]


async def test_somebody_who_may_use_the_schema_may_not_run_statements(accounts: Bench) -> None:
    await accounts.connection.execute("create role eff_reader nologin")
    try:
        await accounts.connection.execute("grant usage on schema ordinaut to eff_reader")
        await accounts.connection.execute("set role eff_reader")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await accounts.connection.execute("select ordinaut.run_statement('select 1', '[]', 1)")
    finally:
        await accounts.connection.execute("reset role")
        await accounts.connection.execute("drop owned by eff_reader")
        await accounts.connection.execute("drop role eff_reader")


async def test_a_secret_that_comes_back_is_not_recorded(accounts: Bench) -> None:
    await accounts.queue(pipeline=[sql("select $1::text as token", "${secrets.token}")])

    await accounts.go(ScriptedTools())

    output = await accounts.row("select output::text || input::text from ordinaut.step_result")
    assert "s3cr3t-token" not in output


async def test_an_agent_needs_a_scope_for_statements(accounts: Bench) -> None:
    await accounts.queue(agent="clerk", pipeline=[sql(INSERT, 1, 1)])

    await accounts.go(ScriptedTools())

    assert (await accounts.row(STATE))[:2] == ("failed", "ORD409")
    assert await accounts.row(ROWS) == 0


async def test_arguments_that_make_no_sense_are_told(accounts: Bench) -> None:
    await accounts.queue(pipeline=[sql("select 1; select 2")])

    await accounts.go(ScriptedTools())

    assert (await accounts.row(STATE))[:2] == ("failed", "ORD403")


@pytest.fixture
async def network(database: str) -> AsyncIterator[Proxy]:
    async with Proxy(database) as proxy:
        yield proxy


async def test_a_database_that_stays_away_ends_the_step_in_time(
    accounts: Bench, network: Proxy
) -> None:
    async def cut(_: Any) -> Any:
        network.refuse()
        network.cut()
        return ok()

    await accounts.queue(pipeline=[step("first"), sql(INSERT, 1, 1, timeout="2s")])
    accounts.pool = await open_pool(network.url)
    accounts.pool.timeout = 0.05
    try:
        going = asyncio.create_task(accounts.go(ScriptedTools(tool__do=cut)))
        while not going.done():
            await accounts.clock.advance(0.5 if accounts.clock.sleepers else 0)
        await going
    finally:
        await accounts.pool.close()

    assert (await accounts.row(STATE))[:2] == ("failed", "ORD405")
    assert await accounts.row(ROWS) == 0


async def test_a_record_that_the_database_refuses_takes_the_statement_along(
    accounts: Bench,
) -> None:
    await accounts.connection.execute(
        "alter table ordinaut.step_result add constraint no check (step <> 'book') not valid"
    )
    await accounts.queue(pipeline=[sql(INSERT, 1, 1)])

    with pytest.raises(StoreError):
        await accounts.go(ScriptedTools())

    assert await accounts.row(ROWS) == 0


@pytest.mark.parametrize("is_committed", [True, False])
async def test_a_commit_whose_answer_is_lost_counts_once(
    accounts: Bench, network: Proxy, is_committed: bool
) -> None:
    """A commit waits in the database; then it is done and its answer lost, or it is undone with its session."""
    await accounts.queue(pipeline=[sql(INSERT, 1, 5)])
    await hold_commits(accounts.connection)
    accounts.pool = await open_pool(network.url)
    try:
        going = asyncio.create_task(accounts.go(ScriptedTools()))
        await somebody_waits_for_the_lock(accounts.connection)
        if is_committed:
            network.stall_answers()
            await accounts.connection.execute("select pg_advisory_unlock(42)")
            await network.answer_held()
            network.cut()
            await network.resume()
        else:
            blocked = (
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where wait_event = 'advisory' and datname = current_database()"
            )
            await accounts.connection.execute(blocked)
            await accounts.connection.execute("select pg_advisory_unlock(42)")
        while not going.done():
            await accounts.clock.advance(0.5 if accounts.clock.sleepers else 0)
        await going
    finally:
        await accounts.pool.close()

    assert await accounts.row(ROWS) == 1
    assert await accounts.row("select count(*) from ordinaut.step_result") == 1
    assert await accounts.row("select state from ordinaut.run") == "succeeded"
