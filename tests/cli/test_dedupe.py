"""`ordinaut run --dedupe` can be asked for twice without harm: for a while a key stands for one run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from runtime.actor import Actor
from runtime.manual import request_run
from runtime.store.connect import connect
from runtime.store.runs import Dedupe
from tests.support.cli import Cli
from tests.support.factories import NOON, TaskRow, insert_task


@pytest.fixture
def task(rows: psycopg.Connection) -> TaskRow:
    return insert_task(rows, overlap="allow", params={"order": 0})


def count(rows: psycopg.Connection) -> int:
    found = rows.execute("select count(*) from ordinaut.run").fetchone()
    assert found is not None
    return int(found[0])


def test_the_same_key_gives_the_same_run_and_says_so(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    first = cli("run", "briefing", "--dedupe", "order-7", "--param", "order=7")
    again = cli("run", "briefing", "--dedupe", "order-7", "--param", "order=8")

    assert again.stdout == first.stdout
    assert "queued run" in first.stderr
    assert "asked for before: run" in again.stderr
    assert cli("run", "briefing", "--dedupe", "order-8").stdout != first.stdout
    assert cli("run", "briefing").stdout != first.stdout
    assert count(rows) == 3


def test_a_key_of_another_task_is_another_key(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    insert_task(rows, "other", overlap="allow")

    runs = {cli("run", name, "--dedupe", "k").stdout for name in ("briefing", "other")}

    assert len(runs) == 2


def test_it_gives_the_run_that_there_was_where_the_task_would_refuse_another(
    cli: Cli, rows: psycopg.Connection
) -> None:
    insert_task(rows, overlap="skip")
    first = cli("run", "briefing", "--dedupe", "k")

    assert cli("run", "briefing").status == 1
    assert cli("run", "briefing", "--dedupe", "k").stdout == first.stdout


@pytest.mark.usefixtures("_it_is_noon")
def test_after_the_window_the_key_stands_for_another_run(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    def ask() -> str:
        return cli("run", "briefing", "--dedupe", "k", "--within", "1h").stdout

    first = ask()
    rows.execute("update public.test_clock set instant = %s", [NOON + timedelta(minutes=59)])
    assert ask() == first

    rows.execute("update public.test_clock set instant = %s", [NOON + timedelta(minutes=60)])
    assert ask() != first


@pytest.mark.parametrize("overlap", ["skip", "allow", "queue_all", "cancel_running"])
def test_of_many_that_ask_at_once_all_get_the_same_run(
    rows: psycopg.Connection, database: str, overlap: str
) -> None:
    insert_task(rows, overlap=overlap)
    dedupe = Dedupe("k", timedelta(hours=1))

    def ask(_: int) -> tuple[str, bool]:
        with connect(database) as connection:
            run_id, is_new = request_run(
                connection,
                "briefing",
                {},
                dedupe,
                may_overlap=False,
                needs_runtime=False,
                actor=Actor("ada"),
            )
        return str(run_id), is_new

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(6)))

    assert len({run_id for run_id, _ in answers}) == 1
    assert [is_new for _, is_new in answers].count(True) == 1
    assert rows.execute("select state from ordinaut.run").fetchall() == [("queued",)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--dedupe", ""), "1 to 200 characters"),
        (("--dedupe", "k" * 201), "1 to 200 characters"),
        (("--dedupe", "k", "--within", "soon"), "soon"),
        (("--dedupe", "k", "--within", "0s"), "1ms is the least"),
        (("--within", "2d"), "give one with --dedupe"),
    ],
)
def test_a_key_or_a_window_that_is_none_is_refused(
    cli: Cli, rows: psycopg.Connection, task: TaskRow, options: tuple[str, ...], said: str
) -> None:
    refused = cli("run", "briefing", *options)

    assert refused.status == 1
    assert said in refused.stderr
    assert count(rows) == 0
