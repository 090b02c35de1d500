"""Text from strangers stays text: whatever it is, it cannot leave its cell, its block or its line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reconciler.core.look import visible
from reconciler.core.markdown import block, cell, code, folded_block, table

HOSTILE = [
    "a | b",
    r"a \| b",
    r"a \\| b",
    "` | `",
    "``` ```",
    "`",
    "</details>",
    "<img src=x onerror=alert(1)>",
    "<!-- -->",
    "@everyone #1 GH-1",
    "https://evil.example www.evil.example a@evil.example",
    "[x](https://evil.example)",
    "![x](https://evil.example)",
    "a\nb\r\nc\u2028d\x85e",
    "| --- |",
    "&lt;script&gt;",
    "\\",
    "\\`",
    " ",
    "\x1b[2J\x00\x07",
    "\u202egnp.exe",
    "\ud800",
    "$x$ $$y$$ ```math",
    ":tada: ~~gone~~ **loud** _soft_",
]
ANY_TEXT = st.one_of(st.text(max_size=40), st.text(alphabet="`|\\\n <>@[]()#~*-! a", max_size=40))


MARKDOWN = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable("table")


def parsed(text: str) -> list[Any]:
    """What a reader of GitHub's Markdown makes of a text."""
    return MARKDOWN.parse(text)


@pytest.mark.parametrize("text", HOSTILE)
@given(more=ANY_TEXT)
@example(more="")
def test_code_within_a_line_is_one_piece_of_code_and_nothing_else(text: str, more: str) -> None:
    for one in (text, more, text + more):
        if not visible(one):
            assert code(one) == ""
            continue
        (_, inline, _) = parsed(code(one))

        (piece,) = inline.children
        assert (piece.type, piece.content) == ("code_inline", visible(one))


@pytest.mark.parametrize("text", HOSTILE)
@given(more=ANY_TEXT)
@example(more="")
def test_a_cell_is_one_cell_of_code(text: str, more: str) -> None:
    for one in (text, more, text + more):
        rows = "\n".join(table(["a", "b"], [[cell(one), "end"]]))
        inlines = [token for token in parsed(rows) if token.type == "inline"]

        assert [token.content for token in inlines][3:] == ["end"]
        assert {child.type for child in inlines[2].children or []} <= {"code_inline"}


@given(lines=st.lists(st.one_of(ANY_TEXT, st.sampled_from(HOSTILE)), max_size=5))
def test_a_block_holds_its_lines_and_ends_where_it_ends(lines: list[str]) -> None:
    document = "\n".join([*folded_block("Details", lines), "", "after"])

    types = [token.type for token in parsed(document)]

    assert types == [
        "html_block",
        "fence",
        "html_block",
        "paragraph_open",
        "inline",
        "paragraph_close",
    ]


def test_a_block_keeps_the_indents_of_its_lines() -> None:
    assert block(["a", "    b  c  "]) == ["```text", "a", "    b  c", "```"]


def test_long_text_is_cut() -> None:
    assert code("x" * 500, limit=10) == "`xxxxxxxxx…`"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\tb\n c", "a b c"),
        ("\x1b[31mred\x1b[0m", "\\u001b[31mred\\u001b[0m"),
        ("\u202eabc\u200b", "\\u202eabc\\u200b"),
        ("Übung 日本 🙂", "Übung 日本 🙂"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_cannot_be_seen_is_written_as_its_number(text: str, seen: str) -> None:
    assert visible(text) == seen
