"""Rules about what nobody needs: documents, variables, secrets and defaults."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.core.defaults import defaults_of, with_defaults
from reconciler.core.desired import Key
from reconciler.core.lint.world import World
from reconciler.core.locate import Path, path_text
from reconciler.core.references import references, tool_uses
from schemas.problem import Problem
from schemas.project import Project

_REFERRED = {
    "Agent": "no task names this agent",
    "Calendar": "no schedule names this calendar",
    "Pipeline": "no task uses this pipeline",
    "ToolServer": "no step calls a tool of this server",
}


def unused_documents(world: World) -> Iterator[Problem]:
    """ORD806: a document that no other names."""
    used = set(_used(world))
    for key, entry in world.entries.items():
        if key.kind in _REFERRED and key not in used:
            yield from entry.problem(
                ("name",), "ORD806", _REFERRED[key.kind], "remove it, or use it"
            )


def _used(world: World) -> Iterator[Key | None]:
    for key, entry in world.entries.items():
        for reference in references(entry.document):
            yield world.names.find(reference.kind, reference.text, key.namespace)
        for _, address in tool_uses(entry.document):
            yield world.names.find("ToolServer", address.partition(".")[0], key.namespace)


def unused_values(world: World) -> Iterator[Problem]:
    """ORD813: a variable, secret or default of the Project that nothing takes."""
    entry, project = world.project
    for root, path in _named_values(project):
        if not _is_named(root, str(path[-1]), world.texts.values()):
            yield from entry.problem(
                path, "ORD813", f"nothing reads `${{{root}.{path[-1]}}}`", "remove it, or use it"
            )
    for path, before, defaults in _single_defaults(defaults_of(project)):
        if not _is_taken(world, before, defaults):
            yield from entry.problem(
                path,
                "ORD813",
                f"no document takes the default `{path_text(path[1:])}`",
                "remove it, or the values that documents write instead",
            )


def _single_defaults(
    defaults: Mapping[str, Any],
) -> Iterator[tuple[Path, dict[str, Any], dict[str, Any]]]:
    """Each default with its path, and the defaults without and with it that tell whether a document takes it."""
    for name, value in defaults.items():
        if name != "namespaces":
            yield ("defaults", name), {}, {name: value}
    # The namespace of documents that name none tells whose defaults they take.
    before = {name: defaults[name] for name in ("namespace",) if name in defaults}
    for namespace, found in defaults.get("namespaces", {}).items():
        for name, value in found.items():
            path = ("defaults", "namespaces", namespace, name)
            yield path, before, {**before, "namespaces": {namespace: {name: value}}}


def _named_values(project: Project) -> Iterator[tuple[str, Path]]:
    for name in project.variables:
        yield "vars", ("variables", name)
    for name in project.secrets:
        yield "secrets", ("secrets", name)
    for called, environment in project.environments.items():
        for name in environment.variables:
            if name not in project.variables:
                yield "vars", ("environments", called, "variables", name)


def _is_named(root: str, name: str, texts: Iterable[str]) -> bool:
    pattern = re.compile(rf"\b{root}\s*\.\s*\"?{re.escape(name)}\b")
    return any(pattern.search(text) for text in texts)


def _is_taken(world: World, before: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    return any(
        with_defaults(entry.source.value, key.kind, defaults)
        != with_defaults(entry.source.value, key.kind, before)
        for key, entry in world.entries.items()
    )
