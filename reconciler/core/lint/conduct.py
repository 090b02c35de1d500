"""Rules about who answers for documents, and what they dare: owners, destructive tools, models, former names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from reconciler.core.destructive import destroys, destroys_in
from reconciler.core.entry import Entry, Finding
from reconciler.core.lint.world import World
from reconciler.core.locate import Path
from reconciler.core.references import steps_of
from reconciler.core.templates import reads_of
from runtime.core.llm.tools import MODEL_TOOLS
from schemas.agent import Agent
from schemas.pipeline import Pipeline, PipelineUse, Step
from schemas.problem import Problem
from schemas.task import Task

_STALE: Final = timedelta(days=30)
_APPROVES: Final = "ordinaut.approve"
_PLANS: Final = "llm.plan"
_OUTSIDE: Final = frozenset({"event", "steps"})


def without_owner(world: World) -> Iterator[Problem]:
    """ORD805: a task for which nobody answers."""
    if world.project[1].owner is not None:
        return
    for entry, _ in world.tasks():
        if entry.document.owner is None:
            yield from entry.problem(
                ("name",),
                "ORD805",
                "nobody answers for this task: neither it nor the Project names an owner",
                "write `owner: team-name` here, or in the Project for all",
            )


def destructive_without_approval(world: World) -> Iterator[Problem]:
    """ORD811: a step calls a tool that destroys, by its name or the tool lock, and nobody is asked."""
    is_destructive = destroys_in(world.documents)
    for entry in world.entries.values():
        asked = False
        for path, step in steps_of(entry.document):
            asked = asked or step.uses == _APPROVES
            address = world.names.server(step.uses, entry.key.namespace) or step.uses
            if (
                is_destructive(address)
                and step.approval is None
                and not asked
                and not _is_granted(world, entry)
            ):
                yield from entry.problem(
                    (*path, "uses"),
                    "ORD811",
                    f"`{step.uses}` destroys something, by {_known_by(step.uses)}, and nobody is asked before",
                    "give the step an `approval`, or the agent `destructive: granted`",
                )


def _known_by(tool: str) -> str:
    return "its name" if destroys(tool) else "what the tool lock says of it"


def _is_granted(world: World, entry: Entry) -> bool:
    """Whether every agent that may run these steps has been granted destructive tools."""
    agents = [_agent(world, task) for task in _tasks_with(world, entry)]
    return bool(agents) and all(agent and agent.destructive == "granted" for agent in agents)


def _tasks_with(world: World, entry: Entry) -> Iterator[Task]:
    """The tasks that run the steps of a document: itself, or those that use the pipeline."""
    for other, _ in world.tasks():
        task = other.document
        assert isinstance(task, Task)  # noqa: S101 - what was asked
        if other is entry or (
            isinstance(entry.document, Pipeline)
            and isinstance(task.pipeline, PipelineUse)
            and world.names.find("Pipeline", task.pipeline.use, task.namespace) == entry.key
        ):
            yield task


def _agent(world: World, task: Task) -> Agent | None:
    key = world.names.find("Agent", task.agent, task.namespace) if task.agent else None
    document = world.documents[key].document if key else None
    return document if isinstance(document, Agent) else None


def instructed_by_data(world: World) -> Iterator[Problem]:
    """ORD817: a model is told as an instruction what a tool answered, or an event brought."""
    for entry in world.entries.values():
        steps = [step for _, step in steps_of(entry.document)]
        if not any(step.uses in MODEL_TOOLS for step in steps):
            continue
        for site, path, text, reference in reads_of(entry):
            if site.step is None or not _instructs(steps[site.step], site.path, path):
                continue
            if reference.root in _outside(steps[site.step]):
                found = Finding(
                    "ORD817",
                    f"`{reference}` comes from outside, and is told to the model as an instruction",
                    "give it as data, as an argument of its own, and write here what to do with it",
                )
                yield from entry.problem_in_text(
                    path, text, max(text.find(str(reference)), 0), found
                )


def _instructs(step: Step, arguments: Path, at: Path) -> bool:
    """Whether a place among a step's arguments is for instructions to a model."""
    names = {"goal"} if step.uses == _PLANS else {"instructions"}
    return (
        step.uses in MODEL_TOOLS
        and arguments[-1] == "with"
        and len(at) == len(arguments) + 1
        and at[-1] in names
    )


def _outside(step: Step) -> frozenset[str]:
    """The names under which a step finds what others said."""
    items = step.foreach or ""
    return _OUTSIDE | {"item"} if any(root in items for root in _OUTSIDE) else _OUTSIDE


def stale_rename(world: World) -> Iterator[Problem]:
    """ORD812: a former name that has been there for long."""
    for key, since in world.renamed_at.items():
        if world.now - since > _STALE:
            yield from world.entries[key].problem(
                ("renamed_from",),
                "ORD812",
                f"`renamed_from` has been here for {(world.now - since).days} days",
                "remove the line when every environment has applied it; history stays",
            )
