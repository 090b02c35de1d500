"""A task's body compiled once for a revision: templates parsed, policies as values, ready to be executed many times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from runtime.core.course import Goto, OnError
from runtime.core.expressions import (
    ANSWER_ROOTS,
    Condition,
    Template,
    compile_condition,
    compile_template,
    secret_names,
    uses_secrets,
)
from runtime.core.graph import ordered_needs
from runtime.core.retry import RetryPolicy
from runtime.core.spreading import callback_of, spread
from runtime.core.waits import APPROVE, WAIT_FOR, WAITING_TOOLS
from schemas.durations import parse_duration
from schemas.genai import UsageName


@dataclass(frozen=True, slots=True)
class Approval:
    """A person must agree before a call; `by` may decide, and nobody is waited for longer than `timeout`.

    They are shown the call, or what `show` gives; events of the topic `event` decide for them.
    """

    by: tuple[str, ...]
    timeout: timedelta | None
    on_timeout: str
    show: Template | None
    event: str | None


@dataclass(frozen=True, slots=True)
class Idempotency:
    """How the tool gets the idempotency key beside `_meta`, and the template of one that replaces the derived key."""

    argument: str | None
    header: str | None
    key: Template | None


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """For how long an earlier result may be reused, and the template of a key that replaces the arguments."""

    ttl: timedelta
    key: Template | None


@dataclass(frozen=True, slots=True)
class Concurrency:
    """Runs with the same `key` share so many slots."""

    key: Template
    limit: int


@dataclass(frozen=True, slots=True)
class Verification:
    """The tool that knows whether a call happened, and the condition over its answer that says so."""

    uses: str
    arguments: Template
    when: Condition


OnUnknown = Literal["fail", "ask"] | Verification


@dataclass(frozen=True, slots=True)
class ProgramStep:
    """One step, ready to run.

    Attributes:
        name: its id, the key of its result.
        result_name: the name templates find its result under.
        uses: the tool's resolved address.
        needs: the steps that must have passed before.
        arguments: the template of its arguments.
        has_secrets: whether the arguments hold secrets, and are to be shown with masks.
        condition: skip the call unless this holds; None always calls.
        foreach: the template of the list for whose items it calls; None calls once.
        max_parallel: how many items may be under way at once.
        parse: how the text of the answer is read.
        cache: which earlier result may be reused; None where none may.
        timeout: the longest time one try may take; None leaves it to the server.
        stall: the longest time a try may go on without telling of its progress; None asks for none.
        retry: when a failed try is followed by another.
        effect: what repeating the call does.
        idempotency: how the tool gets its key; None where `_meta` alone carries the derived one.
        expect: what must hold of the answer.
        fail_when: what must not hold of it.
        on_error: what becomes of the run when the step has failed for good.
        on_unknown: what to do about a call that may have happened and must not be repeated.
        approval: who must agree before the call; None where nobody is asked.
        approved_by: the results of `ordinaut.approve` that it needs, directly or through others; one of them is enough for
            tools that destroy something.
        usage: where the answer tells what the call used up, by the name that it has there.
        callback_of: the step whose callback the call hands out; None where it hands out none.
    """

    name: str
    result_name: str
    uses: str
    needs: tuple[str, ...]
    arguments: Template
    has_secrets: bool
    condition: Condition | None
    foreach: Template | None
    max_parallel: int
    parse: Literal["auto", "json", "text", "python", "lines"]
    cache: CachePolicy | None
    timeout: timedelta | None
    stall: timedelta | None
    retry: RetryPolicy
    effect: str
    idempotency: Idempotency | None
    expect: tuple[Condition, ...]
    fail_when: Condition | None
    on_error: OnError
    on_unknown: OnUnknown
    approval: Approval | None
    approved_by: tuple[str, ...]
    usage: tuple[tuple[UsageName, Condition], ...]
    callback_of: str | None = None

    @property
    def waits(self) -> bool:
        """Whether it waits, before its call or for good."""
        return self.approval is not None or self.uses in WAITING_TOOLS


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
        concurrency: which slots its runs need; None where they need none.
        steps: in an order in which each follows all that it needs.
        last: the steps of `finally`, in such an order.
        waiting: the steps that wait for events, or for callbacks.
        secrets: the secrets that its steps read, by name.
    """

    label: str
    project: str
    agent: str | None
    params: Mapping[str, Any]
    pipeline_params: Template | None
    timeout: timedelta
    concurrency: Concurrency | None
    steps: tuple[ProgramStep, ...]
    last: tuple[ProgramStep, ...]
    waiting: frozenset[str]
    secrets: frozenset[str]


def compile_program(body: Mapping[str, Any], project: str) -> Program:
    """Compile a normalised task body.

    Raises:
        ExpressionError: a template or condition is not valid; plans refuse such bodies.
    """
    pipeline = body["pipeline"]
    used = isinstance(pipeline, Mapping)
    retry = _retry(body["retry"])
    listed = spread(pipeline["steps"] if used else pipeline)
    last = spread((pipeline if used else body).get("finally", ()))
    steps, finally_ = _steps(listed, retry), _steps(last, retry)
    return Program(
        label=task_label(body["namespace"], body["name"]),
        project=project,
        agent=body.get("agent"),
        params=body["params"],
        pipeline_params=compile_template(pipeline["with"]) if used else None,
        timeout=parse_duration(body["timeout"]),
        concurrency=_concurrency(body.get("concurrency")),
        steps=steps,
        last=finally_,
        waiting=frozenset(step["id"] for step in (*listed, *last) if step["uses"] == WAIT_FOR),
        secrets=secret_names(*(read for step in (*steps, *finally_) for read in _reads(step))),
    )


