"""Editing documents where they stand: what is meant, nothing else, and as few lines as that takes."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from difflib import unified_diff
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.digest import canonical
from reconciler.core.documents import read_documents
from reconciler.core.editing import document_texts, with_document, with_value, without_document
from reconciler.core.yaml_tree import parse_tree
from tests.reconciler.scribbles import scribbled

TASK = """\
# Who reads this?
apiVersion: ordinaut/v1
kind: Task
name: briefing   # its name

# when
schedule:
  cron: "0 6 * * *"   # six
  timezone: UTC
timeout: 5m
pipeline:
  # first
  - id: look
    uses: fs.list
    with:
      a: 1
  - {id: brief, uses: llm.plan, with: {x: "${steps.look}"}}   # flow
  # last
  - id: send
    uses: mail.send
---
kind: Task
name:   other
"""


def values(text: str) -> list[Any]:
    """What the documents of a text say."""
    reading = read_documents("any.yaml", text.encode())
    assert reading.problems == ()
    return [one.value for one in reading.documents]


def lines(change: Callable[[dict[str, Any]], Any], text: str = TASK) -> list[str]:
    """The lines that differ after a change of the first document."""
    before, *others = values(text)
    after = copy.deepcopy(before)
    change(after)

    edited = with_value(text, 0, before, after)

    assert values(edited) == [after, *others]
    diff = list(unified_diff(text.splitlines(), edited.splitlines(), n=0, lineterm=""))[2:]
    return [line for line in diff if not line.startswith("@@")]


def test_a_value_that_differs_takes_one_line_and_keeps_its_comment() -> None:
    assert lines(lambda task: task["schedule"].update(cron="0 7 * * *")) == [
        '-  cron: "0 6 * * *"   # six',
        '+  cron: "0 7 * * *"   # six',
    ]


def test_what_is_new_stands_where_the_order_of_fields_puts_it() -> None:
    assert lines(lambda task: task.update(priority=3, owner="me")) == [
        "+owner: me",
        "+priority: 3",
    ]


def test_brackets_stay_brackets() -> None:
    assert lines(lambda task: task["pipeline"][1]["with"].update(y=2)) == [
        '-  - {id: brief, uses: llm.plan, with: {x: "${steps.look}"}}   # flow',
        '+  - {id: brief, uses: llm.plan, with: {x: "${steps.look}", y: 2}}   # flow',
    ]


def test_what_goes_takes_its_comments_along_and_no_other() -> None:
    assert lines(lambda task: task["pipeline"].pop(2)) == [
        "-  # last",
        "-  - id: send",
        "-    uses: mail.send",
    ]
    assert lines(lambda task: task.pop("timeout")) == ["-timeout: 5m"]


def test_a_step_in_the_middle_leaves_the_others_alone() -> None:
    step = {"id": "wait", "uses": "ordinaut.sleep"}
    assert lines(lambda task: task["pipeline"].insert(1, step)) == [
        "+  - id: wait",
        "+    uses: ordinaut.sleep",
    ]


def test_what_stands_behind_a_dash_goes_with_its_item_written_anew() -> None:
    assert lines(lambda task: task["pipeline"][0].pop("id")) == [
        "-  - id: look",
        "-    uses: fs.list",
        "+  - uses: fs.list",
    ]


def test_documents_come_and_go_and_leave_the_others_byte_for_byte() -> None:
    assert without_document(TASK, 0) == document_texts(TASK)[1] == "kind: Task\nname:   other\n"
    assert without_document(TASK, 1) == document_texts(TASK)[0]
    assert without_document("a: b\n", 0) == ""
    assert values(with_document(TASK, "c: d\n"))[2] == {"c": "d"}
    assert with_document("a: b", "c: d\n") == "a: b\n---\nc: d\n"


@pytest.mark.unmeasured
@given(st.randoms(use_true_random=False))
@settings(max_examples=400, deadline=None)
def test_any_document_says_what_it_is_to_say_and_no_other_line_differs(
    chance: random.Random,
) -> None:
    text = scribbled(chance)
    documents = values(text)
    number = chance.randrange(len(documents))
    after = copy.deepcopy(documents[number])
    for _ in range(chance.randint(1, 3)):
        _meddle(after, chance)

    edited = with_value(text, number, documents[number], after)

    documents[number] = after
    assert canonical(values(edited)) == canonical(documents)


@given(st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_to_say_the_same_is_to_change_nothing(chance: random.Random) -> None:
    text = scribbled(chance)

    assert all(with_value(text, n, one, one) == text for n, one in enumerate(values(text)))


@given(st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_a_new_field_of_a_document_loses_no_comment(chance: random.Random) -> None:
    text = scribbled(chance)
    before = values(text)[0]

    edited = with_value(text, 0, before, {**before, "zzz": 1})

    found, left = (sorted(one.text for one in parse_tree(t).comments) for t in (text, edited))
    assert found == left


def _meddle(value: Any, chance: random.Random) -> None:
    """Change something, somewhere in a value."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = chance.choice(keys) if keys else None
    inner = value[key] if key is not None else None
    if isinstance(inner, dict | list) and chance.random() < 0.7:
        _meddle(inner, chance)
    elif key is not None and chance.random() < 0.3 and key != "kind":
        del value[key]
    elif isinstance(value, dict):
        name = chance.choice([key or "new", "new", "owner"])
        value[name if name != "kind" else "new"] = chance.choice(
            [
                1,
                "a: b",
                None,
                [1, {"id": "x"}],
                {"k": "two\nlines\n"},
                [],
                "yes",
                True,
                "# no comment",
            ]
        )
    else:
        value.insert(
            chance.randint(0, len(value)), chance.choice([7, {"id": "n", "uses": "a.b"}, []])
        )
