"""Adds a tool server to the specs, from what a registry says of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import ValidationError

from reconciler.core.exporting import as_yaml, file_of
from reconciler.core.registry import Added, Way, added, comment
from runtime.errors import ConfigError
from schemas.server_json import ServerJson
from schemas.tool_server import ToolServer
from schemas.tools import AddedServer

# What the tool server is, and what it is called, is told in a few kilobytes.
_MOST_BYTES: Final = 1_048_576


def add_server(source: str, specs: Path, name: str | None, way: Way | None) -> AddedServer:
    """Write a ToolServer document; a file that exists is never written over.

    Args:
        source: the path of a `server.json`, or `-` for standard input.
        specs: the specs folder.
        name: what steps will call the server; the last part of its name in the registry when None.
        way: how to run or reach it; the first that can be when None.

    Raises:
        ConfigError: ORD423, it is no `server.json`, there is no such way, or it makes no valid document; ORD306, the file
            exists already, or something cannot be read or written.
    """
    server = _read(source)
    found = added(server, name, way)
    _check(found)
    path = specs.joinpath(*file_of("ToolServer", "default", found.name))
    text = comment(server, found) + as_yaml(found.document)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError(
            f"{path} exists already", hint="give the server another name: `--name NAME`"
        ) from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
    return AddedServer(
        server=found.name,
        file=path.as_posix(),
        way=found.way,
        others=found.others,
        secrets=found.secrets,
        missing=tuple(found.missing),
        optional=tuple(found.optional),
    )


def _read(source: str) -> ServerJson:
    try:
        if source == "-":
            data = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with Path(source).open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{source} cannot be read: {error.strerror}") from error
    if len(data) > _MOST_BYTES:
        raise _no_server_json(source, f"it has more than {_MOST_BYTES:,} bytes")
    try:
        return ServerJson.model_validate(_server_in(orjson.loads(data)))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise _no_server_json(source, f"`{place}`: {first['msg']}") from error
    except ValueError as error:
        raise _no_server_json(source, str(error)) from error


def _server_in(document: Any) -> Any:
    """A registry's answer holds the document beside what it knows itself."""
    inner = document.get("server") if isinstance(document, dict) else None
    return inner if isinstance(inner, dict) else document


def _check(found: Added) -> None:
    try:
        ToolServer.model_validate(found.document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"{found.name} would be no valid tool server: `{place}`: {first['msg']}",
            hint="write the document by hand; docs/servers.md shows how",
            code="ORD423",
        ) from error


def _no_server_json(source: str, why: str) -> ConfigError:
    return ConfigError(
        f"{source} is no server.json: {why}",
        hint="a registry of MCP servers has one for each server, of schema 2025-12-11",
        code="ORD423",
    )
