"""Is everything all right? What `ordinaut status` found, to a verdict that the terminal, the API and the dashboard show alike.

Error: something does not work, or nobody sees to it. Warning: somebody has to look, or to decide. Note: good to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from runtime.core.spans import rough_span
from schemas.doctor import Finding
from schemas.problem import Severity
from schemas.status import RuntimeStatus, Status, Trouble, TroubleKind, Verdict

PATIENCE: Final = timedelta(seconds=30)
"""How long what is due may wait before somebody is told."""

_WORST_FIRST: Final[tuple[Severity, ...]] = ("error", "warning", "note")
_DUTIES: Final = {"scheduler": "decides what is due", "worker": "runs what is due"}
# Severity, what is said of how many, why it matters, and what tells more.
_TROUBLES: Final[dict[TroubleKind, tuple[Severity, str, str, str]]] = {
    "missing": (
        "error",
        "{} lost its schedule|{} lost their schedules",
        "somebody deleted it past git, so time does not drive it any more",
        "`ordinaut plan` tells who; `ordinaut apply` arms it",
    ),
    "quarantined": (
        "warning",
        "{} took its runtime down again and again|{} took their runtimes down again and again",
        "its run was given up, and is not tried again by itself",
        "`ordinaut runs --quarantined`",
    ),
    "paused_failing": (
        "warning",
        "{} is paused after failures|{} are paused after failures",
        "nothing of it fires until somebody resumes it",
        "`ordinaut why TASK`, then `ordinaut resume TASK`",
    ),
    "failing": (
        "warning",
        "{} failed last time|{} failed last time",
        "its newest run that is over failed",
        "`ordinaut runs --state failed`, then `ordinaut why TASK`",
    ),
    "paused": (
        "note",
        "{} is held back|{} are held back",
        "somebody paused or snoozed it",
        "`ordinaut resume TASK`",
    ),
    "over_budget": (
        "warning",
        "{} had no budget left|{} had no budget left",
        "its agent used up what it may in a day, so its newest run did not begin",
        "`ordinaut spend --by agent`",
    ),
    "unanswered": (
        "warning",
        "the tool of a condition of {} gives no answer|tools of the conditions of {} give no answer",
        "whether it is met is not known, so it starts nothing",
        "`ordinaut why TASK`",
    ),
    "promise_broken": (
        "warning",
        "{} has no error budget left|{} have no error budgets left",
        "the next failure breaks what its `slo` promises, if it is not broken yet",
        "`ordinaut slo TASK`",
    ),
    "promise_burning": (
        "warning",
        "{} uses up its error budget fast|{} use up their error budgets fast",
        "at this rate what its `slo` promises is broken soon",
        "`ordinaut slo TASK`",
    ),
}


def judge(status: Status) -> Verdict:
    """Whether everything is all right, and what is not; `status.verdict` is not looked at."""
    looks = chain(_workers(status), _work(status), _tasks(status), _git(status), _people(status), _telling(status))  # fmt: skip
    findings = tuple(sorted(looks, key=lambda one: _WORST_FIRST.index(one.severity)))
    worst = {one.severity for one in findings}
    return Verdict(
        state="trouble" if "error" in worst else "attention" if "warning" in worst else "well",
        headline=_headline(status, findings),
        findings=findings,
    )


def _headline(status: Status, findings: Iterable[Finding]) -> str:
    worst = [one for one in findings if one.severity != "note"]
    if worst:
        counts = [
            _counted(number, severity)
            for severity in ("error", "warning")
            if (number := sum(one.severity == severity for one in worst))
        ]
        return f"Not all is well: {' and '.join(counts)}"
    if not status.revisions:
        return "All is well, and nothing is applied yet"
    alive = sum(one.alive for one in status.runtimes)
    return f"All is well: {_counted(status.tasks_total, 'task')}, {_counted(alive, 'runtime')}"


def _workers(status: Status) -> Iterator[Finding]:
    """Who ought to see to the work."""
    able = [one for one in status.runtimes if one.alive and not one.draining]
    if status.revisions and not able:
        yield Finding(
            check="runtimes",
            severity="error",
            what="no runtime is alive" if not any(one.alive for one in status.runtimes) else "every runtime is draining",
            why="nothing fires, and nothing that is queued begins",
            remedy="`ordinaut up` or `ordinaut runtime` starts one",
        )  # fmt: skip
    elif able:
        yield from _undone(able)
    for one in status.runtimes:
        if not one.alive:
            yield Finding(
                check="runtimes",
                severity="warning",
                what=f"runtime {one.runtime_id} on {one.host} is silent for {_since(one.heartbeat_at, status)}",
                why="it was killed, hangs, or is cut off from the database; others take over what it held",
                remedy="`ordinaut doctor`",
            )
    versions = sorted({one.version for one in able})
    if len(versions) > 1:
        yield Finding(
            check="runtimes",
            severity="note",
            what=f"runtimes of versions {', '.join(versions)} work side by side",
            why="that is meant for the time of an upgrade",
            remedy="`ordinaut doctor`",
        )


def _undone(able: Iterable[RuntimeStatus]) -> Iterator[Finding]:
    seen = {duty for one in able for duty in one.duties}
    for duty, does in _DUTIES.items():
        if duty not in seen:
            yield Finding(
                check="runtimes",
                severity="error",
                what=f"no runtime is alive that is a {duty}",
                why=f"nobody {does}",
                remedy="`ordinaut runtime` starts one",
            )


def _work(status: Status) -> Iterator[Finding]:
    """What is due and waits."""
    queue = status.queue
    late = (
        (queue.overdue, queue.oldest_ready_at, "run", "ready and not taken"),
        (queue.undecided, queue.oldest_due_at, "schedule", "due and not decided"),
    )
    waiting = [one for one in status.troubles if one.kind == "late"]
    whose = f": {_named(waiting[0])}" if waiting else ""
    for count, since, noun, state in late:
        if since is not None and status.now - since > PATIENCE:
            yield Finding(
                check="work",
                severity="warning",
                what=f"{_counted(count, noun)} {state}, the oldest for {_since(since, status)}",
                why=f"runtimes do not keep up, or cannot{whose}",
                remedy="`ordinaut doctor`",
            )


def _tasks(status: Status) -> Iterator[Finding]:
    found = {one.kind: one for one in status.troubles}
    for kind, (severity, words, why, remedy) in _TROUBLES.items():
        if (trouble := found.get(kind)) is not None:
            yield Finding(
                check=kind,
                severity=severity,
                what=words.split("|")[trouble.tasks > 1].format(_named(trouble)),
                why=why,
                remedy=_aimed(remedy, trouble),
            )


def _git(status: Status) -> Iterator[Finding]:
    """Whether what is in force is what git says."""
    for source in status.sources:
        where = f"{source.project}/{source.environment}"
        if source.condition not in {"Synced"}:
            yield Finding(
                check="source",
                severity="error" if source.condition == "InvalidSource" else "warning",
                what=f"{where} is {source.condition} for {_since(source.since, status)}",
                why=source.message or "what the branch says is not in force",
                remedy="`ordinaut approve`" if source.condition == "NeedsApproval" else "`ordinaut sync --once`",
            )  # fmt: skip
        if source.fetch_error is not None and source.failing_since is not None:
            yield Finding(
                check="source",
                severity="warning",
                what=f"the repository of {where} cannot be read for {_since(source.failing_since, status)}",
                why=source.fetch_error,
                remedy="`ordinaut sync --once`",
            )
    if status.drift:
        documents = ", ".join(one.document for one in status.drift[:5])
        yield Finding(
            check="drift",
            severity="warning",
            what=f"{_counted(len(status.drift), 'document')} drifted: {documents}",
            why="somebody wrote past git",
            remedy="`ordinaut plan` tells who; `ordinaut apply` restores it",
        )
    for hold in status.holds:
        yield Finding(
            check="hold",
            severity="note",
            what=f"{hold.project}/{hold.environment} was rolled back by {hold.actor}, and is held",
            why=hold.reason or "what was rolled back is not applied again by itself",
            remedy="`ordinaut hold`",
        )


def _people(status: Status) -> Iterator[Finding]:
    """What waits for somebody."""
    asked = status.asked
    if asked.approvals:
        yield Finding(
            check="asked",
            severity="warning",
            what=f"{_counted(asked.approvals, 'step')} {'waits' if asked.approvals == 1 else 'wait'} for a decision",
            why="the run goes on once somebody decides",
            remedy="`ordinaut approve`",
        )
    if asked.unsettled:
        yield Finding(
            check="asked",
            severity="warning",
            what=f"{_counted(asked.unsettled, 'call')} may have happened, and nobody knows",
            why="the run goes on once somebody says what became of it",
            remedy="`ordinaut settle`",
        )


def _telling(status: Status) -> Iterator[Finding]:
    """Whether others learn of it."""
    outbox, bus = status.outbox, status.bus
    if bus.problem is not None:
        yield Finding(
            check="redis",
            severity="error",
            what="Redis does not answer",
            why=f"{bus.problem}; runs go on, events wait",
            remedy="`ordinaut doctor`",
        )
    if outbox.oldest_at is not None and status.now - outbox.oldest_at > PATIENCE:
        yield Finding(
            check="outbox",
            severity="warning",
            what=f"{_counted(outbox.events, 'event')} not yet published, the oldest for {_since(outbox.oldest_at, status)}",
            why="whoever reads the stream learns nothing; nothing is lost",
            remedy="`ordinaut doctor`",
        )


def _named(trouble: Trouble) -> str:
    if trouble.tasks == 1:
        return trouble.names[0]
    more = trouble.tasks - len(trouble.names)
    rest = f" and {more:,} more" if more else ""
    return f"{trouble.tasks:,} tasks ({', '.join(trouble.names)}{rest})"


def _aimed(remedy: str, trouble: Trouble) -> str:
    return remedy.replace("TASK", trouble.names[0]) if trouble.tasks == 1 else remedy


def _since(instant: datetime, status: Status) -> str:
    return rough_span(max(timedelta(0), status.now - instant))


def _counted(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"
