"""Formatting: one form, the same meaning, and every comment where it belongs."""

from __future__ import annotations

import random
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core import formatting
from reconciler.core.compile import SourceFile, compile_specs
from reconciler.core.formatting import format_file
from reconciler.core.yaml_tree import parse_tree
from tests.house.sources import ROOT
from tests.reconciler.scribbles import scribbled
from tests.reconciler.specs import others, tasks, written

SPECS = sorted(
    path for folder in (ROOT / "specs", ROOT / "examples") for path in folder.rglob("*.yaml")
)
PROJECT = b"apiVersion: ordinaut/v1\nkind: Project\nname: home\n"


def formatted(text: str) -> str:
    """The one form of a text."""
    result = format_file("any.yaml", dedent(text).encode())
    assert result.problems == ()
    return result.data.decode()


def digests(data: bytes) -> dict[str, str]:
    specs = compile_specs([SourceFile("ordinaut.yaml", PROJECT), SourceFile("any.yaml", data)])
    assert specs.errors == ()
    return {str(key): desired.digest for key, desired in specs.documents.items()}


def comments(data: bytes) -> list[str]:
    return sorted(comment.text for comment in parse_tree(data.decode()).comments)


@given(st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_formatting_twice_is_formatting_once_and_loses_no_comment(chance: random.Random) -> None:
    text = scribbled(chance).encode()

    once = format_file("any.yaml", text)

    assert once.problems == ()
    assert comments(once.data) == comments(text)
    assert format_file("any.yaml", once.data).data == once.data


@given(tasks() | others(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_formatting_changes_no_digest(document: dict[str, Any], chance: random.Random) -> None:
    text = written(document, chance).encode()

    assert digests(format_file("any.yaml", text).data) == digests(text)


@given(tasks(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_keys_leaves_no_trace(
    document: dict[str, Any], chance: random.Random
) -> None:
    keys = list(document)
    chance.shuffle(keys)
    lines = [f"{key}: {document[key]!r}" for key in keys if isinstance(document[key], str)]

    assert formatted("\n".join(lines)) == formatted("\n".join(sorted(lines)))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: str(path.relative_to(ROOT)))
def test_our_own_specs_are_in_their_one_form(path: Path) -> None:
    assert format_file(path.name, path.read_bytes()).data == path.read_bytes()


def test_keys_come_in_the_order_of_the_fields_and_unknown_ones_last() -> None:
    assert formatted(
        """\
        mystery: 1
        pipeline:
        - {with: {z: 1, a: 2}, uses: llm.plan, id: plan}
        schedule: {jitter: 5s, timezone: UTC, cron: "@daily"}
        name: one
        kind: Task
        apiVersion: ordinaut/v1
        """
    ) == dedent(
        """\
        apiVersion: ordinaut/v1
        kind: Task
        name: one
        schedule: {cron: "@daily", timezone: UTC, jitter: 5s}
        pipeline:
          - {id: plan, uses: llm.plan, with: {z: 1, a: 2}}
        mystery: 1
        """
    )


def test_documents_of_no_known_kind_keep_their_order() -> None:
    assert formatted("name: x\nkind: Cake\n") == "name: x\nkind: Cake\n"
    assert formatted("name: x\nkind: [Task]\n") == "name: x\nkind: [Task]\n"


def test_a_comment_moves_with_its_key() -> None:
    assert formatted(
        """\
        kind: Task
        # When it runs.
        schedule:
            cron: "@daily"   # at midnight
            timezone: UTC
            # end of schedule
        # Who answers.
        owner: team
        # end of all
        """
    ) == dedent(
        """\
        kind: Task
        # Who answers.
        owner: team
        # When it runs.
        schedule:
          cron: "@daily"   # at midnight
          timezone: UTC
          # end of schedule
        # end of all
        """
    )


def test_the_head_of_a_file_stays_its_head() -> None:
    assert formatted(
        "# yaml-language-server: $schema=x\n# About the owner.\nowner: me\nname: x\nkind: Agent\n"
    ) == (
        "# yaml-language-server: $schema=x\nkind: Agent\nname: x\n# About the owner.\nowner: me\n"
    )
    assert formatted("# Licence.\n\nowner: me\nkind: Agent\n") == (
        "# Licence.\n\nkind: Agent\nowner: me\n"
    )
    assert formatted("# What this is.\nname: x\nkind: Agent\n") == (
        "# What this is.\nkind: Agent\nname: x\n"
    )


def test_comments_in_lists_stay_with_their_items() -> None:
    text = """\
        list:
          # the first
          - a: 1
            # about b
            b: 2  # two
            # end of the first
          # the second
          - # dashed
            a: 1

          - - deep  # here
          # end of the list
        next: 1
        """
    assert formatted(text) == dedent(text).replace("- # dashed", "-  # dashed")


def test_a_comment_below_a_list_in_the_column_of_its_key_is_about_what_follows_both() -> None:
    assert formatted("list:\n- a\n# end\n") == "list:\n  - a\n# end\n"


def test_comments_in_a_row_stay_in_a_row() -> None:
    text = "a:\n  b: 1\n# about c\n    # and more\nc: 1\n"

    assert formatted(text) == text.replace("    # and", "# and")


def test_a_comment_that_comes_to_stand_behind_a_dash_goes_above_it() -> None:
    assert formatted(
        "kind: Task\npipeline:\n- uses: llm.plan\n  # about the id\n  id: plan\n"
    ) == ("kind: Task\npipeline:\n  # about the id\n  - id: plan\n    uses: llm.plan\n")


def test_documents_keep_their_comments_apart() -> None:
    text = "a: 1\n# end of one\n---\n# head of two\nb: 2\n"

    assert formatted(text) == text
    assert formatted("---  # first\na: 1\n---\n---\n# lost?\n") == "# first\na: 1\n# lost?\n"
    assert formatted("{}  # nothing\n") == "{}\n# nothing\n"
    assert formatted("# before\n{}\n") == "{}\n# before\n"


def test_a_file_of_comments_alone_stays() -> None:
    assert formatted("# nothing yet\n") == "# nothing yet\n"


def test_brackets_stay_where_they_fit_and_open_where_not() -> None:
    fits = "a: {b: [" + "x" * 83 + "], c: {}}\n"
    assert len(fits) == 101

    assert formatted(fits) == fits
    assert formatted(fits.replace("x", "xx", 1)) == ("a:\n  b: [" + "x" * 84 + "]\n  c: {}\n")
    assert formatted("a: [1,\n  2]\n") == "a: [1, 2]\n"


def test_brackets_with_comments_inside_open() -> None:
    assert formatted(
        "a: {  # one\n  b: [1, 2], # two\n  c: 3 # three\n  # four\n} # five\nd: 4\n"
    ) == ("a:  # one\n  b: [1, 2]  # two\n  # five\n  c: 3  # three\n  # four\nd: 4\n")


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("'x'", '"x"'),
        ('"x"', '"x"'),
        ("'say \"x\"'", "'say \"x\"'"),
        ('"say \\"x\\""', "'say \"x\"'"),
        ('"it\'s \\"x\\""', '"it\'s \\"x\\""'),
        ("'a\\d'", "'a\\d'"),
        ('"\\u00e9\\u00a0\\n"', '"é\\xa0\\n"'),
        ("yes", "yes"),
        ('"yes"', '"yes"'),
        ('"012"', '"012"'),
        ("012", "012"),
        ("8:30", "8:30"),
        ("True", "true"),
        ("~", "null"),
        ("'true'", '"true"'),
        ("1.50", "1.50"),
    ],
)
def test_quotes_have_one_form_and_no_value_another_type(value: str, form: str) -> None:
    assert formatted(f"a: {value}\n") == f"a: {form}\n"
    assert formatted(f"- {value}\n".replace("- ", "a:\n- ")) == f"a:\n  - {form}\n"


def test_longer_texts_keep_their_lines() -> None:
    text = """\
        literal: |  # as it is
          one
            two

          three
        folded: >-
          one
          two
        indented: |2
            one
          two
        kept: |+
          one

        plain: one
          two  # beside
        quoted: "one

          two \\
          three"
        """
    assert formatted(text) == dedent(text)
    assert formatted(dedent(text).replace("\n  ", "\n     ").replace("|2", "|5")) == dedent(text)


def test_texts_that_only_look_long_are_quoted() -> None:
    assert formatted("a: |+\n\n\nb: >\n\n") == 'a: "\\n\\n"\nb: ""\n'
    assert formatted('a: "b\\ \n  c"\n') == 'a: "b  c"\n'
    assert formatted("a: {b: one\n  two}\n") == "a: {b: one two}\n"


def test_ends_of_lines_and_marks_of_bytes_are_those_of_everybody() -> None:
    data = b"\xef\xbb\xbfa: 1\r\nb: |\r\n  x\r\n  y"

    assert format_file("any.yaml", data).data == b"a: 1\nb: |-\n  x\n  y\n"


def test_blank_lines_stay_but_not_more_than_one_and_none_at_a_beginning() -> None:
    assert formatted("\n\na: 1\n\n\n\nb:\n\n  c: 1\n\n  # d\n\n\n  d: 2\n") == (
        "a: 1\n\nb:\n  c: 1\n\n  # d\n\n  d: 2\n"
    )


def test_a_broken_file_is_refused_with_its_place() -> None:
    result = format_file("specs/a.yaml", b"a: 1\nb: [\n")

    assert result.data == b"a: 1\nb: [\n"
    assert [problem.place for problem in result.problems] == ["specs/a.yaml:3:1"]


@pytest.mark.parametrize("lines", [["a: 2"], ["a: 1", "a: 1"], ["a: true"]])
def test_a_text_that_would_say_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    monkeypatch.setattr(formatting, "block_lines", lambda root: lines)

    result = format_file("a.yaml", b"a:  1\n")

    assert (result.data, [p.code for p in result.problems]) == (b"a:  1\n", ["ORD015"])


def test_a_text_that_would_lose_a_comment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formatting, "block_lines", lambda root: ["a: 1"])

    result = format_file("a.yaml", b"a:  1  # mind this\n")

    assert [problem.code for problem in result.problems] == ["ORD015"]
