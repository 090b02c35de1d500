"""A stored body back to a document as people write it, which compiles to the same body.

What compiling wrote out is folded again: a task's steps to the use of its pipeline, the content of calendars to their
names, which are told apart from those of the document's own namespace. The Project's defaults, which would be laid under
the document, are kept from what it does not say. Overlays are in the documents already, so the Project names none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import yaml
from pydantic import ValidationError

from reconciler.core.desired import Key
from reconciler.core.digest import NORMAL_FORM
from reconciler.core.formatting import format_file
from runtime.core.waits import RUN
from runtime.errors import PlanError
from schemas import patterns
from schemas.base import API_VERSION
from schemas.spec import BUILTIN_SERVERS, KINDS

# Fields that a document may do without although the Project has a default for them.
_ABSENT: Final = {"Task": ("owner", "agent")}
_SPAN: Final = re.compile(patterns.DURATION)
_WIDTH: Final = 100


class _Dumper(yaml.SafeDumper):
    """Block style, and quotes around every text that YAML 1.2 or 1.1 could take for something else."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - PyYAML's signature
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # What begins with a letter is no number in any version of YAML, and no span is; words such as `no` PyYAML quotes.
    plain = (text[:1].isascii() and text[:1].isalpha()) or _SPAN.fullmatch(text)
    style = "|" if "\n" in text else None if plain else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def written(
    key: Key, body: Mapping[str, Any], *, defaults: Mapping[str, Any], skip_defaults: bool
) -> dict[str, Any]:
    """The document, in the order of its model.

    Args:
        defaults: those of the Project that it belongs to.
        skip_defaults: leave out what says what is so anyway.

    Raises:
        PlanError: ORD213, somebody changed the row to something that is no document.
    """
    try:
        kind = key.kind
        folded = _folded(kind, body)
        model = KINDS[kind].model_validate({"apiVersion": API_VERSION, **folded})
    except (ValidationError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise PlanError(
            f"{key} is no valid document any more: somebody changed its row by hand",
            hint="`ordinaut apply` restores what git says",
            code="ORD213",
        ) from error
    whole = model.model_dump(**NORMAL_FORM, exclude={"renamed_from"})
    if skip_defaults:
        telling = model.model_dump(**NORMAL_FORM, exclude={"renamed_from"}, exclude_defaults=True)
        whole = {
            name: telling.get(name, value)
            for name, value in whole.items()
            if name in telling or name in defaults
        }
    absent = _ABSENT.get(kind, ("owner",)) if kind != "Project" else ()
    return whole | {name: None for name in absent if name in defaults and name not in whole}


def as_yaml(document: Mapping[str, Any]) -> str:
    """The document in the one form of spec files."""
    text = yaml.dump(
        dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH
    )
    return format_file("", text.encode()).data.decode()


def _folded(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    named = _Names(body["namespace"])
    match kind:
        case "Task":
            return _task(body, named)
        case "Pipeline":
            steps = {"steps": [_step(one, named) for one in body["steps"]]}
            return {**body, **steps, **_finally(body, named)}
        case "Calendar":
            return {name: value for name, value in body.items() if name != "events"}
        case "Project":
            return _project(body)
        case "ToolServer":
            return {name: value for name, value in body.items() if name != "locked"}
        case _:
            return dict(body)


def overlays_of(kind: str, body: Mapping[str, Any]) -> list[str]:
    """The environments of a Project for which something is laid over its documents."""
    environments = body.get("environments", {}) if kind == "Project" else {}
    return [name for name, one in environments.items() if "overlay" in one]


def _project(body: Mapping[str, Any]) -> dict[str, Any]:
    environments = {
        name: {field: value for field, value in one.items() if field != "overlay"}
        for name, one in body.get("environments", {}).items()
    }
    return {**body, "environments": environments}


def _task(body: Mapping[str, Any], named: _Names) -> dict[str, Any]:
    task = {name: value for name, value in body.items() if name != "calendars"}
    pipeline = body["pipeline"]
    task["pipeline"] = (
        {"use": named.document(pipeline["use"]), "with": pipeline["with"]}
        if isinstance(pipeline, dict)
        else [_step(one, named) for one in pipeline]
    )
    task |= _finally(body, named)
    task["schedule"] = [_schedule(one, named) for one in body["schedule"]]
    if "agent" in body:
        task["agent"] = named.document(body["agent"])
    return task


def _finally(body: Mapping[str, Any], named: _Names) -> dict[str, Any]:
    return {"finally": [_step(one, named) for one in body["finally"]]} if "finally" in body else {}


def _schedule(schedule: Mapping[str, Any], named: _Names) -> dict[str, Any]:
    found = dict(schedule)
    for name in ("include", "exclude"):
        if name in found:
            found[name] = [named.document(label) for label in found[name]]
    if "condition" in found:
        found["condition"] = _with(found["condition"], "uses", named.tool)
    return found


def _step(step: Mapping[str, Any], named: _Names) -> dict[str, Any]:
    found = _with(step, "uses", named.tool)
    if step["uses"] == RUN and "${" not in str(step["with"].get("task", "${")):
        found["with"] = _with(step["with"], "task", named.document)
    if isinstance(step.get("on_unknown"), dict):
        found["on_unknown"] = _with(step["on_unknown"], "verify", named.tool)
    return found


def _with(holder: Mapping[str, Any], name: str, change: Callable[[str], str]) -> dict[str, Any]:
    return {**holder, name: change(holder[name])}


class _Names:
    """How documents are called from within a namespace: those of `default` are not taken for its own."""

    def __init__(self, namespace: str) -> None:
        self._prefix = "" if namespace == "default" else "default/"

    def document(self, label: str) -> str:
        return label if "/" in label else self._prefix + label

    def tool(self, address: str) -> str:
        server = address.partition(".")[0]
        return (
            address
            if server in BUILTIN_SERVERS
            else self.document(server) + address[len(server) :]
        )


def file_of(kind: str, namespace: str, name: str) -> Iterator[str]:
    """The parts of the path of a document's file; the Project is where a reader looks for it."""
    if kind == "Project":
        yield "ordinaut.yaml"
        return
    yield _FOLDERS[kind]
    if namespace != "default":
        yield namespace
    yield f"{name}.yaml"


_FOLDERS: Final = {
    "Task": "tasks",
    "Pipeline": "pipelines",
    "ToolServer": "servers",
    "Agent": "agents",
    "Calendar": "calendars",
}
