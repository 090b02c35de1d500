"""What the runtime knows of a tool server: values only, made from a ToolServer document by the caller.

Everything here is already resolved (secrets filled in, defaults applied), so two definitions are equal exactly when a
running server need not be restarted. Nothing here imports `mcp`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, Literal

from runtime.core.tls import Tls
from runtime.errors import ToolServerError

Protocol = Literal["auto", "legacy", "2026-07-28"]
Lifecycle = Literal["always", "lazy", "per_run"]


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What a child process may do.

    Attributes:
        user: the system user it runs as; None is ours.
        network: whether it may use the network.
        open_files: how many files it may have open; None is as many as we.
    """

    user: str | None = None
    network: bool = True
    open_files: int | None = None


UNCONFINED: Final = Sandbox()


@dataclass(frozen=True, slots=True)
class StdioTransport:
    """A server that runs as our child process.

    Attributes:
        command: a bare name, or a path relative to the project folder.
        args: its arguments.
        cwd: the folder it runs in, relative to the project folder; None is the project folder itself.
        env: what it gets beside the few variables of `runtime.config.base_environment`.
        sandbox: what it may do.
    """

    command: str
    args: tuple[str, ...] = ()
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    sandbox: Sandbox = UNCONFINED


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """By what a program gets access tokens (RFC 6749 section 4.4).

    Attributes:
        issuer: the authorization server, which alone is shown them.
        client_id: who we are there.
        client_secret: what we prove it with, if not with `private_key`.
        private_key: the key that signs what we prove it with, as PEM (RFC 7523).
        algorithm: how it signs.
        credentials_in: where the secret stands in the request for a token.
        scope: what is asked for, separated by blanks; None asks for what the tool server says.
    """

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)
    algorithm: str = "RS256"
    credentials_in: str = "header"
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class BrowserLogin:
    """By what access tokens are got that a person allows in a browser (OAuth 2.1, authorization code with PKCE).

    Attributes:
        login: always `browser`.
        issuer: the authorization server; None is the one that the tool server names when somebody logs in.
        client_id: who we are there, or the address of a document that says it; None registers us.
        client_secret: what we prove it with, if with anything.
        scope: what is asked for, separated by blanks; None asks for what the tool server says.
    """

    login: str = "browser"
    issuer: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class HttpTransport:
    """A server reached over HTTP.

    Attributes:
        url: the endpoint.
        headers: go with every request.
        auth: how to get a token, which then goes with every request as well.
        tls: how it is known, and we are; None leaves that to the system.
        form: whether it streams each answer where it was asked, or all on one stream of events, as before 2025-03-26.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: ClientCredentials | BrowserLogin | None = None
    tls: Tls | None = None
    form: Literal["streamable", "sse"] = "streamable"


@dataclass(frozen=True, slots=True)
class Locked:
    """What the tool lock holds a tool to: `contract_digest` of its schemas, and whether it was known to destroy."""

    contract: str
    destructive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerDefinition:
    """One tool server.

    Attributes:
        key: `name` or `namespace/name`.
        transport: how it is reached.
        protocol: the revision to speak; `auto` asks the server.
        lifecycle: `always` keeps it running, `lazy` starts it when needed, `per_run` starts one for every run.
        max_concurrency: how many calls may be under way at once.
        connect_timeout: the longest time to start, shake hands and list the tools.
        call_timeout: the longest time a call may take when the caller sets no limit of its own.
        idle_stop: a `lazy` or `per_run` server that was not used for so long is stopped.
        allow: patterns of tools that may be called.
        deny: patterns of tools that may not, even if allowed.
        locked: what the tool lock holds tools to, by name.
        on_contract_change: whether a tool that does not keep to that is not called, or only warned about.
        result_bytes: the largest result, as canonical JSON, that is accepted.
        memory_bytes: a child process that has more memory is replaced.
        max_age: a child process that is older is replaced.
    """

    key: str
    transport: StdioTransport | HttpTransport
    protocol: Protocol = "auto"
    lifecycle: Lifecycle = "lazy"
    max_concurrency: int = 4
    connect_timeout: timedelta = timedelta(seconds=30)
    call_timeout: timedelta = timedelta(seconds=30)
    idle_stop: timedelta = timedelta(minutes=5)
    allow: tuple[str, ...] = ("*",)
    deny: tuple[str, ...] = ()
    locked: Mapping[str, Locked] = field(default_factory=dict)
    on_contract_change: Literal["refuse", "warn"] = "refuse"
    result_bytes: int = 1_048_576
    memory_bytes: int | None = None
    max_age: timedelta | None = None

    def offers(self, tool: str) -> bool:
        """Whether the allow and deny patterns let this tool be used."""
        return any(fnmatchcase(tool, pattern) for pattern in self.allow) and not any(
            fnmatchcase(tool, pattern) for pattern in self.deny
        )


def resolve_command(command: str, *, project: Path, search_path: str) -> str:
    """The program that `command` means, as an absolute path.

    A bare name is looked up beside the running interpreter, so that what is installed with Ordinaut wins over what the
    machine happens to have, then in `search_path` (the form of PATH). `python` is always the running interpreter.
    A name with a slash is relative to `project`.

    Raises:
        ToolServerError: ORD401, naming every place that was looked at.
    """
    if command == "python":
        return sys.executable
    if "/" in command:
        path = (project / command).absolute()
        found = shutil.which(str(path))
        places = f"at {path}"
        hint = "The path is relative to the project folder, and the file must be executable."
    else:
        # Not resolved: in a virtual environment the interpreter is a link, and its programs lie beside the link.
        beside = str(Path(sys.executable).absolute().parent)
        found = shutil.which(command, path=beside) or shutil.which(command, path=search_path)
        places = f"beside the interpreter ({beside}) or on PATH"
        hint = f"Install {command}, or give the path of the program. PATH is {search_path}"
    if found is None:
        raise ToolServerError(f"the program {command!r} was not found {places}", hint=hint)
    return found
