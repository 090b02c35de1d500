"""What documents name in one another, and whether it is there.

A bare name is looked up in the document's own namespace first and in `default` after that; `namespace/name` is meant
exactly. What compiling hands on is absolute: `name` for the default namespace, `namespace/name` for any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from reconciler.core.desired import Key
from reconciler.core.locate import Path
from schemas.agent import Agent
from schemas.base import Document
from schemas.pipeline import Pipeline, PipelineUse, Step, Verify
from schemas.project import Project
from schemas.schedule import ConditionSchedule, TimeBound
from schemas.spec import BUILTIN_SERVERS, POWERLESS_TOOLS
from schemas.task import Task
from schemas.tool_server import ToolServer


@dataclass(frozen=True, slots=True)
class Reference:
    """One document naming another: which kind it wants, the text it gave, and where."""

    kind: str
    text: str
    path: Path


@dataclass(frozen=True, slots=True)
class Names:
    """Every identity in the specs.

    Attributes:
        known: the identities.
        doubtful: names that stand in what could not be understood, and may well exist.
        unread: whether there are files whose text is not known at all, so that any name may exist.
    """

    known: frozenset[Key]
    doubtful: frozenset[str] = frozenset()
    unread: bool = False

    def find(self, kind: str, text: str, namespace: str) -> Key | None:
        """The document that a reference means."""
        own = Key.of(kind, text, namespace)
        if own in self.known:
            return own
        shared = Key.of(kind, text, "default")
        return shared if shared in self.known else None

    def may_exist(self, text: str) -> bool:
        """Whether a name that was not found stands in what could not be read."""
        return self.unread or text.rpartition("/")[2] in self.doubtful

    def of_kind(self, kind: str, namespace: str) -> tuple[str, ...]:
        """How the documents of a kind are called from within a namespace, sorted."""
        return _called(self.known, kind, namespace)

    def server(self, address: str, namespace: str) -> str | None:
        """The absolute address of a tool, or None if its server is not known."""
        server, _, tool = address.partition(".")
        if server in BUILTIN_SERVERS:
            return address
        found = self.find("ToolServer", server, namespace)
        return f"{found.label}.{tool}" if found else None


@lru_cache(maxsize=64)
def _called(known: frozenset[Key], kind: str, namespace: str) -> tuple[str, ...]:
    """The names for suggestions; a mistake made in many documents asks for the same ones again and again."""
    keys = [key for key in known if key.kind == kind]
    names = {key.label for key in keys} | {key.name for key in keys if key.namespace == namespace}
    return tuple(sorted(names | BUILTIN_SERVERS if kind == "ToolServer" else names))


def steps_of(document: Document) -> Iterator[tuple[Path, Step]]:
    """The steps that stand in a document itself, with their paths; those of `finally` come last."""
    match document:
        case Task(pipeline=tuple() as steps):
            yield from ((("pipeline", number), step) for number, step in enumerate(steps))
        case Pipeline(steps=steps):
            yield from ((("steps", number), step) for number, step in enumerate(steps))
        case _:
            pass
    if isinstance(document, Task | Pipeline):
        for number, step in enumerate(document.finally_ or ()):
            yield ("finally", number), step


def step_lists(document: Document) -> tuple[list[Step], list[Step]]:
    """The steps that stand in a document itself, and those of its `finally`."""
    lists: tuple[list[Step], list[Step]] = ([], [])
    for path, step in steps_of(document):
        lists[path[0] == "finally"].append(step)
    return lists


def tool_uses(document: Document) -> Iterator[tuple[Path, str]]:
    """The tools that a document itself names, as written, with their paths."""
    for path, step in steps_of(document):
        yield (*path, "uses"), step.uses
        if isinstance(step.on_unknown, Verify):
            yield (*path, "on_unknown", "verify"), step.on_unknown.verify
    if isinstance(document, Task):
        for number, schedule in enumerate(document.schedule):
            if isinstance(schedule, ConditionSchedule):
                yield ("schedule", number, "condition", "uses"), schedule.condition.uses


def references(document: Document) -> Iterator[Reference]:
    """The documents that a document names, tool servers aside."""
    if isinstance(document, Project) and document.proposals is not None:
        for number, rule in enumerate(document.proposals.merge):
            yield Reference("Agent", rule.agent, ("proposals", "merge", number, "agent"))
    if not isinstance(document, Task):
        return
    if document.agent is not None:
        yield Reference("Agent", document.agent, ("agent",))
    if isinstance(document.pipeline, PipelineUse):
        yield Reference("Pipeline", document.pipeline.use, ("pipeline", "use"))
    for number, schedule in enumerate(document.schedule):
        if isinstance(schedule, TimeBound | ConditionSchedule):
            for name in ("include", "exclude"):
                for item, text in enumerate(getattr(schedule, name) or ()):
                    yield Reference("Calendar", text, ("schedule", number, name, item))


def offers(server: ToolServer, tool: str) -> bool:
    """Whether the filter of a server lets a tool be used."""
    return any(fnmatchcase(tool, pattern) for pattern in server.tools.allow) and not any(
        fnmatchcase(tool, pattern) for pattern in server.tools.deny
    )


def refusal(agent: Agent, address: str) -> str | None:
    """The pattern that refuses a tool to an agent, `""` if no scope names it, None if it may be called."""
    if address in POWERLESS_TOOLS:
        return None
    for pattern in agent.deny:
        if fnmatchcase(address, pattern):
            return pattern
    return None if any(fnmatchcase(address, pattern) for pattern in agent.scopes) else ""