def _reads(step: ProgramStep) -> Iterator[Template | Condition]:
    """Whatever of a step may read a secret."""
    yield step.arguments
    yield from step.expect
    if step.cache is not None and step.cache.key is not None:
        yield step.cache.key
    if step.approval is not None and step.approval.show is not None:
        yield step.approval.show
    for perhaps in (step.condition, step.foreach, step.fail_when):
        if perhaps is not None:
            yield perhaps
    if isinstance(step.on_unknown, Verification):
        yield step.on_unknown.arguments
        yield step.on_unknown.when


def _concurrency(concurrency: Mapping[str, Any] | None) -> Concurrency | None:
    if concurrency is None:
        return None
    return Concurrency(compile_template(concurrency["key"]), concurrency["limit"])


def task_label(namespace: str, name: str) -> str:
    """How people write a task: its namespace is left out where it is the default one."""
    return name if namespace == "default" else f"{namespace}/{name}"


GATED: Final = 100
"""How far above the lanes that are claimed runs wait for a slot of their concurrency key."""


def lane_of(body: Mapping[str, Any]) -> int:
    """Where a run of the task begins: in the lane of its priority, or before the gate of its concurrency key."""
    priority: int = body["priority"]
    return priority + GATED if "concurrency" in body else priority


def start_deadline(body: Mapping[str, Any]) -> timedelta | None:
    """How long after its due time a run of the task may still begin; None for ever."""
    text = body.get("start_deadline")
    return None if text is None else parse_duration(text)


def _steps(
    listed: Sequence[Mapping[str, Any]], default_retry: RetryPolicy
) -> tuple[ProgramStep, ...]:
    steps = {step["id"]: step for step in listed}
    needs = ordered_needs((name, step.get("needs")) for name, step in steps.items())
    asking = {
        name: _result_name(step)
        for name, step in steps.items()
        # For no items nobody would be asked.
        if step["uses"] == APPROVE and "foreach" not in step
    }
    approvals = approvals_before(needs, asking)
    return tuple(
        _step(steps[name], needed, approvals[name], default_retry)
        for name, needed in needs.items()
    )


def approvals_before(
    needs: Mapping[str, tuple[str, ...]], asking: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Of each step the approvals that it needs, directly or through others.

    Args:
        needs: what each step needs directly, in the order in which steps may run.
        asking: the steps that ask people, each with the name of its result.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, needed in needs.items():
        before = {result for need in needed for result in found[need]}
        before |= {asking[need] for need in needed if need in asking}
        found[name] = tuple(sorted(before))
    return found


def _result_name(step: Mapping[str, Any]) -> str:
    name: str = step.get("save_as") or step["id"]
    return name


def _step(
    step: Mapping[str, Any],
    needs: tuple[str, ...],
    approved_by: tuple[str, ...],
    default_retry: RetryPolicy,
) -> ProgramStep:
    arguments = compile_template(step["with"])
    return ProgramStep(
        name=step["id"],
        result_name=_result_name(step),
        uses=step["uses"],
        needs=needs,
        arguments=arguments,
        has_secrets=uses_secrets(arguments),
        condition=_condition(step.get("if")),
        foreach=compile_template(step["foreach"]) if "foreach" in step else None,
        max_parallel=step["max_parallel"],
        # What an older program wrote says nothing of it.
        parse=step.get("parse", "auto"),
        cache=_cache(step["cache"]) if "cache" in step else None,
        timeout=parse_duration(step["timeout"]) if "timeout" in step else None,
        stall=parse_duration(step["stall"]) if "stall" in step else None,
        retry=_retry(step["retry"]) if "retry" in step else default_retry,
        effect=step["effect"],
        idempotency=_idempotency(step["idempotency"]) if "idempotency" in step else None,
        expect=tuple(
            compile_condition(text, roots=ANSWER_ROOTS) for text in step.get("expect", ())
        ),
        fail_when=compile_condition(step["fail_when"], roots=ANSWER_ROOTS)
        if "fail_when" in step
        else None,
        on_error=_on_error(step["on_error"]),
        on_unknown=_on_unknown(step["on_unknown"]),
        approval=_approval(step["approval"]) if "approval" in step else None,
        approved_by=approved_by,
        usage=tuple(
            (name, compile_condition(text, roots=ANSWER_ROOTS))
            for name, text in step.get("usage", {}).items()
        ),
        callback_of=callback_of(step["id"]),
    )


def _cache(cache: Mapping[str, Any]) -> CachePolicy:
    key = cache.get("key")
    return CachePolicy(
        parse_duration(cache["ttl"]), None if key is None else compile_template(key)
    )


def _idempotency(idempotency: Mapping[str, Any]) -> Idempotency:
    key = idempotency.get("key")
    return Idempotency(
        argument=idempotency.get("argument"),
        header=idempotency.get("header"),
        key=None if key is None else compile_template(key),
    )


def _approval(approval: Mapping[str, Any]) -> Approval:
    timeout = approval.get("timeout")
    return Approval(
        by=tuple(approval["by"]),
        timeout=None if timeout is None else parse_duration(timeout),
        on_timeout=approval["on_timeout"],
        show=compile_template(approval["show"]) if "show" in approval else None,
        event=approval.get("event"),
    )


def _on_error(value: str | Mapping[str, str]) -> OnError:
    match value:
        case {"goto": target}:
            return Goto(target)
        case "continue":
            return "continue"
        case _:
            return "fail"


def _on_unknown(value: str | Mapping[str, Any]) -> OnUnknown:
    match value:
        case {"verify": uses, "with": arguments, "when": when}:
            condition = compile_condition(when, roots=ANSWER_ROOTS)
            return Verification(uses, compile_template(arguments), condition)
        case "ask":
            return "ask"
        case _:
            return "fail"


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
