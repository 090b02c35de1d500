"""Logs: one line a record, for people or as JSON."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from runtime.core.outcomes import CallOutcome
from runtime.core.tracing import trace_id
from runtime.logs import about, configure_logs, context_about, get_logger, name_process
from tests.support.executing import Bench, step
from tests.support.scripted_tools import ScriptedTools, ok


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # A runtime that another test had in this process named it.
    monkeypatch.setattr("runtime.logs._process", {})
    root = logging.getLogger("ordinaut")
    before = root.handlers[:], root.level, root.propagate
    yield
    root.handlers[:], root.level, root.propagate = before


def test_lines_for_people_say_level_module_message_and_fields(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("info", as_json=False)

    get_logger("worker").warning("work %s", "waits", extra={"run": "7"})

    assert capsys.readouterr().err == "warning worker: work waits run=7\n"


def test_what_strangers_say_in_a_line_for_people_neither_moves_the_cursor_nor_passes_for_another(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("info", as_json=False)

    get_logger("worker").warning("it said %s", "\x1b[2Ja\r\nerror web: b", extra={"who": "c\nd"})

    assert capsys.readouterr().err == (
        "warning worker: it said \\u001b[2Ja\n    error web: b who=c\n    d\n"
    )


def test_lines_for_programs_are_one_json_object_each(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", as_json=True)

    get_logger("worker").info("two\nlines", extra={"run": "7"})

    line = capsys.readouterr().err
    told = json.loads(line)
    assert line.count("\n") == 1
    assert told.pop("at").endswith("+00:00")
    assert told == {"level": "info", "module": "worker", "message": "two\nlines", "run": "7"}


@pytest.mark.parametrize("as_json", [True, False])
def test_an_exception_comes_with_its_traceback(
    capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    configure_logs("info", as_json=as_json)

    try:
        int("odd")
    except ValueError:
        get_logger("worker").exception("it failed")

    assert "ValueError: invalid literal" in capsys.readouterr().err


def test_what_is_below_the_level_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("warning")

    get_logger("worker").info("quiet")

    assert capsys.readouterr().err == ""


def test_where_stderr_is_no_terminal_logs_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")

    get_logger("worker").info("told")

    assert json.loads(capsys.readouterr().err)["message"] == "told"


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [{key: line[key] for key in line.keys() - {"at", "level", "module"}} for line in lines]


async def test_programs_are_told_what_a_line_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", as_json=True)
    log = get_logger("worker")
    run = "019b8d2a-5c00-8b7c-9d1e-0123456789ab"

    async def beside() -> None:
        log.info("beside")

    with about(run_id=run, task="briefing"):
        with about(step="a"):
            log.info("within", extra={"step": "its own"})
        task = asyncio.create_task(beside())
        stranger = asyncio.create_task(beside(), context=context_about(server="mail"))
    await asyncio.gather(task, stranger)
    log.info("outside")

    of_run = {"run_id": run, "task": "briefing", "trace_id": trace_id(run)}
    assert told(capsys) == [
        {"message": "within", "step": "its own", **of_run},
        {"message": "beside", **of_run},
        {"message": "beside", "server": "mail"},
        {"message": "outside"},
    ]


def test_people_are_told_only_what_the_message_says(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", as_json=False)

    with about(run_id="7"):
        get_logger("worker").info("work waits")

    assert capsys.readouterr().err == "info worker: work waits\n"


def test_a_process_has_its_name_in_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", as_json=True)
    name_process(runtime=3)

    get_logger("worker").info("hello")

    assert told(capsys) == [{"message": "hello", "runtime": 3}]


async def test_what_is_logged_during_a_call_says_which_it_is(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("info", as_json=True)

    def call(_: object) -> CallOutcome:
        get_logger("tool").info("called")
        return ok()

    await bench.queue(pipeline=[step("a")])
    await bench.go(ScriptedTools(tool__do=call))

    assert {"message": "called", "step": "a", "item": 0, "attempt": 1} in told(capsys)
