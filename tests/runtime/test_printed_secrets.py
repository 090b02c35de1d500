"""Runs get secrets that programs print, and nothing that is written holds one."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runtime.app import Place, Runtime, running
from runtime.config import Config
from tests.support.installed import HEAD, install, queue_run, task
from tests.support.probes import eventually

SAYING = "import sys; print(sys.argv[1])"


async def project(connection: psycopg.AsyncConnection, **secrets: Any) -> None:
    await install(connection, {**HEAD, "kind": "Project", "name": "home", "secrets": secrets})


def transform(name: str, value: Any, **fields: Any) -> dict[str, Any]:
    return {"id": name, "uses": "ordinaut.transform", "with": {"value": value}, **fields}


@pytest.fixture
def start(database: str, tmp_path: Path) -> Callable[[], AbstractAsyncContextManager[Runtime]]:
    config = Config(state_dir=tmp_path / "state", lease=timedelta(seconds=30))
    return lambda: running(config, Place(database, None, tmp_path))


async def ended(connection: psycopg.AsyncConnection, run_id: Any) -> tuple[Any, ...]:
    async def row() -> tuple[Any, ...] | None:
        cursor = await connection.execute(
            "select state, error from ordinaut.run where run_id = %s and finished_at is not null",
            [run_id],
        )
        return await cursor.fetchone()

    return await eventually(row, "the run ends", seconds=30)


async def outputs(connection: psycopg.AsyncConnection) -> dict[str, Any]:
    cursor = await connection.execute("select step, output from ordinaut.step_result")
    return dict(await cursor.fetchall())


async def test_a_run_reads_what_a_program_prints_and_no_record_holds_it(
    start: Any, connection: psycopg.AsyncConnection
) -> None:
    await project(connection, token={"command": ["python", "-c", SAYING, "t0p-secret"]})
    size = "${length(secrets.token)}"
    steps = [transform("size", size), transform("whole", ["${secrets.token}", "plain"])]
    run_id = await queue_run(connection, await install(connection, task(pipeline=steps)))

    async with start():
        assert await ended(connection, run_id) == ("succeeded", None)

    assert await outputs(connection) == {"size": 10, "whole": ["[redacted]", "plain"]}


async def test_a_condition_a_list_and_a_verdict_may_read_it_too(
    start: Any, connection: psycopg.AsyncConnection
) -> None:
    await project(connection, token={"command": ["python", "-c", SAYING, "t0p-secret"]})
    steps = [
        transform("a", 1, **{"if": "length(secrets.token) == `10`"}),
        transform("b", "${item}", foreach="${[length(secrets.token)]}"),
        transform("c", 1, expect="length(secrets.token) == `10`"),
        transform("d", 1, fail_when="length(secrets.token) != `10`"),
    ]
    for step in steps:
        run_id = await queue_run(
            connection, await install(connection, task(step["id"], pipeline=[step]))
        )
        async with start():
            assert await ended(connection, run_id) == ("succeeded", None), step
    made = await outputs(connection)
    assert (made["a"], made["b"]["items"], made["c"], made["d"]) == (1, 1, 1, 1)


async def test_a_program_that_fails_fails_the_step_that_needs_it_and_says_why(
    start: Any, connection: psycopg.AsyncConnection
) -> None:
    await project(connection, token={"command": ["python", "-c", "raise SystemExit('sealed')"]})
    steps = [
        transform("first", 1),
        transform("second", "${secrets.token}", **{"if": "`false`"}),
        transform("third", "${secrets.token}"),
    ]
    run_id = await queue_run(connection, await install(connection, task(pipeline=steps)))

    async with start():
        state, error = await ended(connection, run_id)

    assert state == "failed"
    assert error["code"] == "ORD410"
    assert "secret token could not be read: `python" in error["message"]
    assert error["message"].endswith("ended with 1: sealed")
    assert (await outputs(connection))["first"] == 1


async def test_what_an_earlier_lease_was_given_is_blotted_out_of_what_a_later_one_hears(
    start: Any, connection: psycopg.AsyncConnection, tmp_path: Path
) -> None:
    """A step that sleeps gives its run back, and another lease goes on with it, which uses no secret by itself."""
    (tmp_path / "token").write_text("t0p-secret")
    await project(connection, token={"file": "token"})
    steps = [
        transform("uses", "${length(secrets.token)}"),
        {"id": "nap", "uses": "ordinaut.sleep", "with": {"for": "1s"}},
        transform("echoes", json.dumps({"said": "the token was t0p-secret"})),
    ]
    run_id = await queue_run(connection, await install(connection, task(pipeline=steps)))

    async with start():
        assert await ended(connection, run_id) == ("succeeded", None)

    assert (await outputs(connection))["echoes"] == json.dumps(
        {"said": "the token was [redacted]"}
    )
