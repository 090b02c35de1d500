"""Lines out of chunks, in bounded memory."""

from __future__ import annotations

import pytest

from runtime.tools.framing import Framer, Line


@pytest.mark.parametrize("chunk", [1, 2, 5, 100])
def test_lines_are_the_same_however_they_are_cut(chunk: int) -> None:
    text = b"one\n\ntwo\nthree"
    framer = Framer(10)

    lines = [line for i in range(0, len(text), chunk) for line in framer.feed(text[i : i + chunk])]

    assert lines == [Line(b"one", 3), Line(b"", 0), Line(b"two", 3)]


def test_of_a_line_that_is_too_long_both_edges_and_the_length_are_kept() -> None:
    framer = Framer(1000)
    framer.feed(b"begin" + b"x" * 5_000)
    for _ in range(10):
        framer.feed(b"y" * 5_000)

    long, short = framer.feed(b"end\nshort\n")

    assert (long.size, long.oversize) == (55_008, True)
    assert long.text.startswith(b"beginxx")
    assert long.text.endswith(b"yyend")
    assert len(long.text) < 1000
    assert short == Line(b"short", 5)


@pytest.mark.parametrize(
    ("text", "answered"),
    [
        ('{"jsonrpc":"2.0","id":7,"result":{"id":8', 7),
        ('{"jsonrpc": "2.0", "id": 7, "result": oops', 7),
        ('{"id":7,"jsonrpc":"2.0","result":', 7),
        ('{"result":{"content":[{"id":8,"text":"x"}]},"jsonrpc":"2.0","id":7}', 7),
        ('{"result":[oops],"id":7,"jsonrpc":"2.0"}', 7),
        ('{"result":{"id":8, oops', None),
        ('{"jsonrpc":"2.0","method":"x"', None),
        ('{"jsonrpc":"2.0","id":"listen-1","result":', None),
        ("", None),
    ],
)
def test_the_number_that_a_broken_line_answers_is_found_at_its_edges_only(
    text: str, answered: int | None
) -> None:
    assert Line(text.encode(), len(text)).answered_id() == answered
