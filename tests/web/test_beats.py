"""What follows the log in a thread goes on after the database was away, says so once, and takes its leave."""

from __future__ import annotations

import logging
import threading

import psycopg
import pytest

from runtime.errors import DatabaseUnavailable
from runtime.web import beats
from runtime.web.beats import Beats


class Beat:
    """Finds the database away twice, by either word for it, and then three times there."""

    def __init__(self) -> None:
        self.beats = 0
        self.farewells = 0
        self.is_done = threading.Event()

    def __call__(self) -> float:
        self.beats += 1
        if self.beats == 1:
            raise psycopg.OperationalError("the server\nis gone")
        if self.beats == 2:
            raise DatabaseUnavailable("it is still gone")
        if self.beats == 5:
            self.is_done.set()
        return 0.0

    def leave(self) -> None:
        self.farewells += 1
        raise DatabaseUnavailable("it is gone again")


def test_a_database_that_is_away_is_told_of_once_and_outlasted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(beats, "_AWAY_SECONDS", 0.0)
    beat = Beat()
    with (
        caplog.at_level(logging.WARNING),
        Beats("test", beat, without="nothing is counted", farewell=beat.leave),
    ):
        assert beat.is_done.wait(10)

    told = [record.getMessage() for record in caplog.records]
    assert told == ["nothing is counted until the database is back: the server is gone"]
    assert beat.farewells == 1
