"""A tool's answer as one JSON value that PostgreSQL can keep."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.tools.normalise import MAX_DEPTH, Answer, Unacceptable, normalise
from runtime.tools.redact import Redactor

PLAIN = Redactor()


def texts(*values: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": value} for value in values]


IMAGE = {"type": "image", "data": "aGk=", "mimeType": "image/png"}


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (Answer(texts("{}"), {"a": 1}, has_structured=True), {"a": 1}),
        (Answer(texts("x"), None, has_structured=True), None),
        (Answer([], {"result": 1}, has_structured=True), {"result": 1}),
        (Answer(texts('{"a": 1}')), {"a": 1}),
        (Answer(texts(" [1, 2]")), [1, 2]),
        (Answer(texts('{"a": 1}', "done")), {"a": 1}),
        (Answer(texts('{"a": 1}', '{"a": 2}')), [{"a": 1}, {"a": 2}]),
        (Answer(texts("done", '{"a": 1}')), 'done\n{"a": 1}'),
        (Answer(texts("42")), "42"),
        (Answer(texts("null")), "null"),
        (Answer(texts("{oops")), "{oops"),
        (Answer(texts('{"a": NaN}')), '{"a": NaN}'),
        (Answer(texts("[" * 100_000)), "[" * 100_000),
        (Answer([*texts("words"), IMAGE]), "words"),
        (Answer([IMAGE]), {"content": [IMAGE]}),
        (Answer([]), None),
    ],
)
def test_the_part_of_an_answer_that_counts(answer: Answer, value: object) -> None:
    assert answer.value() == value


def test_what_jsonb_cannot_hold_is_replaced_everywhere() -> None:
    value = {"a\x00b": ["\ud800", {"c": "\x00"}], "fine": ["é", 1, 1.5, True, None]}

    kept, size = normalise(value, limit=1000, redact=PLAIN)

    assert kept == {"a\ufffdb": ["\ufffd", {"c": "\ufffd"}], "fine": ["é", 1, 1.5, True, None]}
    assert size == len('{"a?b":["?",{"c":"?"}],"fine":["é",1,1.5,true,null]}'.encode()) + 3 * 2


def test_secrets_are_blotted_out_of_keys_and_values_the_longest_first() -> None:
    redact = Redactor(["abcd", "abcdef", "", "abc"])

    kept, _ = normalise({"abcdef": "xabcdx abc"}, limit=1000, redact=redact)

    assert kept == {"[redacted]": "x[redacted]x abc"}


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (float("inf"), "ORD407"),
        ({"a": [float("nan")]}, "ORD407"),
        ([2**64], "ORD407"),
        ([-(2**63) - 1], "ORD407"),
        (nested(MAX_DEPTH), "ORD407"),
        ("x" * 99, "ORD506"),
    ],
)
def test_what_would_have_to_be_altered_to_be_kept_is_refused(value: object, code: str) -> None:
    with pytest.raises(Unacceptable) as refused:
        normalise(value, limit=100, redact=PLAIN)

    assert refused.value.error.code == code


def test_the_limits_themselves_are_allowed() -> None:
    assert normalise([2**64 - 1, -(2**63)], limit=100, redact=PLAIN)[0] == [2**64 - 1, -(2**63)]
    assert normalise("x" * 98, limit=100, redact=PLAIN)[1] == 100
    assert normalise(nested(MAX_DEPTH - 1), limit=1000, redact=PLAIN)[1] == 2 * MAX_DEPTH - 1
