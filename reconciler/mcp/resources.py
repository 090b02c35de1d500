"""Resources: documents in force and runs by their addresses, and what one has to know to change anything."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Final
from uuid import UUID

from mcp_types import Resource, ResourceTemplate

from reconciler.core.desired import Key
from reconciler.core.exporting import as_yaml, written
from reconciler.mcp.bounding import shortened_run
from reconciler.mcp.calling import Call
from runtime.errors import NotFound
from runtime.lookup import resolve_task
from runtime.store.runs import load_run
from schemas.token import Scope

_SCHEME: Final = "ordinaut://"
_YAML: Final = "application/yaml"
_JSON: Final = "application/json"
_MARKDOWN: Final = "text/markdown"
_MAX_URI: Final = 512
_WHOEVER: Final[frozenset[Scope]] = frozenset({"read", "propose"})


@dataclass(frozen=True, slots=True)
class Page:
    """What an address leads to.

    Attributes:
        mime_type: what the text is.
        text: the text.
    """

    mime_type: str
    text: str


GUIDE: Final = Resource(
    uri="ordinaut://guides/change-flow",
    name="change-flow",
    title="How schedules are changed",
    description="The way of a change: read, write, validate, plan, propose, review.",
    mime_type=_MARKDOWN,
)
SCHEMA: Final = Resource(
    uri="ordinaut://schema/task.json",
    name="task-schema",
    title="JSON Schema of a Task",
    description="The language that tasks are written in.",
    mime_type=_JSON,
)
TASK: Final = ResourceTemplate(
    uri_template="ordinaut://tasks/{namespace}/{name}",
    name="task",
    title="A task in force",
    description="Its document as YAML, without what is so by default. The namespace is `default` where specs name none.",
    mime_type=_YAML,
)
RUN: Final = ResourceTemplate(
    uri_template="ordinaut://runs/{run_id}",
    name="run",
    title="A run",
    description="Its story, as get_run tells it.",
    mime_type=_JSON,
)


def resources_for(call: Call) -> list[Resource]:
    """What a caller is shown that has one address."""
    return [GUIDE, SCHEMA] if any(map(call.caller.may, _WHOEVER)) else []


def templates_for(call: Call) -> list[ResourceTemplate]:
    """What a caller is shown that has many."""
    return [TASK, RUN] if call.caller.may("read") else []


def read_resource(call: Call, uri: str) -> Page:
    """What an address leads to.

    Raises:
        NotFound: ORD310, nowhere, or to what the caller may not see.
    """
    fixed = {GUIDE.uri: _guide, SCHEMA.uri: _schema}
    if uri in fixed and resources_for(call):
        return fixed[uri]()
    if len(uri) <= _MAX_URI and uri.startswith(_SCHEME) and templates_for(call):
        match uri.removeprefix(_SCHEME).split("/"):
            case ["tasks", namespace, name]:
                return _task(call, namespace, name)
            case ["runs", run_id]:
                return _run(call, run_id)
            case _:
                pass
    raise NotFound(
        f"there is no resource {uri[:_MAX_URI]!r} for this caller",
        hint=f"there are {GUIDE.uri}, {SCHEMA.uri}, {TASK.uri_template} and {RUN.uri_template}",
    )


def _guide() -> Page:
    return Page(_MARKDOWN, (resources.files(__package__) / "change-flow.md").read_text("utf-8"))


def _schema() -> Page:
    return Page(_JSON, (resources.files("schemas") / "task.schema.json").read_text("utf-8"))


def _task(call: Call, namespace: str, name: str) -> Page:
    with call.reading() as connection:
        found = resolve_task(connection, f"{namespace}/{name}")
    if found.retired_at is not None:
        raise NotFound(f"task {namespace}/{name} was retired")
    document = written(Key("Task", namespace, name), found.body, defaults={}, skip_defaults=True)
    return Page(_YAML, as_yaml(document))


def _run(call: Call, run_id: str) -> Page:
    try:
        wanted = UUID(run_id)
    except ValueError:
        raise NotFound(f"{run_id!r} is no id of a run", hint="list_runs has them") from None
    with call.reading() as connection:
        report = load_run(connection, wanted)
    return Page(_JSON, shortened_run(report).model_dump_json())
