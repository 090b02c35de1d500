"""A task's body compiled once for a revision: templates parsed, policies as values, ready to be executed many times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from runtime.core.expressions import Condition, Template, compile_condition, compile_template
from runtime.core.retry import RetryPolicy
from schemas.durations import parse_duration


@dataclass(frozen=True, slots=True)
class ProgramStep:
    """One step, ready to run.

    Attributes:
        name: its id, the key of its result.
        result_name: the name templates find its result under.
        uses: the tool's resolved address.
        arguments: the template of its arguments.
        condition: skip the step unless this holds; None always runs.
        timeout: the longest time one try may take; None leaves it to the server.
        retry: when a failed try is followed by another.
        effect: what repeating the call does.
    """

    name: str
    result_name: str
    uses: str
    arguments: Template
    condition: Condition | None
    timeout: timedelta | None
    retry: RetryPolicy
    effect: str


@dataclass(frozen=True, slots=True)
class Program:
    """A task at one revision.

    Attributes:
        label: `name`, or `namespace/name` outside the default namespace.
        project: whose secrets it may use.
        agent: on whose behalf it runs.
        params: the task's parameters; `arguments` of a used pipeline are templates over them.
        pipeline_params: the template of the parameters a used pipeline gets; None when the steps are inline.
        timeout: the longest time a run may take from its first start.
        steps: in the order in which they run.
    """

    label: str
    project: str
    agent: str | None
    params: Mapping[str, Any]
    pipeline_params: Template | None
    timeout: timedelta
    steps: tuple[ProgramStep, ...]


def compile_program(body: Mapping[str, Any], project: str) -> Program:
    """Compile a normalised task body.

    Raises:
        ExpressionError: a template or condition is not valid; plans refuse such bodies.
    """
    pipeline = body["pipeline"]
    used = isinstance(pipeline, Mapping)
    default_retry = _retry(body["retry"])
    return Program(
        label=task_label(body["namespace"], body["name"]),
        project=project,
        agent=body.get("agent"),
        params=body["params"],
        pipeline_params=compile_template(pipeline["with"]) if used else None,
        timeout=parse_duration(body["timeout"]),
        steps=tuple(
            _step(step, default_retry) for step in (pipeline["steps"] if used else pipeline)
        ),
    )


def task_label(namespace: str, name: str) -> str:
    """How people write a task: its namespace is left out where it is the default one."""
    return name if namespace == "default" else f"{namespace}/{name}"


def start_deadline(body: Mapping[str, Any]) -> timedelta | None:
    """How long after its due time a run of the task may still begin; None for ever."""
    text = body.get("start_deadline")
    return None if text is None else parse_duration(text)


def _step(step: Mapping[str, Any], default_retry: RetryPolicy) -> ProgramStep:
    return ProgramStep(
        name=step["id"],
        result_name=step.get("save_as") or step["id"],
        uses=step["uses"],
        arguments=compile_template(step["with"]),
        condition=_condition(step.get("if")),
        timeout=parse_duration(step["timeout"]) if "timeout" in step else None,
        retry=_retry(step["retry"]) if "retry" in step else default_retry,
        effect=step["effect"],
    )


def _condition(value: str | bool | None) -> Condition | None:
    if value is None or value is True:
        return None
    return compile_condition("`false`" if value is False else value)


def _retry(retry: Mapping[str, Any]) -> RetryPolicy:
    return RetryPolicy(
        attempts=retry["attempts"],
        backoff=retry["backoff"],
        initial=parse_duration(retry["initial"]),
        max=parse_duration(retry["max"]),
        jitter=retry["jitter"] == "full",
        retry_on=frozenset(retry["retry_on"]),
    )
