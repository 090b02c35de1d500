"""Reading YAML: what is typed, what is refused, and where everything stands."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.documents import (
    MAX_DEPTH,
    MAX_FILE_BYTES,
    MAX_NODES,
    MAX_SCALAR,
    Reading,
    read_documents,
)
from reconciler.core.locate import place_in_text, place_of


def _read(text: str | bytes) -> Reading:
    return read_documents("specs/a.yaml", text if isinstance(text, bytes) else text.encode())


def _value(text: str) -> Any:
    reading = _read(text)
    assert not reading.problems
    return reading.documents[0].value


def _told(text: str | bytes) -> list[tuple[int, int, str]]:
    return [(p.line, p.column, p.code) for p in _read(text).problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("9223372036854775807", 2**63 - 1),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-0.0", -0.0),
        ('"5"', "5"),
        ("'true'", "true"),
    ],
)
def test_plain_words_and_decimal_numbers_are_typed(written: str, value: Any) -> None:
    found = _value(f"a: {written}")["a"]

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "written",
    ["yes", "on", "No", "tRUE", "012", "0o14", "0x1F", "0b1", "1_000", "8:30", "2026-01-05", "1.2.3", "1e", "+-1", "."],
)  # fmt: skip
def test_everything_else_is_text(written: str) -> None:
    assert _value(f"a: {written}") == {"a": written}


def test_several_documents_of_a_file_are_read_and_empty_ones_are_ignored() -> None:
    reading = _read("# nothing\n---\na: 1\n---\n---\nb: 2\n...\n")

    assert [document.value for document in reading.documents] == [{"a": 1}, {"b": 2}]
    assert [document.node[0].line for document in reading.documents] == [2, 5]


def test_every_key_and_every_value_knows_its_place() -> None:
    document = _read("top:\n  - {name: x, list: [1, two]}\n").documents[0]

    def place(*path: str | int, key: bool = False) -> tuple[int, int]:
        found = place_of(document, path, key=key)
        return found.line, found.column

    assert place() == (1, 1)
    assert place("top") == (2, 3)
    assert place("top", key=True) == (1, 1)
    assert place("top", 0, "name") == (2, 12)
    assert place("top", 0, "name", key=True) == (2, 6)
    assert place("top", 0, "list", 1) == (2, 25)
    assert place("top", 0, "missing") == (2, 5), "the nearest thing around it"
    assert place("top", 5, "name") == (2, 3)


def test_columns_count_characters_not_bytes() -> None:
    assert _told("é: {ü: 1, ü: 2}") == [(1, 11, "ORD003")]


@pytest.mark.parametrize(
    ("text", "fragment", "place"),
    [
        ("a: in ${x}", "x}", (1, 9)),
        ("a: 'in ${x}'", "x}", (1, 10)),
        ('a: "in ${x}"', "x}", (1, 10)),
        ("a: |\n  one\n   two ${x}\n", "x}", (3, 10)),
        ("a: |\n\n  ${x}\n", "x}", (3, 5)),
        ("a: >\n  one\n  ${x}\n", "x}", (1, 4)),
        ('a: "\\u00e9 ${x}"', "x}", (1, 4)),
    ],
)
def test_a_place_inside_a_text_is_found_where_the_text_stands_as_written(
    text: str, fragment: str, place: tuple[int, int]
) -> None:
    document = _read(text).documents[0]
    value = document.value["a"]

    found = place_in_text(document, ("a",), value, value.index(fragment))

    assert (found.line, found.column) == place


def test_a_key_that_stands_twice_is_refused_and_both_places_are_named() -> None:
    reading = _read("a: 1\nb: 2\na: {c: 3}\n")

    [problem] = reading.problems
    assert (problem.place, problem.code) == ("specs/a.yaml:3:1", "ORD003")
    assert "specs/a.yaml:1:1" in problem.message
    assert reading.documents[0].value == {"a": 1, "b": 2}


def test_a_document_with_refused_parts_is_not_sound() -> None:
    reading = _read("a: &x 1\n---\nb: 1\n")

    assert [document.sound for document in reading.documents] == [False, True]


@pytest.mark.parametrize(
    ("data", "place", "words"),
    [
        (b"a: \xff", (1, 4), "0xff is not UTF-8"),
        (b"ok: 1\n\xc3\xa9: \xe9\n", (2, 4), "0xe9 is not UTF-8"),
        ("a: 1".encode("utf-16"), (1, 1), "UTF-16"),
        (b"a: x\x01", (1, 5), "U+0001"),
        (b"a: 1\nb: x\x00", (2, 5), "U+0000"),
        (b"a:\n\tb: 1", (2, 1), "tab"),
    ],
)
def test_bytes_that_are_no_text_are_refused_where_they_stand(
    data: bytes, place: tuple[int, int], words: str
) -> None:
    [problem] = _read(data).problems

    assert (problem.line, problem.column) == place
    assert problem.code == "ORD002"
    assert words in problem.message


def test_a_byte_order_mark_of_utf_8_is_no_part_of_the_text() -> None:
    assert _read(b"\xef\xbb\xbfa: 1").documents[0].value == {"a": 1}
    assert _told(b"\xef\xbb\xbfa: \xff") == [(1, 4, "ORD002")]


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "x" * MAX_FILE_BYTES,
        "a: " + "x" * (MAX_SCALAR + 1),
        "[" * (MAX_DEPTH + 1),
        "a:\n" + "".join(" " * depth + "b:\n" for depth in range(1, MAX_DEPTH + 2)),
        "a: [" + "0," * (MAX_NODES + 1) + "]",
        "{" * 500_000,
        "- " * 500_000,
    ],
    ids=["file", "text", "flow depth", "block depth", "nodes", "braces", "dashes"],
)
def test_hostile_input_ends_at_a_bound(text: str) -> None:
    assert [code for _, _, code in _told(text)] == ["ORD010"]


def test_a_value_at_each_bound_is_read() -> None:
    assert _value("a: " + "x" * MAX_SCALAR)["a"] == "x" * MAX_SCALAR
    assert len(_value("a: [" + "0," * (MAX_NODES - 3) + "]")["a"]) == MAX_NODES - 3
    assert not _told("a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))


def test_an_alias_bomb_is_refused_without_being_blown_up() -> None:
    lines = ["a: &a [x, x]"] + [
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]" for n in range(20)
    ]

    told = _told("\n".join(lines))

    assert {code for _, _, code in told} == {"ORD011"}
    assert len(told) == 21 + 40


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_input_breaks_the_reader(data: bytes) -> None:
    for problem in _read(data).problems:
        assert problem.line >= 1
        assert problem.column >= 1


# What YAML lets stand in a file; `<<` is refused as a key.
_TEXT = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc"], exclude_characters="<\ufeff\ufffe\uffff\x85\u2028\u2029"
    ),
    max_size=12,
)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    # The database gives larger ones back as whole numbers, which are refused beyond 64 bits.
    st.floats(-(2.0**63), 2.0**63, exclude_max=True),
    _TEXT,
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(_TEXT, _VALUES, min_size=1, max_size=4))
def test_json_is_read_as_what_it_says(value: dict[str, Any]) -> None:
    reading = _read(json.dumps(value, ensure_ascii=False))

    assert not reading.problems
    assert [document.value for document in reading.documents] == [value]
