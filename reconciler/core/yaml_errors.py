"""The YAML parser's complaints in plain words: what is wrong, what to do, and where (line and column from 0)."""

from __future__ import annotations

from typing import Final, TypeAlias

import yaml

Explanation: TypeAlias = tuple[str, str, int, int]

_HINTS: Final[tuple[tuple[str, str], ...]] = (
    ("mapping values are not allowed", "text that holds `: ` goes in quotes; or check the indentation"),
    ("did not find expected key", "check that this line is indented like its neighbours"),
    ("could not find expected ':'", "a key is followed by `: `"),
    ("did not find expected '-' indicator", "check that this line is indented like the items before it"),
    ("found unknown escape character", "inside \"double quotes\" a backslash is `\\\\`; 'single quotes' keep it"),
)  # fmt: skip


_UNCLOSED: Final[tuple[tuple[str, str, str], ...]] = (
    ("did not find expected ',' or ']'", "the list that begins here is not closed", "end it with `]`; items are divided by commas"),
    ("did not find expected ',' or '}'", "the mapping that begins here is not closed", "end it with `}`; fields are divided by commas"),
    ("found unexpected end of stream", "the quote that begins here is not closed", "end the text with the same quote"),
)  # fmt: skip


def explain_syntax_error(error: yaml.MarkedYAMLError, text: str) -> Explanation:
    """Name, hint and place of a syntax error."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    problem = error.problem or "this is not YAML"
    if "cannot start any token" in problem:
        return *_wrong_start(_character(text, line, column)), line, column
    for words, message, hint in _UNCLOSED:
        if words in problem and error.context_mark:
            return message, hint, error.context_mark.line, error.context_mark.column
    context = f" {error.context}" if error.context else ""
    hint = next((hint for words, hint in _HINTS if words in problem), "")
    return f"not valid YAML{context}: {problem}", hint, line, column


def explain_reader_error(error: yaml.reader.ReaderError, text: str) -> Explanation:
    """Name, hint and place of a character that YAML forbids."""
    index = next((i for i, letter in enumerate(text) if _forbidden(letter)), 0)
    line = text.count("\n", 0, index)
    column = index - (text.rfind("\n", 0, index) + 1)
    letter = f"U+{ord(text[index]):04X}" if text else ""
    return (
        f"not valid YAML: the character {letter} may not stand in a file ({error.reason})",
        'write it as an escape inside "double quotes", or remove it',
        line,
        column,
    )


def _wrong_start(letter: str) -> tuple[str, str]:
    if letter == "\t":
        return "a tab stands where YAML wants spaces", "indent with spaces only"
    return f"a value cannot start with `{letter}`", f"put it in quotes: '{letter}…'"


def _character(text: str, line: int, column: int) -> str:
    lines = text.splitlines()
    return lines[line][column : column + 1] if line < len(lines) else ""


def _forbidden(letter: str) -> bool:
    return (letter < " " and letter not in "\t\n\r") or letter in "\x7f\ufeff\ufffe\uffff"
