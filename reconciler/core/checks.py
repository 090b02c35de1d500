"""What documents say of one another: references, tool servers and their filters, agents' powers, schedules.

Each check is a generator of problems over one document; none stops another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reconciler.core.contract_checks import NO_CONTRACTS, Contracts, contract_problems
from reconciler.core.desired import Key
from reconciler.core.destruction_checks import destruction_problems
from reconciler.core.effect_checks import effect_problems
from reconciler.core.entry import Entry
from reconciler.core.llm_checks import llm_problems
from reconciler.core.locate import Path
from reconciler.core.money_checks import money_problems
from reconciler.core.params import argument_problems, schema_problems
from reconciler.core.policy_checks import policy_problems
from reconciler.core.references import (
    Names,
    offers,
    references,
    refusal,
    step_lists,
    steps_of,
    tool_uses,
)
from reconciler.core.result_checks import result_problems
from reconciler.core.suggest import did_you_mean, nearest
from reconciler.core.templates import template_problems
from reconciler.core.timing import time_problems
from reconciler.core.wait_checks import wait_problems
from runtime.core.graph import StepGraph, find_problems
from schemas.agent import Agent
from schemas.base import Document
from schemas.pipeline import Goto, Pipeline, PipelineUse, Step
from schemas.problem import Problem
from schemas.project import Project
from schemas.spec import BUILTIN_SERVERS, BUILTIN_TOOLS
from schemas.task import Task
from schemas.tool_server import ToolServer

# The names of one server's tools are alike: only a slip of the pen is taken for another tool.
_MISSPELT: Final = 0.9


@dataclass(frozen=True, slots=True)
class World:
    """What a document is checked against.

    Attributes:
        names: every identity.
        documents: every model by identity, those with stand-ins too.
        flawed: identities of documents with errors of their own, whose content proves nothing.
        secrets: the secrets that the Project declares; None if it could not be read.
        calendars: the canonical content of the calendars that are known whole.
        contracts: what the tool lock holds.
        models: the language models that the Project names; None if it could not be read.
    """

    names: Names
    documents: Mapping[Key, Document]
    flawed: frozenset[Key]
    secrets: frozenset[str] | None
    calendars: Mapping[Key, bytes]
    contracts: Contracts = NO_CONTRACTS
    models: frozenset[str] | None = None


def document_problems(entry: Entry, world: World) -> Iterator[Problem]:
    """Everything that is wrong with a document beside its shape."""

    def server_of(address: str) -> ToolServer | None:
        return _server_of(address, entry, world)

    yield from reserved_name_problems(entry)
    yield from project_name_problems(entry)
    yield from reference_problems(entry, world.names)
    yield from tool_problems(entry, world)
    yield from contract_problems(entry, world.contracts, server_of)
    yield from llm_problems(entry, world.models)
    yield from result_problems(entry, world.contracts, server_of)
    yield from _destruction_problems(entry, world)
    yield from template_problems(entry, world.secrets)
    yield from step_problems(entry)
    yield from effect_problems(entry, server_of)
    yield from finally_problems(entry)
    yield from wait_problems(entry)
    yield from time_problems(entry, world.names, world.calendars)
    yield from schema_problems(entry)
    yield from use_problems(entry, world)
    yield from policy_problems(entry)
    yield from money_problems(entry, world.documents.values())


def reserved_name_problems(entry: Entry) -> Iterator[Problem]:
    """A tool server under the name of one that is built in."""
    if isinstance(entry.document, ToolServer) and entry.document.name in BUILTIN_SERVERS:
        yield from entry.problem(
            ("name",),
            "ORD008",
            f"`{entry.document.name}` is the name of a built-in tool server",
            "choose another name",
        )


def project_name_problems(entry: Entry) -> Iterator[Problem]:
    """A Project with a former name: whose a document is would be another's from one apply to the next."""
    if isinstance(entry.document, Project) and entry.document.renamed_from is not None:
        yield from entry.problem(
            ("renamed_from",),
            "ORD219",
            "a Project keeps its name: everything that was applied belongs to it by that",
            "go on with the former name; or `ordinaut adopt` takes documents over, with their history",
        )


def step_problems(entry: Entry) -> Iterator[Problem]:
    """Steps that go on at a step that does not come after them."""
    steps, last = step_lists(entry.document)
    for path, step in steps_of(entry.document):
        if isinstance(step.on_error, Goto) and not entry.repaired_field("id"):
            beside = last if path[0] == "finally" else steps
            found = goto_problem(beside, step, step.on_error.goto)
            if found is not None:
                yield from entry.problem((*path, "on_error", "goto"), "ORD013", *found)


def finally_problems(entry: Entry) -> Iterator[Problem]:
    """Last steps of a task beside a Pipeline document, which has its own parameters and results."""
    task = entry.document
    if isinstance(task, Task) and task.finally_ and isinstance(task.pipeline, PipelineUse):
        yield from entry.problem(
            ("finally",),
            "ORD013",
            f"the steps are those of the Pipeline `{task.pipeline.use}`, and it says what runs finally",
            "write `finally` in the Pipeline document",
        )


