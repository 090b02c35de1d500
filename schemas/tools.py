"""What `ordinaut tools --json` prints: servers as they answered, their tools, and the outcome of a call."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, Field

from schemas.base import Model
from schemas.event import Failure


class ToolReport(Model):
    """One tool, as its server describes it."""

    tool: str
    """Its address, `server.tool`."""
    description: str
    """What the server says about it."""
    input_schema: dict[str, Any]
    """The JSON Schema of its arguments."""
    output_schema: dict[str, Any] | None = None
    """The JSON Schema of its structured result, where the server promises one."""
    annotations: dict[str, Any]
    """The server's hints: claims, not facts."""
    digest: str
    """sha256 (hex) of both schemas."""


class ServerReport(Model):
    """One tool server, after it was asked for its tools."""

    server: str
    """Its name, as `namespace/name` outside the default namespace."""
    ok: bool
    """Whether it answered."""
    protocol: str = ""
    """The revision of MCP that is spoken with it."""
    version: str = ""
    """Its name and version as it gives them."""
    seconds: float
    """How long starting it and asking took."""
    memory_bytes: int | None = None
    """What its processes have together, where they are ours and the system tells it; see `limits.memory_bytes`."""
    tools: tuple[ToolReport, ...] = ()
    """What it offers."""
    error: Failure | None = None
    """Why it did not answer, and the last it wrote to stderr."""


class ServerList(Model):
    """Several servers."""

    servers: tuple[ServerReport, ...]
    """The servers, by name."""


class CallReport(Model):
    """The outcome of one call."""

    tool: str
    """The address that was called."""
    outcome: str
    """The outcome class; `ok` is success."""
    value: Any = None
    """The normalised result."""
    error: Failure | None = None
    """Why it failed."""
    sent: bool
    """Whether the call may have reached the tool."""
    seconds: float
    """How long it took."""


class AddedServer(Model):
    """A tool server that was added to the specs."""

    server: str
    """What steps call it."""
    file: str
    """The file that was written."""
    way: str
    """How it is run or reached: by `pypi`, `npm`, `oci`, `nuget`, `http` or `sse`."""
    others: tuple[str, ...] = ()
    """How it could be, too."""
    secrets: dict[str, str] = Field(default_factory=dict)
    """What the Project has to declare: names of secrets, and the variables that they may be read from."""
    missing: tuple[str, ...] = ()
    """What must be filled in by hand."""
    optional: tuple[str, ...] = ()
    """What may be."""


class LoginReport(Model):
    """What somebody allowed at a tool server."""

    server: str
    """Its name, as `namespace/name` outside the default namespace."""
    issuer: str
    """The authorization server."""
    scope: str
    """What was allowed, separated by blanks; empty if it was not told."""
    expires_at: AwareDatetime | None
    """Until when the access token is good, if that was told."""
    renews: bool
    """Whether it is renewed then without anybody."""


class LogoutReport(Model):
    """A login that is over."""

    server: str
    """Its name, as `namespace/name` outside the default namespace."""
    removed: bool
    """Whether there was one."""
    revoked: bool
    """Whether the authorization server took back what it had given."""
