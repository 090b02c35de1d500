"""A document to the body that is stored: absolute references, and a task's pipeline written out in place.

A task's own steps stay a list under `pipeline`; the use of a Pipeline document becomes `pipeline: {use, with, steps}`, and
`finally` where the document has it. `with` has the defaults of the pipeline's JSON Schema filled in, so that a run needs no
other document. For the same reason `calendars` holds the content of each calendar that a schedule names. A tool server that
is in the tool lock has under `locked` what its tools are held to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.calendars import Content, Events
from reconciler.core.desired import Key
from reconciler.core.digest import normalised
from reconciler.core.references import Names, offers
from runtime.core.binding import claims_destructive, contract_digest
from runtime.core.waits import RUN
from schemas.base import Document
from schemas.calendar import Calendar
from schemas.pipeline import Pipeline, PipelineUse
from schemas.task import Task
from schemas.tool_lock import LockedServer
from schemas.tool_server import ToolServer


@dataclass(frozen=True, slots=True)
class Referred:
    """What a document may refer to.

    Attributes:
        names: every identity.
        pipelines: the pipelines that are known whole.
        events: what the .ics files of calendars hold.
        calendars: the content of the calendars that are known whole.
        locked: what the tool lock holds, by server.
    """

    names: Names
    pipelines: Mapping[Key, Pipeline]
    events: Mapping[Key, Events]
    calendars: Mapping[Key, Content]
    locked: Mapping[str, LockedServer] = field(default_factory=dict)


def resolved_body(document: Document, key: Key, referred: Referred) -> dict[str, Any]:
    """The normalised JSON of a document whose references were all found."""
    body = normalised(document)
    match document:
        case Task():
            _resolve_task(body, document, referred)
        case Pipeline():
            _resolve_steps(body["steps"], referred.names, document.namespace)
            _resolve_steps(body.get("finally", ()), referred.names, document.namespace)
        case Calendar() if document.ics is not None:
            body["events"] = list(referred.events.get(key, ()))
        case ToolServer() if (server := referred.locked.get(key.label)) is not None:
            body["locked"] = _locked(document, server)
        case _:
            pass
    return body


def _locked(server: ToolServer, locked: LockedServer) -> dict[str, dict[str, Any]]:
    """Of each tool that may be used, what a run holds it to and what a reviewer is to see change."""
    return {
        name: {
            "contract": contract_digest(tool.input_schema, tool.output_schema),
            "description": tool.description_digest,
            "destructive": claims_destructive(tool.annotations),
        }
        for name, tool in sorted(locked.tools.items())
        if offers(server, name)
    }


def _resolve_task(body: dict[str, Any], task: Task, referred: Referred) -> None:
    namespace, names = task.namespace, referred.names
    if task.agent is not None:
        body["agent"] = _label("Agent", task.agent, names, namespace)
    calendars: dict[str, Content] = {}
    for schedule in body["schedule"]:
        for name in ("include", "exclude"):
            found = [names.find("Calendar", text, namespace) for text in schedule.get(name, ())]
            keys = [key for key in found if key is not None]
            if found:
                schedule[name] = [key.label for key in keys]
            calendars |= {
                key.label: referred.calendars[key] for key in keys if key in referred.calendars
            }
        if "condition" in schedule:
            _resolve_tool(schedule["condition"], "uses", names, namespace)
    if calendars:
        body["calendars"] = calendars
    if isinstance(task.pipeline, PipelineUse):
        body["pipeline"] = _written_out(task.pipeline, names, namespace, referred.pipelines)
    else:
        _resolve_steps(body["pipeline"], names, namespace)
        _resolve_steps(body.get("finally", ()), names, namespace)


def _written_out(
    use: PipelineUse, names: Names, namespace: str, pipelines: Mapping[Key, Pipeline]
) -> dict[str, Any]:
    key = names.find("Pipeline", use.use, namespace)
    if key is None or key not in pipelines:
        return {"use": use.use, "with": use.with_, "steps": []}
    pipeline = pipelines[key]
    body = normalised(pipeline)
    lists: dict[str, Any] = {name: body[name] for name in ("steps", "finally") if name in body}
    for steps in lists.values():
        _resolve_steps(steps, names, pipeline.namespace)
    return {"use": key.label, "with": {**default_params(pipeline), **use.with_}} | lists


def default_params(pipeline: Pipeline) -> dict[str, Any]:
    """The parameters that a pipeline's JSON Schema gives a default."""
    properties = pipeline.params.get("properties")
    return {
        name: schema["default"]
        for name, schema in (properties.items() if isinstance(properties, dict) else ())
        if isinstance(schema, dict) and "default" in schema
    }


def _resolve_steps(steps: Iterable[dict[str, Any]], names: Names, namespace: str) -> None:
    for step in steps:
        _resolve_tool(step, "uses", names, namespace)
        if step["uses"] == RUN and "${" not in (task := str(step["with"].get("task", "${"))):
            # Without a look at other documents: no document depends on a task.
            step["with"] = {**step["with"], "task": Key.of("Task", task, namespace).label}
        if isinstance(step["on_unknown"], dict):
            _resolve_tool(step["on_unknown"], "verify", names, namespace)


def _resolve_tool(holder: dict[str, Any], name: str, names: Names, namespace: str) -> None:
    holder[name] = names.server(holder[name], namespace) or holder[name]


def _label(kind: str, text: str, names: Names, namespace: str) -> str:
    found = names.find(kind, text, namespace)
    return found.label if found else text