def goto_problem(steps: Sequence[Step], step: Step, target: str) -> tuple[str, str] | None:
    """Why a step cannot go on at another after a failure, and what to do; None if it can."""
    ids = [other.id for other in steps]
    if target not in ids:
        message = f"step {step.id} goes on at {target}, and there is no such step"
        return message, did_you_mean(target, ids)
    if find_problems(steps) or step.id in StepGraph.of(steps).before(target):
        return None
    message = f"step {step.id} goes on at {target}, which does not come after it"
    return message, f"name a step that needs {step.id}, directly or through others"


def reference_problems(entry: Entry, names: Names) -> Iterator[Problem]:
    """Names of documents that do not exist."""
    namespace = entry.document.namespace
    wanted = [(found.kind, found.text, found.path) for found in references(entry.document)]
    wanted += [
        ("ToolServer", address.partition(".")[0], path)
        for path, address in tool_uses(entry.document)
        if names.server(address, namespace) is None
    ]
    for kind, text, path in wanted:
        if names.find(kind, text, namespace) is None and not names.may_exist(text):
            known = names.of_kind(kind, namespace)
            message = f"there is no {kind} `{text}`"
            if not entry.is_written(path):
                message += ", which the Project's defaults name"
            hint = did_you_mean(text, known, f"add the {kind} to the specs")
            yield from entry.problem(path, "ORD009", message, hint)


def tool_problems(entry: Entry, world: World) -> Iterator[Problem]:
    """Tools that their server does not offer, or that the task's agent may not call."""
    agent = _agent_of(entry, world)
    for path, address, namespace in _calls(entry, world):
        resolved = world.names.server(address, namespace)
        if resolved is None:
            continue
        missing = tuple(_filter_problems(entry, path, address, resolved, world))
        yield from missing
        if not missing and agent is not None and (pattern := refusal(agent, resolved)) is not None:
            message = (
                f"the agent {agent.name} is denied `{resolved}` by `{pattern}`"
                if pattern
                else f"no scope of the agent {agent.name} allows `{resolved}`"
            )
            hint = (
                "use another tool, or change `deny`" if pattern else _scope_hint(agent, resolved)
            )
            yield from entry.problem(path, "ORD409", message, hint)


def _scope_hint(agent: Agent, address: str) -> str:
    """A scope that names one tool names it right; the tools of servers are not known here."""
    add = f"add `{address}` to its scopes"
    named = [scope for scope in agent.scopes if not set("*?[") & set(scope)]
    meant = nearest(address, named, _MISSPELT)
    return f"did you mean `{meant}`? Otherwise {add}" if meant else add


def _calls(entry: Entry, world: World) -> Iterator[tuple[Path, str, str]]:
    """Every tool a document makes use of, with the namespace that its address is read in."""
    document = entry.document
    for path, address in tool_uses(document):
        yield path, address, document.namespace
    if isinstance(document, Task) and (used := _used_pipeline(document, world)) is not None:
        for _, address in tool_uses(used):
            yield ("pipeline", "use"), address, used.namespace


def _filter_problems(
    entry: Entry, path: Path, address: str, resolved: str, world: World
) -> Iterator[Problem]:
    label, _, tool = resolved.partition(".")
    if label in BUILTIN_TOOLS and tool not in BUILTIN_TOOLS[label]:
        yield from entry.problem(
            path,
            "ORD402",
            f"the built-in tool server {label} has no tool `{tool}`",
            did_you_mean(tool, BUILTIN_TOOLS[label]),
        )
    server = _server_of(resolved, entry, world)
    if server is None or path == ("pipeline", "use"):
        return
    if not offers(server, tool):
        yield from entry.problem(
            path,
            "ORD402",
            f"the ToolServer {label} does not offer `{address.partition('.')[2]}`",
            "its `tools` filter leaves it out",
        )


def _server_of(address: str, entry: Entry, world: World) -> ToolServer | None:
    resolved = world.names.server(address, entry.document.namespace) or ""
    found = world.documents.get(Key.of("ToolServer", resolved.partition(".")[0], "default"))
    return found if isinstance(found, ToolServer) else None


def _agent_of(entry: Entry, world: World) -> Agent | None:
    task = entry.document
    if not isinstance(task, Task) or task.agent is None:
        return None
    key = world.names.find("Agent", task.agent, task.namespace)
    found = world.documents.get(key) if key is not None and key not in world.flawed else None
    return found if isinstance(found, Agent) else None


def _used_pipeline(task: Task, world: World) -> Pipeline | None:
    if not isinstance(task.pipeline, PipelineUse):
        return None
    key = world.names.find("Pipeline", task.pipeline.use, task.namespace)
    found = world.documents.get(key) if key is not None else None
    return found if isinstance(found, Pipeline) else None


def _destruction_problems(entry: Entry, world: World) -> Iterator[Problem]:
    task = entry.document
    used = _used_pipeline(task, world) if isinstance(task, Task) else None
    agent = _agent_of(entry, world)
    yield from destruction_problems(entry, agent, used, world.names, world.contracts)


def use_problems(entry: Entry, world: World) -> Iterator[Problem]:
    """Parameters that do not fit the pipeline which a task uses."""
    task: Any = entry.document
    if not isinstance(task, Task) or not isinstance(task.pipeline, PipelineUse):
        return
    used = _used_pipeline(task, world)
    if (
        used is not None
        and world.names.find("Pipeline", task.pipeline.use, task.namespace) not in world.flawed
    ):
        yield from argument_problems(entry, task.pipeline, used)
