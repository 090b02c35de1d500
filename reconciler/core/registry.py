"""A registry's `server.json` as a ToolServer document, and what only a person can fill in.

Versions stay pinned: what was reviewed is what runs. A secret is a reference, and the Project is told where to read it. What
is required, has no value and is no secret is left out and told; so is what may be given and need not be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from runtime.errors import ConfigError
from schemas.base import API_VERSION
from schemas.server_json import Argument, Input, KeyValue, Package, Remote, ServerJson

Way = Literal["pypi", "npm", "oci", "nuget", "http", "sse"]
WAYS: Final[tuple[Way, ...]] = ("pypi", "npm", "oci", "nuget", "http", "sse")

_PACKAGE_WAYS: Final[Mapping[str, Way]] = {
    "pypi": "pypi",
    "npm": "npm",
    "oci": "oci",
    "nuget": "nuget",
}
_REMOTE_WAYS: Final[Mapping[str, Way]] = {"streamable-http": "http", "sse": "sse"}
_VARIABLE: Final = re.compile(r"\{([^{}]+)\}")
_NOT_A_NAME: Final = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME: Final = 63


@dataclass(slots=True)
class Added:
    """A server, as it is added.

    Attributes:
        name: what steps call it.
        way: how it is run or reached.
        others: how it could be, too.
        document: the ToolServer.
        secrets: what the Project has to declare: where each is read.
        missing: what must be filled in by hand: the place, and what is known of it.
        optional: what may be.
    """

    name: str
    way: Way
    others: tuple[Way, ...]
    document: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    optional: list[str] = field(default_factory=list)


def added(server: ServerJson, name: str | None, way: Way | None) -> Added:
    """The document for a server.

    Args:
        server: what the registry says.
        name: what steps will call it; the last part of its name in the registry when None.
        way: how to run or reach it; the first that can be when None.

    Raises:
        ConfigError: ORD423, there is no such way.
    """
    ways = dict(_ways(server))
    chosen = way or next(iter(ways), None)
    if chosen not in ways:
        known = (
            f"there are {', '.join(ways)}"
            if ways
            else "packages that talk over stdio, and remotes, can"
        )
        raise ConfigError(
            f"{server.name} cannot be added" + (f" by {way}" if way else ""),
            hint=known,
            code="ORD423",
        )
    found = Added(
        name or _name(server.name.rpartition("/")[2], "-"),
        chosen,
        tuple(other for other in ways if other != chosen),
    )
    source = ways[chosen]
    reached = _package(source, found) if isinstance(source, Package) else _remote(source, found)
    described = {"description": server.description} if server.description else {}
    found.document = {
        "apiVersion": API_VERSION,
        "kind": "ToolServer",
        "name": found.name,
        **described,
        **reached,
    }
    return found


def comment(server: ServerJson, found: Added) -> str:
    """What stands above the document: where it is from, and what is not filled in."""
    lines = [f"From {server.name} {server.version}".rstrip() + ", as a registry describes it."]
    lines += [f"To be filled in: {each}" for each in found.missing]
    lines += [f"May be given: {each}" for each in found.optional]
    return "".join(f"# {line}\n" for line in lines)


def _ways(server: ServerJson) -> Iterator[tuple[Way, Package | Remote]]:
    """Each way once: the first of a kind is the one that the server prefers."""
    packages: list[tuple[Way, Package | Remote]] = [
        (_PACKAGE_WAYS[package.registry_type], package)
        for package in server.packages
        if package.transport.type == "stdio" and package.registry_type in _PACKAGE_WAYS
    ]
    remotes: list[tuple[Way, Package | Remote]] = [
        (_REMOTE_WAYS[remote.type], remote) for remote in server.remotes
    ]
    seen: set[Way] = set()
    for way, source in (*packages, *remotes):
        if way not in seen:
            seen.add(way)
            yield way, source


def _package(package: Package, found: Added) -> dict[str, Any]:
    if not package.version and package.registry_type != "oci":
        found.missing.append("the version of the package, so that what was reviewed is what runs")
    env = _named(package.environment_variables, "env", found)
    command, before, after = _COMMANDS[package.registry_type](package, list(env))
    options = [*before, *_arguments(package.runtime_arguments, found)]
    args = [*options, *after, *_arguments(package.package_arguments, found)]
    stdio: dict[str, Any] = {"command": command, "args": args}
    return {"stdio": stdio | ({"env": env} if env else {})}


def _remote(remote: Remote, found: Added) -> dict[str, Any]:
    url = _filled(remote.url, remote.variables, "http.url", found, secrets=False)
    headers = _named(remote.headers, "http.headers", found)
    http: dict[str, Any] = {"url": url}
    if remote.type == "sse":
        http["transport"] = "sse"
    return {"http": http | ({"headers": headers} if headers else {})}


def _named(values: Iterable[KeyValue], place: str, found: Added) -> dict[str, str]:
    named = {}
    for each in values:
        value = _value(each, each.name, f"{place} {each.name}", found, secrets=True)
        if value is not None:
            named[each.name] = value
    return named


def _arguments(arguments: Iterable[Argument], found: Added) -> Iterator[str]:
    for each in arguments:
        called = each.name or each.value_hint or "argument"
        is_flag = each.type == "named" and each.value is None and each.default is None
        if is_flag and each.is_required and not (each.placeholder or each.choices):
            yield each.name
            continue
        value = _value(each, called, f"args {called}", found, secrets=False)
        if value is not None:
            yield from (each.name, value) if each.type == "named" else (value,)


def _value(given: Input, name: str, place: str, found: Added, *, secrets: bool) -> str | None:
    """What a value is; None if it is left out, which is told where somebody should know."""
    if given.value is not None:
        return _filled(given.value, given.variables, place, found, secrets=secrets)
    if given.is_secret and given.is_required and secrets:
        return _secret(name, found)
    if given.default is not None and not given.is_secret:
        return _escaped(given.default)
    told = found.missing if given.is_required else found.optional
    told.append(_told(given, place))
    return None


def _filled(
    text: str, variables: Mapping[str, Input], place: str, found: Added, *, secrets: bool
) -> str:
    """A text with its variables filled in; those for which there is no value stay, and are told."""

    def fill(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in variables:
            return match.group()
        given = variables[name]
        if given.is_secret and secrets:
            return _secret(name, found)
        value = given.value if given.value is not None else given.default
        if value is None:
            found.missing.append(_told(given, f"{{{name}}} in {place}"))
            return match.group()
        return _escaped(value)

    parts = _escaped(text)
    return _VARIABLE.sub(fill, parts)


def _secret(name: str, found: Added) -> str:
    secret = _name(f"{found.name}_{name}", "_")
    found.secrets[secret] = name.upper().replace("-", "_")
    return f"${{secrets.{secret}}}"


def _told(given: Input, place: str) -> str:
    hints = [given.description.strip()]
    if given.choices:
        hints.append(f"one of {', '.join(given.choices)}")
    elif given.placeholder:
        hints.append(f"such as {given.placeholder}")
    if given.is_secret:
        hints.append("a secret")
    return " ".join("; ".join([place, *filter(None, hints)]).split())


def _name(text: str, joint: str) -> str:
    return (
        _NOT_A_NAME.sub(joint, text.lower()).strip(joint)[:_LONGEST_NAME].strip(joint) or "server"
    )


def _escaped(text: str) -> str:
    return text.replace("${", "$${")


_Command = Callable[[Package, list[str]], tuple[str, list[str], list[str]]]


def _pinned(package: Package) -> str:
    return f"{package.identifier}@{package.version}" if package.version else package.identifier


def _image(package: Package, env: list[str]) -> tuple[str, list[str], list[str]]:
    handed = [word for name in env for word in ("-e", name)]
    tagged = ":" in package.identifier.rpartition("/")[2] or not package.version
    image = package.identifier if tagged else f"{package.identifier}:{package.version}"
    return "docker", ["run", "-i", "--rm", *handed], [image]


_COMMANDS: Final[Mapping[str, _Command]] = {
    "pypi": lambda package, _: ("uvx", [], [_pinned(package)]),
    "npm": lambda package, _: ("npx", ["-y"], [_pinned(package)]),
    "nuget": lambda package, _: ("dnx", ["--yes"], [_pinned(package), "--"]),
    "oci": _image,
}
"""By registry: the program, its options, and what it runs."""
