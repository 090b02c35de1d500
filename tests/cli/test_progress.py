"""How far a command is: told where somebody watches and only after a moment, and gone when it is done."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from reconciler.cli.progress import Progress


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class _Clock:
    """A clock that goes on by so much whenever it is looked at."""

    def __init__(self, step: float) -> None:
        self._step = step
        self._seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 5, tzinfo=UTC)

    def monotonic(self) -> float:
        self._seconds += self._step
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


def _lines(stream: io.StringIO) -> list[str]:
    return [line.removesuffix("\x1b[K") for line in stream.getvalue().split("\r")[1:]]


def test_what_takes_longer_than_a_second_is_told_and_then_taken_away() -> None:
    stream = _Terminal()

    found = list(Progress(_Clock(0.6), stream).through("Reading specs", list(range(10_000))))

    assert found == list(range(10_000))
    first, *_, last, gone = _lines(stream)
    assert first == "Reading specs [------------------------] 32 of 10,000"
    assert last == "Reading specs [#######################-] 9,984 of 10,000"
    assert gone == ""


def test_what_is_quick_is_not_told() -> None:
    stream = _Terminal()

    assert len(list(Progress(_Clock(0.001), stream).through("Reading specs", "x" * 999))) == 999
    assert stream.getvalue() == ""


def test_it_is_told_ten_times_a_second_and_no_more() -> None:
    stream = _Terminal()

    list(Progress(_Clock(0.01), stream).through("Reading specs", "x" * (32 * 200)))

    assert len(_lines(stream)) == pytest.approx(11, abs=1)


def test_where_nobody_watches_nothing_is_told() -> None:
    stream = io.StringIO()
    progress = Progress(_Clock(5), stream)

    assert list(progress.through("Reading specs", [1, 2])) == [1, 2]
    with progress.during("Applying"):
        pass

    assert stream.getvalue() == ""


def test_the_line_goes_when_going_through_fails() -> None:
    stream = _Terminal()
    progress = Progress(_Clock(5), stream)

    def fail(items: Iterator[int]) -> None:
        for _ in items:
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fail(progress.through("Reading specs", [1, 2]))
    with pytest.raises(OSError, match=r"^$"), progress.during("Applying 2 changes"):
        raise OSError

    assert _lines(stream) == [
        "Reading specs [------------------------] 0 of 2",
        "",
        "Applying 2 changes ...",
        "",
    ]
