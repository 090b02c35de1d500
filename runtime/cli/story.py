"""The story of one run as text: what it was, each step with its values and tries, and what was told of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from textwrap import indent
from typing import Any, Final

import orjson

from runtime.cli.output import (
    bold,
    colour_state,
    dim,
    fields,
    local_time,
    one_line,
    progress_bar,
    relative_time,
    short_id,
    shorten,
    table,
    zone_of,
)
from runtime.core.spans import exact_span
from schemas.event import Failure
from schemas.run import RunReport, StepReport, TryReport, WaitReport

_VALUE_COLUMNS: Final = 66


def run_story(run: RunReport, *, unfold: bool) -> str:
    """The whole story.

    Args:
        run: the run.
        unfold: show values and messages in full instead of their first line.
    """
    parts = [
        fields(list(_head(run))),
        *("\n".join(step_lines(step, unfold=unfold)) for step in run.steps),
    ]
    if run.events:
        parts.append(_events(run))
    return "\n\n".join(parts)


def step_lines(step: StepReport, *, unfold: bool) -> Iterator[str]:
    """One step: a line of facts, then its values, tries and error."""
    facts = [bold(step.step), step.uses, colour_state(step.state)]
    if step.outcome not in {None, "ok", "skipped"}:
        facts.append(str(step.outcome))
    if step.started_at and step.finished_at and step.state != "skipped":
        facts.append(exact_span((step.finished_at - step.started_at).total_seconds()))
    if step.reused_at and step.started_at:
        age = (step.started_at - step.reused_at).total_seconds()
        facts.append(f"reused, {exact_span(max(0.0, age))} old")
    if step.items is not None:
        failed = f", {step.failed_items:,} failed" if step.failed_items else ""
        facts.append(f"{step.items:,} item{'s' * (step.items != 1)}{failed}")
    yield "  ".join(facts)
    for attempt in step.tries:
        item = "" if attempt.item is None else f"item {attempt.item}  "
        yield f"  {item}try {attempt.attempt}   {_try(attempt)}"
    for wait in step.waits:
        yield f"  waits   {_waited(wait)}"
    if step.input is not None:
        yield _value("input", step.input, unfold=unfold)
    if step.output is not None:
        yield _value("output", step.output, unfold=unfold)
    if step.error is not None:
        yield from _error_lines(step.error, unfold=unfold)


def _error_lines(error: Failure, *, unfold: bool) -> Iterator[str]:
    yield f"  error   {_failure(error)}"
    if unfold and one_line(error.message) != error.message:
        yield _text(error.message, unfold=True)
    if error.detail:
        yield _text(error.detail, unfold=unfold)


def _head(run: RunReport) -> Iterator[tuple[str, str]]:
    zone = zone_of(run.timezone)
    commit = f", commit {run.commit[:12]}" if run.commit else ""
    yield "run", f"{run.run_id}  {dim('or')} {short_id(run.run_id)}"
    yield "task", f"{run.task}  {dim(f'revision {run.revision}{commit}')}"
    yield "state", "  ".join([colour_state(run.state), *_because(run)])
    if run.error is not None:
        step = f"{run.error.step}: " if run.error.step else ""
        yield "error", step + _failure(run.error)
    occurrence = f"{local_time(run.occurrence_for, zone)}  {dim(relative_time(run.occurrence_for, run.now))}"
    yield run.trigger, f"{occurrence}{f'  by {run.requested_by}' if run.requested_by else ''}"
    if run.rerun_of is not None:
        yield "again for", f"{run.rerun_of}  {dim('or')} {short_id(run.rerun_of)}"
    if run.reruns:
        yield "run again", ", ".join(map(short_id, run.reruns))
    for name, one in run.progress.items():
        yield "progress", f"{progress_bar(one.done, one.total, one.failed)}  {dim(name)}"
    if run.params:
        yield "params", orjson.dumps(run.params).decode()
    yield from _timing(run)


def _because(run: RunReport) -> Iterator[str]:
    if run.reason and not run.is_over:
        yield "being cancelled"
    if run.reason and run.ended_by:
        yield f"by {run.ended_by}"
    elif run.reason:
        yield run.reason
    if run.detail:
        yield run.detail


def _timing(run: RunReport) -> Iterator[tuple[str, str]]:
    zone = zone_of(run.timezone)
    if run.started_at is not None:
        late = exact_span(max(0.0, (run.started_at - run.due_at).total_seconds()))
        yield "started", f"{local_time(run.started_at, zone)}  {dim(f'{late} after it was due')}"
    if run.started_at is not None and run.finished_at is not None:
        yield "took", exact_span((run.finished_at - run.started_at).total_seconds())
    if run.slot_wait is not None:
        yield "waits", f"for a slot of the concurrency key {run.slot_wait.key}".rstrip()
        for holder in run.slot_wait.holders:
            since = relative_time(holder.taken_at, run.now)
            yield "", f"slot {holder.slot}: {short_id(holder.run_id)} of {holder.task}, {since}"
    elif run.lease is None:
        return
    elif run.lease.ready_at > run.now:
        yield "goes on", relative_time(run.lease.ready_at, run.now)
    elif run.lease.lease_until is not None:
        lease = relative_time(run.lease.lease_until, run.now)
        yield (
            "lease",
            f"runtime {run.lease.runtime_id}, {'ends' if run.lease.lease_until > run.now else 'ended'} {lease}",
        )


def _try(attempt: TryReport) -> str:
    took = exact_span((attempt.finished_at - attempt.started_at).total_seconds())
    again = (
        f"  {dim(f'again after {_wait(attempt.finished_at, attempt.retry_at)}')}"
        if attempt.retry_at and attempt.retry_at > attempt.finished_at
        else ""
    )
    why = f"  {_failure(attempt.error)}" if attempt.error else ""
    return f"{attempt.outcome}  {took}{why}{again}"


def _waited(wait: WaitReport) -> str:
    until = f"until {wait.until:%Y-%m-%d %H:%M} UTC" if wait.until else ""
    match wait.kind:
        case "unknown":
            problem = one_line(wait.asked["problem"]["message"])
            return _joined(
                f"nobody knows whether it happened: {problem}", dim("`ordinaut settle`")
            )
        case "approval":
            return _approval(wait, until)
        case _:
            return _joined(*_awaited(wait), until)


def _awaited(wait: WaitReport) -> Iterator[str]:
    match wait.kind:
        case "event":
            yield f"for {wait.asked['topic']}"
            if "filter" in wait.asked:
                yield f"where {wait.asked['filter']}"
        case "run":
            yield f"for run {wait.asked['run_id'][-8:]} of {wait.asked['task']}"
        case "callback":
            yield "for a callback"
        case "rate_limit":
            yield "for its turn, as calls are limited"
        case _:
            pass


def _approval(wait: WaitReport, until: str) -> str:
    message = one_line(_question(wait.asked))
    by = f"asks {', '.join(wait.asked['by'])}" if wait.asked.get("by") else ""
    return _joined(message, by, until, dim("`ordinaut approve`"))


def _question(asked: Mapping[str, Any]) -> str:
    if "requests" in asked:
        said = "; ".join(request["message"] for request in asked["requests"].values())
        return f"its server asks: {said}"
    return asked.get("message") or f"may {asked['uses']} be called?"


def _joined(*parts: str) -> str:
    return "  ".join(part for part in parts if part)


def _wait(since: datetime, until: datetime) -> str:
    return exact_span((until - since).total_seconds())


def _events(run: RunReport) -> str:
    zone = zone_of(run.timezone)
    rows = [
        (
            event.time.astimezone(zone).strftime("%H:%M:%S.%f")[:-3],
            event.type,
            str(event.data.get("step", "")),
            "" if event.published else "not yet published",
        )
        for event in run.events
    ]
    return table(("TIME", "EVENT", "STEP", ""), rows)


def _failure(error: Failure) -> str:
    return f"{error.code} {one_line(error.message)}"


def _value(name: str, value: Any, *, unfold: bool) -> str:
    if unfold:
        text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
        return f"  {name}\n{indent(text, '    ')}"
    text = orjson.dumps(value).decode()
    return f"  {name.ljust(6)}  {_folded(text)}"


def _text(text: str, *, unfold: bool) -> str:
    if unfold:
        return indent(text.strip(), " " * 10)
    # What a program says last, before it dies, says the most; how it died is added to it.
    *before, last = text.strip().splitlines() or [""]
    if before and last.startswith("[exit code"):
        last = f"{before.pop()}  {last}"
    folded = f"  {dim(f'after {len(before)} more lines, -v shows them')}" if before else ""
    return f"{' ' * 10}{last}{folded}"


def _folded(text: str) -> str:
    kept = shorten(text, _VALUE_COLUMNS)
    return (
        kept
        if kept == text
        else f"{kept}\n{' ' * 10}{dim(f'{len(text):,} characters, -v shows all')}"
    )
