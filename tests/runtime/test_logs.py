"""Logs: one line a record, for people or as JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from runtime.logs import configure_logs, get_logger


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
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
