"""What people are told about specs that are wrong: file by file, every word."""

from __future__ import annotations

import re

import pytest

from schemas.codes import CODES
from tests.reconciler.bad import FOLDER, names, said_about


@pytest.mark.parametrize("name", names())
def test_every_problem_of_a_bad_file_is_told_once_with_its_place(name: str) -> None:
    assert said_about(name) == (FOLDER / f"{name}.expected").read_text(encoding="utf-8")


def test_every_code_that_is_told_is_listed() -> None:
    told = set(re.findall(r"ORD\d{3}", "".join(said_about(name) for name in names())))

    assert told <= set(CODES)
    assert len(told) > 15


def test_no_word_of_the_validation_library_reaches_a_person() -> None:
    said = "".join(said_about(name) for name in names())

    assert not re.search(
        r"Input should|valid dictionary|Extra inputs|pydantic|Value error|str_", said
    )
