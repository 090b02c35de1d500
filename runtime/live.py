"""What runs depend on beside their own task: tool servers, agents and secrets, as the newest revision has them.

Tasks are pinned to a revision; these are not: a server's new address is in force for the next call.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from runtime.core.budgets import Budget, budget_of
from runtime.core.expressions import EVERY_SECRET, Context, compile_template, secret_names
from runtime.core.prices import Price, price_list
from runtime.core.program import task_label
from runtime.core.rates import RateLimit, rate_limits, server_limits
from runtime.core.tls import Tls
from runtime.errors import OrdinautError, Unreadable
from runtime.keyring import Keyring, Source
from runtime.secrets import Secrets
from runtime.store.runtimes import LiveSpec
from runtime.tools.definition import (
    BrowserLogin,
    ClientCredentials,
    HttpTransport,
    Locked,
    Sandbox,
    ServerDefinition,
    StdioTransport,
)
from schemas.durations import parse_duration


@dataclass(frozen=True, slots=True)
class Scope:
    """What an agent may call: patterns of `server.tool` addresses, how often, and for how much; nothing, if its row is broken.

    `may_destroy` says that tools which destroy something need no approval.
    """

    allow: tuple[str, ...]
    deny: tuple[str, ...] = ()
    limits: tuple[RateLimit, ...] = ()
    broken: OrdinautError | None = None
    budget: Budget | None = None
    may_destroy: bool = False

    def permits(self, address: str) -> bool:
        """Whether some scope names the tool and no denial does."""
        return any(fnmatchcase(address, pattern) for pattern in self.allow) and not any(
            fnmatchcase(address, pattern) for pattern in self.deny
        )


@dataclass(frozen=True, slots=True)
class Live:
    """The newest revision's servers, agents and secret sources.

    Attributes:
        revision_id: the revision it was read at.
        servers: definitions with secrets filled in, ready for the toolbox.
        broken: why a server has no definition, by its key (an unreadable secret or row, for example).
        agents: scopes by `name` or `namespace/name`.
        secret_sources: where each project's secrets are read.
        limits: how often tools may be called, whoever calls them.
        prices: what each project knows of what models cost.
        rotates: whether a secret of a server stands where it may change while this process runs.
        models: the language models of each project, with templates where secrets belong; none where it has none.
    """

    revision_id: int = 0
    servers: tuple[ServerDefinition, ...] = ()
    broken: Mapping[str, OrdinautError] = field(default_factory=dict)
    agents: Mapping[str, Scope] = field(default_factory=dict)
    secret_sources: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    limits: tuple[RateLimit, ...] = ()
    prices: Mapping[str, tuple[Price, ...]] = field(default_factory=dict)
    rotates: bool = False
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


async def read_live(
    revision_id: int,
    specs: Iterable[LiveSpec],
    keyring: Keyring,
    now: datetime,
    *,
    is_anew: bool = False,
) -> Live:
    """As `assemble`, after having programs print the secrets that servers need: all that are too old where they are to be
    read anew, else those that no program printed before. Everybody's work waits for a newer revision.
    """
    documents = list(specs)
    needed = _needed(documents)
    await keyring.collect(source for source in needed if is_anew or not keyring.knows(source))
    live = assemble(revision_id, documents, keyring, now)
    return replace(live, rotates=any("env" not in source for source in needed))


def assemble(revision_id: int, specs: Iterable[LiveSpec], keyring: Keyring, now: datetime) -> Live:
    """Turn live documents into what runs use.

    Args:
        revision_id: the revision the documents were read at.
        specs: live ToolServer, Agent and Project documents.
        keyring: reads secrets.
        now: the instant templates see.
    """
    documents = list(specs)
    sources = _of_projects(documents, "secrets")
    servers: list[ServerDefinition] = []
    broken: dict[str, OrdinautError] = {}
    limits: list[RateLimit] = []
    for document in documents:
        if document.kind != "ToolServer":
            continue
        key = task_label(document.namespace, document.name)
        try:
            secrets = Secrets(sources.get(document.project, {}), keyring)
            server = define_server(key, document.body, secrets, now)
            # What an older program wrote says nothing of it.
            limits += server_limits(key, document.body.get("rate_limits", ()))
            servers.append(server)
        except OrdinautError as error:
            broken[key] = error
        except Exception as error:  # noqa: BLE001 - a row that is no document must stop nobody who does not need it
            broken[key] = Unreadable.because(f"tool server {key}", error)
    agents = {
        label: _scope(label, d.body)
        for d in documents
        if d.kind == "Agent"
        for label in (task_label(d.namespace, d.name),)
    }
    prices = {d.project: _prices(d.body) for d in documents if d.kind == "Project"}
    models = _of_projects(documents, "models")
    return Live(
        revision_id,
        tuple(servers),
        broken,
        agents,
        sources,
        tuple(limits),
        prices,
        models=models,
    )


def _of_projects(documents: Iterable[LiveSpec], field: str) -> dict[str, Mapping[str, Any]]:
    """What each project has by names in a field."""
    return {d.project: _named(d.body, field) for d in documents if d.kind == "Project"}


def _needed(documents: Iterable[LiveSpec]) -> list[Source]:
    """Where the secrets of servers are read."""
    documents = list(documents)
    sources = _of_projects(documents, "secrets")
    needed = []
    for document in documents:
        # What is wrong with a row is told where it is assembled.
        with contextlib.suppress(Exception):
            if document.kind == "ToolServer":
                names = secret_names(compile_template(_filled(document.body)))
                own = sources.get(document.project, {})
                needed += [own[n] for n in own if n in names or EVERY_SECRET in names]
    return needed


def _filled(body: Mapping[str, Any]) -> list[Any]:
    """Those parts of a server's body in which templates stand."""
    http = body.get("http", {})
    return [
        body.get("stdio", {}).get("env"),
        http.get("headers"),
        http.get("auth"),
        http.get("tls"),
    ]


