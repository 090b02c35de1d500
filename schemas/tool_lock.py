"""`specs/tools.lock.json`: what the tools of the specs' servers promised when somebody looked, and how that changed.

The file is written by `ordinaut tools lock`, committed, and read by everything that compiles specs. Whatever is added to it
makes another format, so that a program never reads half of what a later one wrote.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from schemas.base import Model
from schemas.tools import ServerReport

LOCK_FORMAT: Final = "ordinaut.dev/tool-lock/v1"
LOCK_CHANGES_FORMAT: Final = "ordinaut.dev/tool-lock-changes/v1"

Digest = Field(pattern=r"^[0-9a-f]{64}$")


class LockedTool(Model):
    """What one tool promised."""

    annotations: dict[str, Any]
    """The server's hints: claims, not facts."""
    description_digest: str = Digest
    """sha256 (hex) of what the server says about it, in UTF-8."""
    digest: str = Digest
    """sha256 (hex) of everything else here, as canonical JSON."""
    input_schema: dict[str, Any]
    """The JSON Schema of its arguments."""
    output_schema: dict[str, Any] | None = None
    """The JSON Schema of its structured result, where the server promises one."""


class LockedServer(Model):
    """What one tool server offered."""

    protocol: str
    """The revision of MCP that was spoken with it."""
    tools: dict[str, LockedTool]
    """Its tools, by name; those that its `tools` filter leaves out are left out here."""
    version: str
    """Its name and version as it gave them."""


class ToolLock(Model):
    """The tool lock."""

    format: Literal["ordinaut.dev/tool-lock/v1"] = LOCK_FORMAT
    """The form of this file."""
    servers: dict[str, LockedServer]
    """The tool servers, by name, as `namespace/name` outside the default namespace."""


ChangeKind = Literal[
    "server_added", "server_removed", "server", "added", "removed", "arguments", "result", "description", "annotations"
]  # fmt: skip


class LockChange(Model):
    """One difference between the tool lock and what servers offer."""

    server: str
    """The server."""
    tool: str | None = None
    """The tool's address, `server.tool`; absent if it is the server itself."""
    kind: ChangeKind
    """What is another: the server's version or protocol, or the tool's arguments, result, description or annotations."""
    text: str
    """What changed, in words that follow the name."""


class LockChanges(Model):
    """The answer of `ordinaut tools lock --json`."""

    format: Literal["ordinaut.dev/tool-lock-changes/v1"] = LOCK_CHANGES_FORMAT
    """The form of this answer."""
    file: str
    """The tool lock."""
    written: bool
    """Whether the file was written; not with `--check`, nor if nothing changed or a server did not answer."""
    servers: int
    """How many servers the tool lock holds."""
    tools: int
    """How many tools it holds."""
    changes: tuple[LockChange, ...] = ()
    """What changed, by server and tool."""
    failed: tuple[ServerReport, ...] = ()
    """The servers that did not answer."""
