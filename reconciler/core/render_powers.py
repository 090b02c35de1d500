"""What a new agent or tool server may do, as lines of a plan: nobody should have to ask for that."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.contract_gains import LOCKED, contract_changes
from reconciler.core.event_gains import hooks_in, streams_in
from reconciler.core.look import Look, counted, flow, value_text, visible, wrapped
from reconciler.core.model_gains import models_in
from reconciler.core.process_gains import processes_in
from reconciler.core.secret_gains import commands_in
from schemas.plan import FieldChange, PlannedChange

Body = Mapping[str, Any]


def power_lines(change: PlannedChange, room: int) -> Iterator[tuple[str, list[str]]]:
    """Named lines about what comes into force; what goes on existing shows what changes of it.

    Args:
        room: columns for the text of a line.
    """
    body = change.shown_body
    if body is None or change.action not in {"create", "adopt"}:
        return
    named = {"Agent": _agent, "Project": _project, "ToolServer": _server}.get(change.kind)
    for name, parts in named(body) if named else ():
        shown = [visible(part) for part in parts]
        yield name, flow(shown, room, indent="") if name not in _ALONE else shown


def contract_lines(change: PlannedChange, look: Look, room: int) -> list[str]:
    """A line for each change of what a tool server promises; as many as fit, but all that must not be missed."""
    tools = [op for op in change.ops if op.path == f"/{LOCKED}"]
    lines = [_locked_words(op) for op in tools]
    every = contract_changes(change.ops)
    loud = sum(told.is_loud for told in every)
    shown = every if look.verbose else every[: max(loud, _SHOWN)]
    for told in shown:
        sign = f"{look.paint('!', 'note')} " if told.is_loud else ""
        first, *rest = wrapped(f"{visible(told.tool)} {told.words}", room - 2)
        lines += [f"{sign}{first}", *rest]
    if len(every) > len(shown):
        more = counted(len(every) - len(shown), "more change")
        lines.append(look.paint(f"and {more} (-v)", "dim"))
    return lines


# How many changes are shown before `-v` is needed.
_SHOWN = 4


def _locked_words(op: FieldChange) -> str:
    if op.op == "remove":
        return "held to no tool lock any more"
    tools = op.after if isinstance(op.after, Mapping) else {}
    return f"locked, {counted(len(tools), 'tool')}"


# Of these each is a sentence.
_ALONE = frozenset({"limits", "budgets"})


def _agent(body: Body) -> Iterator[tuple[str, list[str]]]:
    yield "may call", list(body.get("scopes") or ["nothing"])
    if body.get("destructive") == "granted":
        yield "", ["destructive tools without approval"]
    yield "denied", list(body.get("deny", ()))
    yield "limits", _limits(body)
    yield "budgets", [_budget(one) for one in body.get("budgets", ())]


def _limits(body: Body) -> list[str]:
    return [
        f"{one['calls']} calls of {one['tools']} in {one['per']}"
        + (f" for each {one['key']}" if "key" in one else "")
        for one in body.get("rate_limits", ())
    ]


def _budget(budget: Body) -> str:
    parts = [f"{budget[name]} {name}" for name in ("runs", "tokens") if name in budget]
    if "cost" in budget:
        parts.append(f"{budget['cost']} {budget['currency']}")
    return f"{', '.join(parts)} a {budget['per']}"


def _project(body: Body) -> Iterator[tuple[str, list[str]]]:
    commands = commands_in(body).items()
    yield "runs", [value_text(f"{command} for {name}", _LONGEST) for name, command in commands]
    programs = processes_in(body).items()
    yield "up", [value_text(f"{command} as {name}", _LONGEST) for name, command in programs]
    models = models_in(body).items()
    yield "asks", [value_text(f"{model} as {name}", _LONGEST) for name, model in models]
    hooks = [f"/hooks/{body['name']}/{name}" for name in hooks_in(body)]
    streams = [f"the stream {name}" for name in streams_in(body)]
    yield "events", hooks + streams


def _tokens(auth: Body) -> Iterator[str]:
    words = {"issuer": "from", "client_id": "as"}
    if named := [f"{word} {auth[name]}" for name, word in words.items() if name in auth]:
        yield " ".join(named)
    if "scope" in auth:
        yield f"for {auth['scope']}"
    if "login" in auth:
        yield "that a person allows"


_TLS = {"ca": "believes authorities of its own", "certificate": "shows a certificate"}


def _server(body: Body) -> Iterator[tuple[str, list[str]]]:
    if stdio := body.get("stdio"):
        yield "runs", [*_command(stdio), *_confined(body.get("sandbox") or {})]
        yield "env", sorted(stdio.get("env", ()))
    if http := body.get("http"):
        yield "reaches", [http["url"]]
        yield "headers", sorted(http.get("headers", ()))
        if auth := http.get("auth"):
            yield "tokens", list(_tokens(auth))
        if tls := http.get("tls"):
            yield "tls", [words for name, words in _TLS.items() if name in tls]
    tools = body.get("tools", {})
    allowed, denied = list(tools.get("allow", ())), list(tools.get("deny", ()))
    if denied or allowed != ["*"]:
        yield "tools", [*allowed, *(f"but not {tool}" for tool in denied)]
    yield "limits", _limits(body)
    if locked := body.get(LOCKED):
        destructive = [name for name, tool in locked.items() if tool["destructive"]]
        yield (
            "contract",
            [
                f"locked, {counted(len(locked), 'tool')}",
                *(f"{name} may destroy" for name in destructive),
            ],
        )


def _command(stdio: Body) -> Iterator[str]:
    words = [stdio["command"], *stdio.get("args", ())]
    yield value_text(shlex.join(words), _LONGEST)
    if "cwd" in stdio:
        yield f"in {stdio['cwd']}"


# A program that is handed over as an argument is read with -v.
_LONGEST = 200


def _confined(sandbox: Body) -> Iterator[str]:
    if "user" in sandbox:
        yield f"as {sandbox['user']}"
    if sandbox.get("network") is False:
        yield "without network"