def _named(body: Any, field: str) -> Mapping[str, Any]:
    """A field of a project, by names; nothing, if its row is broken."""
    found = body.get(field) if isinstance(body, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _prices(body: Any) -> tuple[Price, ...]:
    """What a project knows of prices; nothing, if its row is broken: then costs are not known, and are said to be so."""
    try:
        return price_list(body.get("prices", ()))
    except Exception:  # noqa: BLE001 - as with servers
        return ()


def _scope(label: str, body: Mapping[str, Any]) -> Scope:
    try:
        limits = rate_limits(label, body["rate_limits"])
        budget = budget_of(label, body["budgets"])
        granted = body["destructive"] == "granted"
        return Scope(tuple(body["scopes"]), tuple(body["deny"]), limits, None, budget, granted)
    except Exception as error:  # noqa: BLE001 - as with servers
        return Scope((), broken=Unreadable.because(f"agent {label}", error))


def define_server(
    key: str, body: Mapping[str, Any], secrets: Secrets, now: datetime
) -> ServerDefinition:
    """One server's definition from its normalised body, with `${secrets.…}` filled in.

    Raises:
        SecretUnreadable: ORD410.
        ExpressionError: a template in its environment or headers cannot be rendered.
    """
    context = Context(now=now, secrets=secrets)

    def fill(values: Mapping[str, str]) -> dict[str, str]:
        return {
            name: str(compile_template(value).render(context)) for name, value in values.items()
        }

    transport: StdioTransport | HttpTransport
    if "stdio" in body:
        stdio = body["stdio"]
        transport = StdioTransport(
            stdio["command"],
            tuple(stdio["args"]),
            stdio.get("cwd"),
            fill(stdio["env"]),
            Sandbox(**body.get("sandbox", {})),
        )
    else:
        reached = body["http"]
        # What an older program wrote says nothing of it.
        auth, tls = reached.get("auth"), reached.get("tls")
        transport = HttpTransport(
            reached["url"],
            fill(reached["headers"]),
            None if auth is None else _authorization(fill(auth)),
            None if tls is None else Tls(**fill(tls)),
            reached.get("transport", "streamable"),
        )
    return ServerDefinition(
        key=key,
        transport=transport,
        protocol=body["protocol"],
        lifecycle=body["lifecycle"],
        max_concurrency=body["max_concurrency"],
        connect_timeout=parse_duration(body["connect_timeout"]),
        call_timeout=parse_duration(body["call_timeout"]),
        idle_stop=parse_duration(body["idle_stop"]),
        allow=tuple(body["tools"]["allow"]),
        deny=tuple(body["tools"]["deny"]),
        # Servers that nobody locked say nothing of it.
        locked={
            name: Locked(tool["contract"], tool["destructive"])
            for name, tool in body.get("locked", {}).items()
        },
        on_contract_change=body["on_contract_change"],
        result_bytes=body["limits"]["result_bytes"],
        memory_bytes=body["limits"].get("memory_bytes"),
        max_age=_span(body["limits"].get("max_age")),
    )


def _authorization(auth: Mapping[str, str]) -> ClientCredentials | BrowserLogin:
    return BrowserLogin(**auth) if "login" in auth else ClientCredentials(**auth)


def _span(text: str | None) -> timedelta | None:
    return None if text is None else parse_duration(text)
