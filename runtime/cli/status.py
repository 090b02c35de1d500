"""`ordinaut status`: one screen of what is applied, who works, what is due and what is still to be told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import click

from runtime.cli.holding import hold_words
from runtime.cli.options import FAILING, configured, json_option
from runtime.cli.output import (
    bold,
    brief_time,
    colour_state,
    dim,
    echo,
    echo_json,
    fields,
    one_line,
    progress_bar,
    relative_time,
    short_id,
    table,
    wrapped,
    zone_of,
)
from runtime.config import Config
from runtime.database import open_database
from runtime.duties import DUTIES
from runtime.errors import EXIT_ERROR
from runtime.health import bus_status
from runtime.store.status import load_status
from schemas.drift import Drift
from schemas.source import SourceStatus
from schemas.status import (
    AppliedRevision,
    BusStatus,
    RunProgress,
    RuntimeStatus,
    Status,
    TaskStatus,
    Verdict,
    ZoneDataStatus,
)

_COLOURS: Final = {"well": "green", "attention": "yellow", "trouble": "red"}
_SEVERITIES: Final = {"error": "red", "warning": "yellow", "note": "blue"}
_INDENT: Final = 9


@click.command(
    epilog="""\b
Examples:
  ordinaut status
  ordinaut status -n 100
  ordinaut status --json | jq .queue.overdue
