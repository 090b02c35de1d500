"""The tool lock as text and as a value: one text for one content, and a refusal for everything that is not whole.

Pure. The text is made for reviewers: sorted, a line for each value, and every letter that could hide from them, or change
the order in which they read, is written as its number. A file that a merge put together from two is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

from pydantic import ValidationError

from reconciler.core.documents import shown
from reconciler.core.files import MAX_LOCK_BYTES
from runtime.errors import ToolLockError
from schemas.tool_lock import LOCK_FORMAT, LockedServer, LockedTool, ToolLock
from schemas.tools import ServerReport, ToolReport

_UPGRADE: Final = (
    "upgrade Ordinaut; or delete the file, and write it anew with `ordinaut tools lock`"
)
_ANY_VERSION: Final = re.compile(r"ordinaut\.dev/tool-lock/v\d+")
_CONFLICT: Final = re.compile(r"^(<{7}|>{7}|={7})", re.MULTILINE)


def locked_server(report: ServerReport) -> LockedServer:
    """What a server that answered is locked to.

    Raises:
        ToolLockError: it says what JSON cannot hold.
    """
    try:
        tools = {_name(tool): _locked_tool(tool) for tool in report.tools}
    except ValueError as error:
        raise ToolLockError(f"the tools of {report.server} cannot be locked: {error}") from error
    return LockedServer(protocol=report.protocol, tools=tools, version=report.version)


def lock_text(lock: ToolLock) -> bytes:
    """The one text of a tool lock.

    Raises:
        ToolLockError: it would be larger than what is read.
    """
    servers = {
        name: {**server.model_dump(exclude={"tools"}), "tools": _plain_tools(server)}
        for name, server in lock.servers.items()
    }
    whole = {"format": lock.format, "servers": servers}
    text = json.dumps(whole, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    data = _legible(text).encode() + b"\n"
    if len(data) > MAX_LOCK_BYTES:
        raise ToolLockError(
            f"the tool lock would have {len(data):,} bytes; {MAX_LOCK_BYTES:,} are the most",
            hint="leave out tools that no step uses, with the `tools` filter of their server",
            code="ORD010",
        )
    return data


class NoToolLock(Exception):
    """A file that holds no tool lock of this version; `later` is whether it holds one of a later version."""

    def __init__(
        self, message: str, *, line: int = 1, column: int = 1, later: bool = False
    ) -> None:
        super().__init__(message)
        self.message, self.line, self.column, self.later = message, line, column, later

    @property
    def hint(self) -> str:
        """What to do."""
        return _UPGRADE if self.later else "write it anew with `ordinaut tools lock`"


def read_lock(data: bytes) -> ToolLock:
    """The tool lock that a file holds.

    Raises:
        NoToolLock: it holds none, or not all of one.
    """
    if len(data) > MAX_LOCK_BYTES:
        raise NoToolLock(f"the file has more than {MAX_LOCK_BYTES:,} bytes")
    value = _parsed(data)
    form = value.get("format") if isinstance(value, dict) else None
    if form != LOCK_FORMAT and isinstance(form, str) and _ANY_VERSION.fullmatch(form):
        raise NoToolLock(f"the tool lock has the format {form}, of a later version", later=True)
    try:
        lock = ToolLock.model_validate(value, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise NoToolLock(f"the tool lock is none: {shown(where)} is not as it should be") from None
    for server, locked in lock.servers.items():
        for name, tool in locked.tools.items():
            if tool.digest != _digest(tool):
                edited = shown(f"{server}.{name}")
                raise NoToolLock(f"the tool lock was edited: {edited} is not what its digest says")
    return lock


def _parsed(data: bytes) -> Any:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise NoToolLock("the tool lock is not UTF-8") from None
    try:
        return json.loads(text, object_pairs_hook=_each_key_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        if conflict := _CONFLICT.search(text):
            line = text.count("\n", 0, conflict.start()) + 1
            raise NoToolLock("the tool lock holds an unresolved merge", line=line) from None
        what = f"the tool lock is not JSON: {error.msg}"
        raise NoToolLock(what, line=error.lineno, column=error.colno) from None
    except ValueError as error:
        raise NoToolLock(f"the tool lock is not whole: {error}") from None
    except RecursionError:
        raise NoToolLock("the tool lock is nested too deeply") from None


def _locked_tool(tool: ToolReport) -> LockedTool:
    locked = LockedTool(
        annotations=tool.annotations,
        description_digest=sha256(tool.description.encode()).hexdigest(),
        digest="0" * 64,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
    )
    return locked.model_copy(update={"digest": _digest(locked)})


def _digest(tool: LockedTool) -> str:
    content = {key: value for key, value in _plain(tool).items() if key != "digest"}
    text = json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return sha256(text.encode()).hexdigest()


def _plain_tools(server: LockedServer) -> dict[str, Any]:
    return {name: _plain(tool) for name, tool in server.tools.items()}


def _plain(tool: LockedTool) -> dict[str, Any]:
    # Not by leaving out what is null: a schema may well say null somewhere.
    left_out = {"output_schema"} if tool.output_schema is None else set()
    return tool.model_dump(exclude=left_out)


def _name(tool: ToolReport) -> str:
    return tool.tool.partition(".")[2]


def _legible(text: str) -> str:
    """The same JSON, where every letter can be seen."""
    if text.isascii():
        return text
    return "".join(
        letter if letter.isprintable() or letter == "\n" else json.dumps(letter)[1:-1]
        for letter in text
    )


def _each_key_once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"`{shown(key)}` stands twice in one object")
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
