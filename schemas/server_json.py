"""What a registry of MCP servers says of one: `server.json`, as of its schema 2025-12-11.

It is somebody else's document, so unknown fields are let be; what is read of it here is what a ToolServer needs.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Foreign(BaseModel):
    model_config = ConfigDict(
        extra="ignore", frozen=True, alias_generator=to_camel, populate_by_name=True
    )


class Input(_Foreign):
    """A value that somebody may have to give."""

    description: str = ""
    """What it is for."""
    is_required: bool = False
    """Whether it must be given."""
    is_secret: bool = False
    """Whether nobody may see it."""
    default: str | None = None
    """What it is when nobody gives it."""
    value: str | None = None
    """What it is, whoever wants another; `{name}` in it stands for one of `variables`."""
    placeholder: str | None = None
    """What it looks like."""
    choices: tuple[str, ...] = ()
    """All that it can be."""
    variables: dict[str, Input] = Field(default_factory=dict)
    """What stands for the names in `value`."""


class KeyValue(Input):
    """A variable of the environment, or a header."""

    name: str
    """Its name."""


class Argument(Input):
    """An argument of a command."""

    type: Literal["positional", "named"]
    """Whether its name stands before it."""
    name: str = ""
    """Its name, such as `--port`."""
    value_hint: str = ""
    """What it is called, if it has no name."""


class PackageTransport(_Foreign):
    """How a package is talked to."""

    type: str
    """`stdio`, or one that needs the package to run already."""


class Package(_Foreign):
    """A server that can be installed."""

    registry_type: str
    """Where it is: `npm`, `pypi`, `oci`, `nuget` or `mcpb`."""
    identifier: str = Field(pattern=r"^[^\s-]\S*$")
    """Its name there; none that would be an option of what runs it."""
    version: str = ""
    """Its version."""
    transport: PackageTransport
    """How it is talked to."""
    runtime_arguments: tuple[Argument, ...] = ()
    """Arguments of what runs it."""
    package_arguments: tuple[Argument, ...] = ()
    """Its own."""
    environment_variables: tuple[KeyValue, ...] = ()
    """Its environment."""


class Remote(_Foreign):
    """A server that runs somewhere."""

    type: Literal["streamable-http", "sse"]
    """How it is talked to."""
    url: str
    """Where; `{name}` in it stands for one of `variables`."""
    headers: tuple[KeyValue, ...] = ()
    """What every request says."""
    variables: dict[str, Input] = Field(default_factory=dict)
    """What stands for the names in `url`."""


class ServerJson(_Foreign):
    """One server."""

    name: str
    """Its name in the registry, such as `io.github.somebody/weather`."""
    description: str = ""
    """What it does."""
    version: str = ""
    """Its version."""
    packages: tuple[Package, ...] = ()
    """Ways to run it."""
    remotes: tuple[Remote, ...] = ()
    """Places where it runs."""
