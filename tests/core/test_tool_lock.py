"""The tool lock as text: the same for the same content, legible, and refused where it is not whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.core import tool_lock
from reconciler.core.tool_lock import NoToolLock, lock_text, read_lock
from runtime.errors import ToolLockError
from tests.support.contracts import listed, locked, taking

STRING = {"type": "string"}
LOCK = locked(
    b=[taking("say", "text", text=STRING), listed("ask", outputSchema={"type": "object"})],
    a=[listed("do", annotations={"destructiveHint": True, "title": None})],
)
TEXT = lock_text(LOCK)


def test_what_is_written_is_read_again() -> None:
    assert read_lock(TEXT) == LOCK


def test_the_order_in_which_a_server_lists_is_not_seen() -> None:
    tools = [taking("say", "text", text=STRING, tone=STRING), listed("ask")]
    other = [listed("ask"), taking("say", "text", tone=STRING, text=STRING)]

    assert lock_text(locked(b=tools)) == lock_text(locked(b=other))


def test_it_is_sorted_and_has_a_line_for_each_value() -> None:
    whole = json.loads(TEXT)

    assert list(whole["servers"]) == ["a", "b"]
    assert list(whole["servers"]["b"]["tools"]) == ["ask", "say"]
    assert TEXT.decode() == json.dumps(whole, indent=2, sort_keys=True) + "\n"


def test_a_null_within_a_schema_stays() -> None:
    tool = taking("say", text={"type": ["string", "null"], "default": None})

    [server] = read_lock(lock_text(locked(b=[tool]))).servers.values()

    assert server.tools["say"].input_schema["properties"]["text"]["default"] is None
    assert server.tools["say"].output_schema is None


@pytest.mark.parametrize("part", ["description", "annotations", "inputSchema", "outputSchema"])
def test_the_digest_covers_every_part(part: str) -> None:
    other: Any = "Other words." if part == "description" else {"title": "Other"}

    before, after = (locked(b=[tool]).servers["b"].tools["do"] for tool in (listed("do"), listed("do", **{part: other})))  # fmt: skip

    assert before.digest != after.digest


def test_letters_that_nobody_sees_are_written_as_numbers() -> None:
    hidden = "a\u202eb\u200bc\U000e0041"
    text = lock_text(locked(b=[listed("do", inputSchema={"title": f"größe {hidden}"})]))

    assert "größe a\\u202eb\\u200bc\\udb40\\udc41" in text.decode()
    assert read_lock(text).servers["b"].tools["do"].input_schema["title"] == f"größe {hidden}"


@pytest.mark.parametrize("value", [float("nan"), "\ud800"])
def test_what_json_cannot_hold_is_not_locked(value: object) -> None:
    with pytest.raises(ToolLockError, match="the tools of b cannot be locked"):
        locked(b=[listed("do", inputSchema={"default": value})])


def test_a_tool_lock_that_could_not_be_read_is_not_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tool_lock, "MAX_LOCK_BYTES", len(TEXT) - 1)

    with pytest.raises(ToolLockError, match="would have") as refused:
        lock_text(LOCK)
    with pytest.raises(NoToolLock, match="the file has more than"):
        read_lock(TEXT)

    assert refused.value.code == "ORD010"


NONE = {
    b"\xff": "not UTF-8",
    b"": "not JSON",
    b"[]": "is none: the file",
    b"{}": "is none: servers is not",
    b'{"servers": {}, "more": 1}': "is none: more",
    b'{"format": "ordinaut.dev/plan/v1", "servers": {}}': "is none: format",
    b'{"servers": {"a": NaN}}': "NaN is not JSON",
    b'{"servers": {}, "servers": {}}': "`servers` stands twice",
    b"[" * 100_000: "nested too deeply",
    TEXT.replace(b'"text": {', b'"words": {'): r"edited: b\.say is not what its digest says",
    TEXT.replace(b'"destructiveHint": true', b'"destructiveHint": false'): "edited: a.do",
}


@pytest.mark.parametrize(("data", "why"), NONE.items(), ids=range(len(NONE)))
def test_what_is_not_a_whole_tool_lock_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(NoToolLock, match=why) as refused:
        read_lock(data)

    assert (refused.value.hint, refused.value.later) == ("write it anew with `ordinaut tools lock`", False)  # fmt: skip


def test_a_place_is_given_where_it_is_known() -> None:
    with pytest.raises(NoToolLock) as broken:
        read_lock(b'{\n  "format": ,\n}')
    with pytest.raises(NoToolLock, match="unresolved merge") as merged:
        read_lock(TEXT.replace(b'  "servers"', b'<<<<<<< ours\n  "servers"'))

    assert (broken.value.line, broken.value.column) == (2, 13)
    assert (merged.value.line, merged.value.column) == (3, 1)


def test_a_later_version_is_not_taken_for_a_mistake() -> None:
    with pytest.raises(NoToolLock, match="of a later version") as refused:
        read_lock(TEXT.replace(b"tool-lock/v1", b"tool-lock/v2"))

    assert refused.value.later
    assert refused.value.hint.startswith("upgrade Ordinaut")
