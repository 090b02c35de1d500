"""The text of an answer is read as its step says."""

from __future__ import annotations

import re
from typing import Any

import pytest

from runtime.tools.normalise import Answer, Unacceptable
from runtime.tools.reading import Parse
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.servers import raw

ROWS = (
    "[{'id': 1, 'name': \"O'Hara\", 'gone': None}, {'id': 2, 'tags': ('a', 'b'), 'set': {2, 1}}]"
)


def answered(*texts: str, **structured: Any) -> Answer:
    content = [{"type": "text", "text": text} for text in texts]
    return Answer([*content, {"type": "image"}], structured or None, bool(structured))


@pytest.mark.parametrize(
    ("parse", "texts", "value"),
    [
        ("json", ['"double"'], "double"),
        ("json", [" 14 \n"], 14),
        ("json", ['{"a": 1}', "[2]"], [{"a": 1}, [2]]),
        ("text", ['{"a": 1}', "b"], '{"a": 1}\nb'),
        ("text", [""], ""),
        ("lines", ["a\r\nb", "", "c\n"], ["a", "b", "", "c"]),
        ("python", [ROWS], [{"id": 1, "name": "O'Hara", "gone": None}, {"id": 2, "tags": ["a", "b"], "set": [1, 2]}]),
        ("python", [" {1: -1.5}"], {"1": -1.5}),
        ("python", ["True", "'x'"], [True, "x"]),
    ],
)  # fmt: skip
def test_a_text_is_what_the_step_takes_it_for(parse: Parse, texts: list[str], value: Any) -> None:
    assert answered(*texts).value(parse) == value
    assert answered(*texts, result="anything else").value(parse) == value


@pytest.mark.parametrize(
    ("parse", "texts", "why"),
    [
        ("json", ["OK: 3 rows"], "`parse: json`, and the text is no JSON: Expecting value"),
        ("json", ["[NaN]"], "the text is no JSON: NaN is no JSON number"),
        ("json", ["[" * 100_000], "`parse: json`, and the text is no JSON: "),
        ("json", ["1", "x"], "the text is no JSON: Expecting value"),
        ("python", ["Database error: no such table"], "`parse: python`, and the text is no Python literal: "),
        ("python", ["[datetime.date(2026, 1, 1)]"], "no Python literal: malformed node or string on line 1"),
        ("python", ["__import__('os').getcwd()"], "no Python literal: malformed node"),
        ("python", ["[b'x']"], "no Python literal: b'x' has no like in JSON"),
        ("python", ["[1j]"], "1j has no like in JSON"),
        ("python", ["[" * 100_000], "no Python literal: "),
        ("python", ["'" + "x" * 262_144 + "'"], "`parse: python` reads at most 262,144 characters"),
        ("text", [], "`parse: text` reads text, and the answer has none"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_so_is_told(parse: Parse, texts: list[str], why: str) -> None:
    with pytest.raises(Unacceptable, match=re.escape(why)) as refused:
        answered(*texts, result=1).value(parse)

    assert refused.value.error.code == "ORD412"


async def test_a_server_that_answers_with_python_is_read_by_the_call(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw())
    rows = {"result": {"content": [{"type": "text", "text": "[(1, None)]"}]}}
    lies = {"result": {"content": [{"type": "text", "text": "Database error: locked"}]}}

    plain = await box.call("raw.result", rows)
    read = await box.call("raw.result", rows, parse="python")
    refused = await box.call("raw.result", lies, parse="python")

    assert (plain.value, read.value) == ("[(1, None)]", [[1, None]])
    assert (refused.kind, refused.sent) == ("contract_error", True)
    assert refused.error is not None
    assert refused.error.code == "ORD412"
    assert refused.error.message.startswith(
        "raw.result: `parse: python`, and the text is no Python"
    )
