"""`notify` of tasks, to the tasks that do the telling: documents like all others, but that they stand where `notify` does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from reconciler.core.defaults import with_defaults
from reconciler.core.documents import Node, SourceDocument
from runtime.core.program import task_label
from schemas.base import API_VERSION
from schemas.durations import parse_duration

_DEFAULT_NAMESPACE: Final = "default"
_TOGETHER: Final = 100
_LATE: Final = "5m"
_INHERITED: Final = ("namespace", "owner", "labels")
_RETRY: Final = {
    "attempts": 8,
    "initial": "30s",
    "max": "10m",
    "retry_on": ["not_sent", "tool_error"],
}
_MINE: Final = "data.task == '{task}'"
# The event of each occasion, and what has to hold of it.
_EVENTS: Final[Mapping[str, tuple[str, str]]] = {
    "failure": ("ordinaut.run.failed", _MINE),
    "recovery": ("ordinaut.task.recovered", _MINE),
    "lateness": ("ordinaut.run.late", _MINE + " && data.after_seconds == `{late}`"),
    "approval": ("ordinaut.step.waiting", _MINE + " && data.kind == 'approval'"),
    "pause": ("ordinaut.task.paused", _MINE + " && data.actor == 'ordinaut'"),
    "drift": ("ordinaut.drift.detected", "data.document == 'Task/{task}'"),
}


def notices_of(
    documents: Iterable[SourceDocument], defaults: Mapping[str, Any] | None
) -> Iterator[SourceDocument]:
    """The tasks that the `notify` of these tasks asks for; none for an entry that says no such thing, which is told as it stands.

    Args:
        documents: as they were written.
        defaults: those of the Project.
    """
    for source in documents:
        if source.value.get("kind") != "Task":
            continue
        value = with_defaults(source.value, "Task", defaults)
        asked = value.get("notify")
        entries = asked if isinstance(asked, list) else [asked]
        for number, entry in enumerate(entries, start=1):
            if isinstance(entry, dict) and (made := _task(value, entry, number)) is not None:
                node = _node(source, number - 1 if isinstance(asked, list) else None)
                yield replace(source, value=made, node=node)


def _task(task: Mapping[str, Any], entry: Mapping[str, Any], number: int) -> dict[str, Any] | None:
    occasions = entry.get("on")
    on = occasions if isinstance(occasions, list) else [occasions]
    name, namespace = task.get("name"), task.get("namespace", _DEFAULT_NAMESPACE)
    try:
        late = parse_duration(entry.get("late") or _promised(task))
        parse_duration(within := entry.get("at_most_every", "1m"))
    except (ValueError, TypeError):
        return None
    if not (
        isinstance(name, str) and isinstance(namespace, str) and set(map(str, on)) <= set(_EVENTS)
    ):
        return None
    named = {"task": task_label(namespace, name), "late": _number(late.total_seconds())}
    step = {"id": "tell", **{key: entry[key] for key in ("uses", "with") if key in entry}}
    agent = entry.get("agent", task.get("agent"))
    return {
        "apiVersion": API_VERSION,
        "kind": "Task",
        "name": f"{name}-notify" + (f"-{number}" if number > 1 else ""),
        "description": f"Tells of {', '.join(map(str, on))} of {name}; made from its `notify`.",
        **{key: task[key] for key in _INHERITED if key in task},
        **({} if agent is None else {"agent": agent}),
        "overlap": "queue_all",
        "retry": _RETRY,
        "notify": None,
        "slo": None,
        "schedule": [
            {
                "event": event,
                "filter": condition.format(**named),
                "batch": {"max": _TOGETHER, "within": within},
            }
            for event, condition in (_EVENTS[str(one)] for one in on)
        ],
        "pipeline": [step],
    }


def _promised(task: Mapping[str, Any]) -> Any:
    """When a run of a task is late by its promises."""
    found: Any = task
    for name in ("slo", "lateness", "within"):
        found = found.get(name) if isinstance(found, dict) else None
    return found or _LATE


def _number(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


def _node(source: SourceDocument, position: int | None) -> Node:
    """The places of what was made: its step stands where the entry does, and all else with it."""
    children = source.node[1]
    if not isinstance(children, dict) or "notify" not in children:
        # From the defaults: the task is where it comes in.
        return (source.node[0], None)
    _, entry = children["notify"]
    if position is not None and isinstance(entry[1], list) and position < len(entry[1]):
        entry = entry[1][position]
    mark, fields = entry
    if not isinstance(fields, dict):
        return (mark, None)
    step: Node = (mark, {name: fields[name] for name in ("uses", "with") if name in fields})
    return (mark, {"pipeline": (mark, (mark, [step]))})
