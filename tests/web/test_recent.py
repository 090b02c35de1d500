"""Answers that are good for many for a moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime.web.recent import SECONDS, Recent
from tests.support.clock import FakeClock


def counting() -> tuple[list[int], Callable[[], int]]:
    asked: list[int] = []

    def work_out() -> int:
        asked.append(len(asked))
        return asked[-1]

    return asked, work_out


async def test_an_answer_is_good_for_a_second_and_for_its_question_alone() -> None:
    clock = FakeClock()
    recent, (asked, work_out) = Recent(clock), counting()

    assert [recent.of("a", work_out), recent.of("a", work_out), recent.of("b", work_out)] == [
        0,
        0,
        1,
    ]
    await clock.advance(SECONDS)

    assert (recent.of("a", work_out), asked) == (2, [0, 1, 2])


def test_what_was_done_here_is_seen_at_once() -> None:
    recent, (_, work_out) = Recent(FakeClock()), counting()
    recent.of("a", work_out)

    recent.forget()

    assert recent.of("a", work_out) == 1


def test_what_began_before_it_was_forgotten_is_for_those_who_asked_before() -> None:
    recent, (_, work_out) = Recent(FakeClock()), counting()

    def overtaken() -> int:
        recent.forget()
        return work_out()

    assert recent.of("a", overtaken) == 0
    assert recent.of("a", work_out) == 1


def test_of_many_who_ask_at_once_one_works_it_out() -> None:
    recent, (asked, work_out) = Recent(FakeClock()), counting()
    gate = threading.Barrier(8)

    def ask() -> int:
        gate.wait()
        return recent.of("a", work_out)

    with ThreadPoolExecutor(8) as pool:
        answers = [future.result() for future in [pool.submit(ask) for _ in range(8)]]

    assert (answers, asked) == ([0] * 8, [0])


def test_a_failure_is_told_and_not_kept() -> None:
    recent, (_, work_out) = Recent(FakeClock()), counting()

    with pytest.raises(ZeroDivisionError):
        recent.of("a", lambda: 1 // 0)

    assert recent.of("a", work_out) == 0


def test_many_questions_take_no_more_memory_than_some() -> None:
    recent = Recent(FakeClock())

    for number in range(1_000):
        recent.of(number, lambda: None)

    assert len(recent._kept) <= 32