"""
)
@click.option(
    "-n",
    "limit",
    metavar="N",
    type=click.IntRange(0, 100_000),
    default=15,
    show_default=True,
    help="How many tasks.",
)
@click.option(
    "--fail-on",
    type=click.Choice(tuple(FAILING)),
    help="What ends the command with 1; nothing when left out.",
)
@json_option
@configured("database_url", "redis_url", "state_dir")
def status(*, config: Config, limit: int, fail_on: str | None, as_json: bool) -> None:
    """Tell whether everything is all right, and show what is applied, what runs and what is due.

    The first line is the answer; what is not as it should be comes next, with the command that tells more. Exits with 0
    whatever it finds unless --fail-on is given, 1 if Redis has an address and does not answer, and 5 if the database does not.
    """
    bus = bus_status(config)
    with open_database(config, read_only=True, name="ordinaut status") as connection:
        found = load_status(connection, bus, limit=limit)
    if as_json:
        echo_json(found.model_dump(mode="json"))
    else:
        embedded = f", embedded in {config.state_dir}" if config.database_url is None else ""
        echo(_screen(found, embedded))
    failing = FAILING[fail_on] if fail_on else ()
    if bus.problem is not None or any(one.severity in failing for one in found.verdict.findings):
        raise click.exceptions.Exit(EXIT_ERROR)


def _screen(found: Status, embedded: str) -> str:
    parts = [_verdict(found.verdict), fields(list(_facts(found, embedded)))]
    if found.tasks:
        rows = [_task(task, found) for task in found.tasks]
        parts.append(table(("TASK", "NEXT", "", "LAST RUN", ""), rows, flexible=0))
    if found.progress:
        counts = [(one.task, one.name, _bar(one)) for one in found.progress]
        parts.append(table(("PROGRESS OF", "WHAT", ""), counts, flexible=0))
    if paused := [_pause(task, found) for task in found.tasks if task.pause]:
        parts.append(table(("PAUSED", "SINCE", "UNTIL", "BY", "WHY"), paused))
    if drifted := [_drift(drift, found) for drift in found.drift]:
        parts.append(
            table(("DRIFTED", "WHAT", "SINCE", "BY", "THROUGH", "POLICY"), drifted, flexible=0)
        )
    hidden = found.tasks_total - len(found.tasks)
    if hidden:
        noun = "task" if hidden == 1 else "tasks"
        parts.append(dim(f"and {hidden:,} more {noun}, -n shows them"))
    return "\n\n".join(parts)


def _verdict(verdict: Verdict) -> str:
    """Whether everything is all right, and what is not with the command that tells more."""
    lines = [bold(click.style(verdict.headline, fg=_COLOURS[verdict.state]))]
    for finding in verdict.findings:
        severity = click.style(finding.severity.ljust(_INDENT), fg=_SEVERITIES[finding.severity])
        lines.append(wrapped(f"{severity}{finding.what}", _INDENT))
        lines.append(wrapped(" " * _INDENT + dim(f"{one_line(finding.why)}"), _INDENT))
        lines.append(wrapped(f"{' ' * _INDENT}→ {finding.remedy}", _INDENT))
    return "\n".join(lines)


def _facts(found: Status, embedded: str) -> Iterator[tuple[str, str]]:
    database = found.database
    yield "database", f"PostgreSQL {database.version}{embedded or f', {database.address}'}"
    yield "schema", f"version {database.schema_version}"
    yield "redis", _bus(found.bus)
    yield "tzdata", _zone_data(found.tzdata)
    for number, revision in enumerate(found.revisions):
        yield "" if number else "applied", _revision(revision, found)
    if not found.revisions:
        yield "applied", "nothing yet; `ordinaut apply` does it"
    for source in found.sources:
        yield "source", _source(source, found)
        yield from (("", line) for line in _source_notes(source, found))
    for hold in found.holds:
        yield "held", click.style(hold_words(hold, found.now), fg="yellow")
    for number, runtime in enumerate(found.runtimes):
        yield "" if number else "runtimes", _runtime(runtime, found)
    if not found.runtimes:
        yield "runtimes", "none; `ordinaut up` or `ordinaut runtime` starts one"
    yield "queue", _queue(found)
    for number, line in enumerate(_asked(found)):
        yield "" if number else "asks", click.style(line, fg="yellow")
    yield "outbox", _outbox(found)


def _bus(bus: BusStatus) -> str:
    if bus.address is None:
        return "none is running; events wait in the outbox"
    if bus.problem is not None:
        return click.style(bus.problem, fg="red")
    return f"{bus.events:,} events in {bus.stream}"


def _zone_data(tzdata: ZoneDataStatus) -> str:
    others = [
        f"{count:,} by {version}"
        for version, count in tzdata.schedules.items()
        if version != tzdata.version
    ]
    text = f"version {tzdata.version}"
    return f"{text}; next times found with another: {', '.join(others)}" if others else text


def _revision(revision: AppliedRevision, found: Status) -> str:
    return (
        f"revision {revision.revision} of {revision.project}/{revision.environment}, "
        f"{_commit(revision)}, by {revision.actor}, {relative_time(revision.applied_at, found.now)}"
    )


def _commit(revision: AppliedRevision) -> str:
    """The newest commit that says what is in force."""
    if revision.confirmed_commit:
        return f"commit {revision.confirmed_commit[:12]}"
    if revision.commit is None:
        return "no commit"
    return f"commit {revision.commit[:12]}{' with local changes' if revision.dirty else ''}"


def _source(source: SourceStatus, found: Status) -> str:
    commit = f" at {source.seen_commit[:12]}" if source.seen_commit else ""
    looked = relative_time(source.looked_at, found.now) if source.looked_at else "never"
    since = relative_time(source.since, found.now)
    return (
        f"{colour_state(source.condition)}  {source.project}/{source.environment} from {source.branch} of "
        f"{source.repository}{commit}, since {since}, last look {looked}"
    )


def _source_notes(source: SourceStatus, found: Status) -> Iterator[str]:
    """What keeps a branch from being in force, and what to do about it."""
    if source.condition != "Synced" and source.message:
        yield source.message
    if source.approval is not None:
        why = f" ({source.approval.reason})" if source.approval.reason else ""
        yield f"approved by {source.approval.actor}{why}; the next look applies it"
    if source.fetch_error is not None and source.failing_since is not None:
        since = relative_time(source.failing_since, found.now)
        yield click.style(f"{source.fetch_error}, since {since}", fg="red")


def _runtime(runtime: RuntimeStatus, found: Status) -> str:
    heard = relative_time(runtime.heartbeat_at, found.now)
    if not runtime.alive:
        state = click.style(f"silent, last heard {heard}", fg="red")
    else:
        state = "draining" if runtime.draining else "alive"
        if len(runtime.duties) < len(DUTIES):
            state += f", {' and '.join(runtime.duties)} only"
    since = relative_time(runtime.started_at, found.now)
    return f"{state}  {dim(f'number {runtime.runtime_id}, process {runtime.pid} on {runtime.host}, started {since}')}"


def _queue(found: Status) -> str:
    queue = found.queue
    gated = f" ({queue.gated:,} for a slot of their concurrency key)" if queue.gated else ""
    text = f"{queue.queued:,} queued{gated}, {queue.running:,} running, {queue.waiting:,} waiting"
    if not queue.overdue or queue.oldest_ready_at is None:
        return text
    since = relative_time(queue.oldest_ready_at, found.now)
    return f"{text}; {click.style(f'{queue.overdue:,} ready and not taken, the oldest since {since}', fg='yellow')}"


def _asked(found: Status) -> Iterator[str]:
    """What runs wait for that only people can give."""
    approvals, unsettled = found.asked.approvals, found.asked.unsettled
    if approvals:
        waits = "step waits" if approvals == 1 else "steps wait"
        yield f"{approvals:,} {waits} for a decision: `ordinaut approve`"
    if unsettled:
        waits = (
            "call that may have happened waits"
            if unsettled == 1
            else "calls that may have happened wait"
        )
        yield f"{unsettled:,} {waits} to be settled: `ordinaut settle`"


def _outbox(found: Status) -> str:
    outbox = found.outbox
    if not outbox.events or outbox.oldest_at is None:
        return "empty: every event is published"
    since = relative_time(outbox.oldest_at, found.now)
    if outbox.events == 1:
        return f"1 event not yet published, written {since}"
    return f"{outbox.events:,} events not yet published, the oldest written {since}"


def _bar(one: RunProgress) -> str:
    return progress_bar(one.done, one.total, one.failed)


def _pause(task: TaskStatus, found: Status) -> tuple[str, ...]:
    pause, zone = task.pause, zone_of(task.timezone)
    assert pause is not None  # noqa: S101 - only paused tasks come here
    until = brief_time(pause.until, zone, found.now) if pause.until else "resumed"
    since = relative_time(pause.since, found.now, units=1)
    return task.task, since, until, pause.actor or dim("unknown"), pause.reason


def _drift(drift: Drift, found: Status) -> tuple[str, ...]:
    since = relative_time(drift.changed_at or drift.detected_at, found.now, units=1)
    return (
        drift.document,
        ", ".join(drift.differs),
        since,
        drift.role or dim("unknown"),
        drift.application or dim("unknown"),
        drift.policy,
    )


def _task(task: TaskStatus, found: Status) -> tuple[str, ...]:
    upcoming, distance = _upcoming(task, found)
    if task.last_run_id is None or task.last_state is None or task.last_for is None:
        return task.task, upcoming, distance, dim("never"), ""
    last = f"{short_id(task.last_run_id)} {colour_state(task.last_state)}"
    return task.task, upcoming, distance, last, relative_time(task.last_for, found.now, units=1)


def _upcoming(task: TaskStatus, found: Status) -> tuple[str, str]:
    """What is next, and how far it is."""

    def distance(instant: datetime) -> str:
        return relative_time(instant, found.now, units=1)

    zone = zone_of(task.timezone)
    failing = [one.failing_since for one in task.conditions if one.failing_since is not None]
    if task.schedule == "missing":
        return click.style("row deleted", fg="red"), ""
    if task.paused_at is not None:
        return "paused", distance(task.paused_at)
    if failing:
        return click.style("no answer", fg="red"), distance(min(failing))
    if task.next_due_at is not None and task.next_for is not None:
        return brief_time(task.next_for, zone, found.now), distance(task.next_due_at)
    if task.conditions:
        asked_at = min(one.next_poll_at for one in task.conditions)
        return f"asks {brief_time(asked_at, zone, found.now)}", distance(asked_at)
    return dim("no more" if task.schedule == "over" else "not by time"), ""
