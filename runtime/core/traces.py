"""The spans of a run that is over, made from what was recorded of it.

A trace has the run, below it its steps, and below these the tries of their calls, which are what tools are told of (`tracing`).
Names and attributes are those of OpenTelemetry's conventions for generative AI and for MCP, as far as there are any; our own
begin with `ordinaut.`. Arguments and results are left out: they may be large, and say what is nobody's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from runtime.core.tracing import Link, span_id, trace_id
from schemas.genai import (
    AMOUNT,
    CACHE_READ,
    CACHE_WRITTEN,
    CURRENCY,
    INPUT,
    MODEL,
    OUTPUT,
    REASONING,
)
from schemas.spec import BUILTIN_SERVERS

_SUCCESS: Final = frozenset({"ok", "skipped"})
_TOKENS: Final = {
    INPUT: "input_tokens",
    OUTPUT: "output_tokens",
    CACHE_READ: "cache_read_tokens",
    CACHE_WRITTEN: "cache_written_tokens",
    REASONING: "reasoning_tokens",
}

Attribute = str | int | float | bool
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a trace.

    Attributes:
        parent: the span that it is part of; none of the run as a whole.
        is_call: whether it is a request to somebody else.
        error: why it did not succeed; none where it did.
        links: what it follows from.
    """

    trace: str
    id: str
    parent: str | None
    name: str
    started_at: datetime
    finished_at: datetime
    attributes: Mapping[str, Attribute]
    is_call: bool = False
    error: str | None = None
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class TracedRun:
    """A run that is over, as it is on record.

    Attributes:
        run: its row, with the task's label and agent.
        results: of its steps and their items.
        attempts: tries that were followed by another.
        usage: what its calls used up.
        left_out: how many results there are beside these.
    """

    run: Row
    results: Sequence[Row]
    attempts: Sequence[Row] = ()
    usage: Sequence[Row] = field(default=())
    left_out: int = 0


def spans_of(traced: TracedRun) -> Iterator[Span]:
    """The spans of a run, the outermost first."""
    run_id: UUID = traced.run["run_id"]
    yield _run_span(traced)
    usage = {(one["step"], one["iteration"], one["attempt"]): one for one in traced.usage}
    tries: dict[tuple[str, int], list[Row]] = {}
    for attempt in traced.attempts:
        tries.setdefault((attempt["step"], attempt["iteration"]), []).append(attempt)
    wholes = {one["step"] for one in traced.results if one["iteration"] < 0}
    for result in traced.results:
        step, iteration = result["step"], result["iteration"]
        before = tries.get((step, iteration), [])
        yield _step_span(run_id, result, before, wholes)
        if iteration < 0:
            continue
        own = span_id(run_id, step, iteration)
        for attempt in (*before, *([result] if _was_called(result) else ())):
            used = usage.get((step, iteration, attempt["attempt"]))
            yield _call_span(run_id, own, result["uses"], attempt, used)


def _run_span(traced: TracedRun) -> Span:
    run = traced.run
    late = (run["started_at"] - run["due_at"]).total_seconds()
    attributes: dict[str, Attribute] = {
        "ordinaut.run.id": str(run["run_id"]),
        "ordinaut.run.state": run["state"],
        "ordinaut.run.late_seconds": late,
        "ordinaut.task": run["task"],
        "ordinaut.trigger": run["trigger"],
        "ordinaut.revision": run["revision_id"],
    }
    if run["agent"] is not None:
        attributes["gen_ai.agent.name"] = run["agent"]
    if traced.left_out:
        attributes["ordinaut.run.results_left_out"] = traced.left_out
    return Span(
        trace_id(run["run_id"]),
        span_id(run["run_id"]),
        None,
        f"run {run['task']}",
        run["started_at"],
        run["finished_at"],
        _with_error(attributes, run["error"]),
        error=_message(run["error"]) if run["state"] == "failed" else None,
        links=tuple(_links(run)),
    )


def _links(run: Row) -> Iterator[Link]:
    """To the run that it runs again or whose event it is for, and to what asked for it elsewhere: traces of their own."""
    for other in (run["rerun_of"], run["told_by"]):
        if other is not None:
            yield Link.to_run(other)
    yield from _kept(run)


def _kept(row: Row) -> Iterator[Link]:
    """To the span elsewhere that asked for it, or that answered its callback."""
    if row["trace_link"] is not None and (link := Link.kept(row["trace_link"])) is not None:
        yield link


def _step_span(run_id: UUID, result: Row, before: Sequence[Row], wholes: set[str]) -> Span:
    """Of a step; of an item of a `foreach`, below that of the step as a whole."""
    step, iteration = result["step"], result["iteration"]
    is_item = iteration >= 0 and step in wholes
    attributes: dict[str, Attribute] = {
        "ordinaut.step": step,
        "ordinaut.outcome": result["outcome"],
        "ordinaut.attempts": result["attempt"],
    }
    if is_item:
        attributes["ordinaut.item"] = iteration
    if result["reused_at"] is not None:
        attributes["ordinaut.reused"] = True
    return Span(
        trace_id(run_id),
        _step_id(run_id, step, iteration),
        _step_id(run_id, step, -1) if is_item else span_id(run_id),
        f"step {step}[{iteration}]" if is_item else f"step {step}",
        min((result["started_at"], *(one["started_at"] for one in before))),
        result["finished_at"],
        _with_error(attributes, result["error"]),
        error=None if result["outcome"] in _SUCCESS else _message(result["error"]),
        links=tuple(_kept(result)),
    )


def _step_id(run_id: UUID, step: str, iteration: int) -> str:
    return span_id(run_id, step, iteration)


def _call_span(run_id: UUID, parent: str, uses: str, attempt: Row, used: Row | None) -> Span:
    server, _, tool = uses.partition(".")
    attributes: dict[str, Attribute] = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
        "gen_ai.tool.type": "function",
        "ordinaut.server": server,
        "ordinaut.step": attempt["step"],
        "ordinaut.attempt": attempt["attempt"],
        "ordinaut.outcome": attempt["outcome"],
    }
    is_built_in = server in BUILTIN_SERVERS
    if not is_built_in:
        attributes["mcp.method.name"] = "tools/call"
    if used is not None:
        attributes |= _usage(used)
    return Span(
        trace_id(run_id),
        span_id(run_id, attempt["step"], attempt["iteration"], attempt["attempt"]),
        parent,
        f"execute_tool {uses}" if is_built_in else f"tools/call {uses}",
        attempt["started_at"],
        attempt["finished_at"],
        _with_error(attributes, attempt["error"]),
        is_call=not is_built_in,
        error=None if attempt["outcome"] in _SUCCESS else _message(attempt["error"]),
    )


def _usage(used: Row) -> Iterator[tuple[str, Attribute]]:
    for name, field_name in _TOKENS.items():
        if used[field_name]:
            yield name, used[field_name]
    if used["model"]:
        yield MODEL, used["model"]
    if used["cost"] is not None:
        yield AMOUNT, float(used["cost"])
        yield CURRENCY, used["currency"]


def _was_called(result: Row) -> bool:
    """Whether there was a try at all: what was left out or reused made no call."""
    return result["attempt"] > 0 and result["outcome"] != "skipped" and result["reused_at"] is None


def _with_error(attributes: dict[str, Attribute], error: Row | None) -> dict[str, Attribute]:
    return attributes if error is None else {**attributes, "error.type": str(error["code"])}


def _message(error: Row | None) -> str:
    return "" if error is None else str(error["message"])
