"""How what tools promise differs from what they promised, in words that follow the name of a tool.

Pure. What only describes (titles, descriptions, examples) is told apart from what binds a call, since a person or a model may
act on a description, and a call does not depend on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from reconciler.core.documents import shown
from reconciler.core.misfit_words import TYPES
from runtime.core.binding import binding, claims_destructive
from schemas.tool_lock import ChangeKind, LockChange, LockedServer, LockedTool, ToolLock

_Told: TypeAlias = tuple[ChangeKind, str]


def lock_changes(before: ToolLock | None, after: ToolLock) -> tuple[LockChange, ...]:
    """Every difference between two tool locks, by server and tool."""
    old = before.servers if before is not None else {}
    return tuple(
        change
        for server in sorted(old.keys() | after.servers.keys())
        for change in _server_changes(server, old.get(server), after.servers.get(server))
    )


def tool_changes(before: LockedTool, after: LockedTool) -> tuple[_Told, ...]:
    """What one tool promises otherwise than before."""
    if before == after:
        return ()
    return (
        *_argument_changes(before.input_schema, after.input_schema),
        *_result_changes(before.output_schema, after.output_schema),
        *_claim_changes(before, after),
        *_description_changes(before, after),
    )


def _server_changes(
    server: str, before: LockedServer | None, after: LockedServer | None
) -> Iterator[LockChange]:
    if after is None:
        yield LockChange(
            server=server, kind="server_removed", text="is in the specs no more, and left out"
        )
        return
    if before is None:
        count = len(after.tools)
        text = f"is locked for the first time, with {count} tool{'' if count == 1 else 's'}"
        yield LockChange(server=server, kind="server_added", text=text)
        return
    for name in ("version", "protocol"):
        was, now = getattr(before, name), getattr(after, name)
        if was != now:
            what = f"has the {name} {shown(now) or '?'}, was {shown(was) or '?'}"
            yield LockChange(server=server, kind="server", text=what)
    for tool in sorted(before.tools.keys() | after.tools.keys()):
        for kind, text in _one_tool(before.tools.get(tool), after.tools.get(tool)):
            yield LockChange(server=server, tool=f"{server}.{tool}", kind=kind, text=text)


def _one_tool(before: LockedTool | None, after: LockedTool | None) -> Iterator[_Told]:
    if after is None:
        yield "removed", "is offered no more"
    elif before is None:
        destroys = ", and may destroy" if claims_destructive(after.annotations) else ""
        yield "added", f"is a new tool{destroys}"
    else:
        yield from tool_changes(before, after)


def _argument_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[_Told]:
    old, new = _properties(before), _properties(after)
    needed_before, needed = _required(before), _required(after)
    found = []
    for name in sorted(old.keys() | new.keys()):
        label = f"the argument `{shown(name)}`"
        if name not in new:
            found.append(f"takes {label} no more")
        elif name not in old:
            found.append(f"{'needs' if name in needed else 'takes'} {label}, which is new")
        else:
            if name in needed - needed_before:
                found.append(f"needs {label}, which was optional")
            elif name in needed_before - needed:
                found.append(f"needs {label} no more: it is optional")
            found += _value_changes(label, old[name], new[name])
    rest_before, rest = _rest(before), _rest(after)
    if binding(rest_before) != binding(rest):
        found.append("takes its arguments otherwise")
    elif not found and before != after:
        found.append("describes its arguments otherwise")
    yield from (("arguments", text) for text in found)


def _value_changes(label: str, before: Any, after: Any) -> Iterator[str]:
    was, now = _type_words(before), _type_words(after)
    if was != now:
        yield f"takes {now} as {label}, was {was}"
    elif binding(before) != binding(after):
        yield f"takes other values as {label}"
    elif before != after:
        yield f"describes {label} otherwise"


def _result_changes(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> Iterator[_Told]:
    match before, after:
        case None, None:
            pass
        case None, _:
            yield "result", "promises a structured result now"
        case _, None:
            yield "result", "promises no structured result any more"
        case _ if binding(before) != binding(after):
            yield "result", "promises another result"
        case _ if before != after:
            yield "result", "describes its result otherwise"
        case _:
            pass


def _claim_changes(before: LockedTool, after: LockedTool) -> Iterator[_Told]:
    if claims_destructive(after.annotations) and not claims_destructive(before.annotations):
        yield "annotations", "may destroy now, by what its server says"
    old, new = before.annotations, after.annotations
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            text = (
                f"has the annotation `{shown(name)}` {_shown(new, name)}, was {_shown(old, name)}"
            )
            yield "annotations", text


def _shown(annotations: Mapping[str, Any], name: str) -> str:
    value = annotations.get(name)
    if isinstance(value, bool):
        return str(value).lower()
    return "not given" if value is None else f"`{shown(str(value))}`"


def _description_changes(before: LockedTool, after: LockedTool) -> Iterator[_Told]:
    if before.description_digest != after.description_digest:
        yield "description", "has another description"


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}


def _required(schema: Mapping[str, Any]) -> set[str]:
    found = schema.get("required")
    return {name for name in found if isinstance(name, str)} if isinstance(found, list) else set()


def _rest(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What a schema says of the arguments as a whole."""
    return {k: v for k, v in schema.items() if k not in {"properties", "required"}}


def _type_words(schema: Any) -> str:
    """The types that a value may have; `anything` where the schema does not say it outright."""
    return " or ".join(_types(schema)) or "anything"


def _types(schema: Any) -> list[str]:
    if not isinstance(schema, Mapping):
        return []
    found = schema.get("type")
    if isinstance(found, str | list):
        names = [found] if isinstance(found, str) else found
        return [TYPES.get(str(name), shown(str(name))) for name in names]
    words: list[str] = []
    for part in schema.get("anyOf") or ():
        inner = _types(part)
        if not inner:
            return []
        words += inner
    return list(dict.fromkeys(words))
