"""What a change lets somebody do that they could not do before: call a tool, spend more, run another program, plan more freely."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from reconciler.core.contract_gains import contract_gains
from reconciler.core.event_gains import (
    hooks_gained,
    hooks_in,
    streams_gained,
    streams_in,
    topics_gained,
    topics_in,
)
from reconciler.core.loosening import loosened
from reconciler.core.merge_gains import merges_gained
from reconciler.core.model_gains import models_gained, models_in
from reconciler.core.process_gains import processes_gained, processes_in
from reconciler.core.secret_gains import commands_gained, commands_in
from schemas.plan import FieldChange, PlannedChange

_TRANSPORTS: Final = frozenset({"stdio", "http", "sandbox"})
_GRANTED: Final = "may call destructive tools without approval"
_LIMITS: Final = frozenset({"rate_limits", "budgets"})


def gains_of(change: PlannedChange) -> tuple[str, ...]:
    """The gains of a change, in words that follow its name; what is only taken away is none."""
    return tuple(dict.fromkeys(_gains(change)))


def _gains(change: PlannedChange) -> Iterator[str]:
    # What was applied was reviewed: to restore it is no gain.
    if change.action == "retire" or change.reason == "drift":
        return
    yield from loosened(change.kind, change.reason, change.ops)
    yield from (f"calls {tool}" for tool in change.tools.added)
    is_new = change.action in {"create", "adopt"}
    match change.kind:
        case "Agent" if is_new:
            scopes = (change.shown_body or {}).get("scopes", ())
            yield from (f"may call {scope}" for scope in scopes)
            if (change.body or {}).get("destructive") == "granted":
                yield _GRANTED
        case "Agent":
            for op in change.ops:
                yield from _powers(op)
        case "ToolServer":
            yield from ["is a new tool server"] if is_new else _of_server(change.ops)
        case "Project":
            names = commands_in(change.body or {}) if is_new else commands_gained(change.ops)
            yield from (f"runs a program for the secret {name}" for name in names)
            programs = processes_in(change.body or {}) if is_new else processes_gained(change.ops)
            yield from (f"has `ordinaut up` run {name}" for name in sorted(set(programs)))
            models = models_in(change.body or {}) if is_new else models_gained(change.ops)
            yield from (f"asks something else for the model {name}" for name in models)
            hooks = hooks_in(change.body or {}) if is_new else hooks_gained(change.ops)
            yield from (f"takes events at /hooks/{change.name}/{name}" for name in hooks)
            yield from merges_gained(
                (change.body or {}).get("proposals"), change.ops, is_new=is_new
            )
            streams = streams_in(change.body or {}) if is_new else streams_gained(change.ops)
            yield from (f"takes events of the stream {name}" for name in streams)
        case "Task":
            topics = topics_in(change.body or {}) if is_new else topics_gained(change.ops)
            yield from (f"is started by events {topic}" for topic in topics)
        case _:
            pass


def _of_server(ops: Collection[FieldChange]) -> Iterator[str]:
    if any(_top(op) in _TRANSPORTS for op in ops):
        yield "runs or reaches something else"
    if any(_top(op) == "rate_limits" for op in ops):
        yield _other("rate_limits")
    yield from contract_gains(ops)


def _powers(op: FieldChange) -> Iterator[str]:
    match _top(op):
        case "scopes":
            yield from (f"may call {scope}" for scope in _more(op.before, op.after))
        case "deny":
            yield from (f"is not denied {scope}" for scope in _more(op.after, op.before))
        case "destructive" if op.after == "granted":
            yield _GRANTED
        case name if name in _LIMITS:
            yield _other(name)
        case _:
            pass


def _other(limits: str) -> str:
    """Which of two limits lets more through depends on what is called."""
    return f"has other {limits.replace('_', ' ')}"


def _more(before: list[str] | None, after: list[str] | None) -> list[str]:
    return [scope for scope in after or () if scope not in (before or ())]


def _top(op: FieldChange) -> str:
    return op.path.split("/")[1] if op.path else ""
