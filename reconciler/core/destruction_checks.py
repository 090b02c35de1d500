"""Tools that destroy something, by the tool lock, called on behalf of an agent that needs an approval for them.

The lock is what review has seen, so only that counts here, and not what a tool is called. What is looked at again when the
call is made is `runtime.tools.catalogue`'s to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.core.contract_checks import Contracts
from reconciler.core.entry import Entry
from reconciler.core.locate import Path
from reconciler.core.references import Names, step_lists, steps_of
from runtime.core.binding import claims_destructive
from runtime.core.graph import find_problems, ordered_needs
from runtime.core.program import approvals_before
from runtime.core.waits import APPROVE
from schemas.agent import Agent
from schemas.pipeline import Pipeline, Step, Verify
from schemas.problem import Problem
from schemas.schedule import ConditionSchedule
from schemas.task import Task


def destruction_problems(
    entry: Entry, agent: Agent | None, used: Pipeline | None, names: Names, contracts: Contracts
) -> Iterator[Problem]:
    """Calls of a task that destroy something though nobody approves.

    Args:
        entry: the document.
        agent: on whose behalf it runs; None where nothing is bounded by one.
        used: the Pipeline document that it uses.
        names: every identity.
        contracts: the tool lock.
    """
    task = entry.document
    if not (isinstance(task, Task) and agent and contracts.servers):
        return
    if agent.destructive == "granted":
        return
    for document in (task, used):
        if document is None:
            continue
        for path, address, what in _unapproved(document):
            resolved = names.server(address, document.namespace) or ""
            if _destroys(resolved, contracts):
                at: Path = path if document is task else ("pipeline", "use")
                where = what if document is task else f"{what} of the pipeline {document.name}"
                yield from entry.problem(
                    at,
                    "ORD422",
                    f"`{resolved}` may destroy something, as the tool lock has it, and nobody approves {where}",
                    f"give the step an `approval`, or the agent {agent.name} `destructive: granted`",
                )


def _destroys(resolved: str, contracts: Contracts) -> bool:
    label, _, name = resolved.partition(".")
    server = contracts.servers.get(label)
    tool = server.tools.get(name) if server is not None else None
    return tool is not None and claims_destructive(tool.annotations)


def _unapproved(document: Task | Pipeline) -> Iterator[tuple[Path, str, str]]:
    """Calls before which nobody is asked: where each stands, its tool, and what it is."""
    approved = {name for steps in step_lists(document) for name in _approved(steps)}
    for path, step in steps_of(document):
        if step.id not in approved:
            yield (*path, "uses"), step.uses, f"step {step.id}"
        if isinstance(step.on_unknown, Verify):
            at = (*path, "on_unknown", "verify")
            yield at, step.on_unknown.verify, f"what step {step.id} verifies with"
    schedules: Sequence[Any] = document.schedule if isinstance(document, Task) else ()
    for number, schedule in enumerate(schedules):
        if isinstance(schedule, ConditionSchedule):
            at = ("schedule", number, "condition", "uses")
            yield at, schedule.condition.uses, "each poll"


def _approved(steps: Sequence[Step]) -> Iterator[str]:
    """The steps before which somebody is asked; steps that contradict each other are told about elsewhere."""
    if find_problems(steps):
        yield from (step.id for step in steps)
        return
    needs = ordered_needs((step.id, step.needs) for step in steps)
    asking = {step.id: step.id for step in steps if step.uses == APPROVE and not step.foreach}
    before = approvals_before(needs, asking)
    yield from (step.id for step in steps if step.approval is not None or before[step.id])
