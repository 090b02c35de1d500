"""Whether everything is all right is one answer, from what is known, with what is wrong and the command that tells more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from runtime.core.verdict import PATIENCE, judge
from schemas.drift import Drift
from schemas.hold import Hold
from schemas.source import SourceStatus
from schemas.status import (
    AppliedRevision,
    AskedStatus,
    BusStatus,
    DatabaseStatus,
    OutboxStatus,
    QueueStatus,
    RuntimeStatus,
    Status,
    Trouble,
    Verdict,
    ZoneDataStatus,
)
from tests.support.factories import NOON

LONG = NOON - PATIENCE - timedelta(seconds=1)
QUEUE = {"queued": 0, "running": 0, "waiting": 0, "overdue": 0}


def runtime(**facts: Any) -> RuntimeStatus:
    return RuntimeStatus(
        **{
            "runtime_id": 7,
            "host": "lab",
            "pid": 42,
            "version": "1.0",
            "started_at": NOON,
            "heartbeat_at": NOON,
            "draining": False,
            "duties": ("scheduler", "worker", "relay"),
            "alive": True,
            **facts,
        }
    )


def source(**facts: Any) -> SourceStatus:
    return SourceStatus(
        **{
            "project": "home",
            "environment": "default",
            "repository": "r",
            "branch": "main",
            "folder": "specs",
            "condition": "Synced",
            "reason": "current",
            "message": "",
            "since": LONG,
            **facts,
        }
    )


APPLIED = AppliedRevision(
    revision=1, project="home", environment="default", dirty=False, actor="ada", applied_at=NOON
)


def status(**facts: Any) -> Status:
    """A quiet installation, but for these facts."""
    quiet = {
        "verdict": Verdict(state="well", headline=""),
        "now": NOON,
        "installation_id": UUID(int=1),
        "database": DatabaseStatus(address="", version="18.0", schema_version=1),
        "bus": BusStatus(stream="ordinaut:events", reachable=True, address="redis", events=0),
        "tzdata": ZoneDataStatus(version="2026a", schedules={}),
        "revisions": (APPLIED,),
        "runtimes": (runtime(),),
        "queue": QueueStatus(**QUEUE),
        "asked": AskedStatus(approvals=0, unsettled=0),
        "outbox": OutboxStatus(events=0),
        "tasks_total": 3,
        "tasks": (),
    }
    return Status(**{**quiet, **facts})


def test_where_nothing_is_wrong_all_is_well() -> None:
    assert judge(status()) == Verdict(state="well", headline="All is well: 3 tasks, 1 runtime")


def test_an_empty_installation_is_well() -> None:
    found = judge(status(revisions=(), runtimes=(), tasks_total=0))

    assert (found.state, found.headline) == ("well", "All is well, and nothing is applied yet")


@pytest.mark.parametrize(
    ("facts", "severity", "what", "remedy"),
    [
        ({"runtimes": ()}, "error", "no runtime is alive", "`ordinaut up`"),
        ({"runtimes": (runtime(draining=True),)}, "error", "every runtime is draining", "up"),
        (
            {"runtimes": (runtime(duties=("worker",)),)},
            "error",
            "no runtime is alive that is a scheduler",
            "`ordinaut runtime`",
        ),
        (
            {"runtimes": (runtime(duties=("scheduler", "relay")),)},
            "error",
            "no runtime is alive that is a worker",
            "`ordinaut runtime`",
        ),
        (
            {"runtimes": (runtime(), runtime(runtime_id=8, alive=False, heartbeat_at=LONG))},
            "warning",
            "runtime 8 on lab is silent for 31 s",
            "doctor",
        ),
        (
            {"runtimes": (runtime(), runtime(version="0.9"))},
            "note",
            "runtimes of versions 0.9, 1.0 work side by side",
            "doctor",
        ),
        (
            {"queue": QueueStatus(**{**QUEUE, "overdue": 2, "oldest_ready_at": LONG})},
            "warning",
            "2 runs ready and not taken, the oldest for 31 s",
            "doctor",
        ),
        (
            {"queue": QueueStatus(**QUEUE, undecided=1, oldest_due_at=LONG)},
            "warning",
            "1 schedule due and not decided, the oldest for 31 s",
            "doctor",
        ),
        (
            {"troubles": (Trouble(kind="missing", tasks=1, names=("a",)),)},
            "error",
            "a lost its schedule",
            "`ordinaut plan`",
        ),
        (
            {"troubles": (Trouble(kind="failing", tasks=1, names=("a",)),)},
            "warning",
            "a failed last time",
            "`ordinaut why a`",
        ),
        (
            {"troubles": (Trouble(kind="failing", tasks=9, names=("a", "b", "c", "d", "e")),)},
            "warning",
            "9 tasks (a, b, c, d, e and 4 more) failed last time",
            "`ordinaut why TASK`",
        ),
        (
            {"troubles": (Trouble(kind="paused_failing", tasks=2, names=("a", "b")),)},
            "warning",
            "2 tasks (a, b) are paused after failures",
            "`ordinaut resume TASK`",
        ),
        (
            {"troubles": (Trouble(kind="paused", tasks=1, names=("a",)),)},
            "note",
            "a is held back",
            "`ordinaut resume a`",
        ),
        (
            {"troubles": (Trouble(kind="quarantined", tasks=1, names=("a",)),)},
            "warning",
            "a took its runtime down again and again",
            "`ordinaut runs --quarantined`",
        ),
        (
            {"troubles": (Trouble(kind="over_budget", tasks=1, names=("a",)),)},
            "warning",
            "a had no budget left",
            "`ordinaut spend --by agent`",
        ),
        (
            {"troubles": (Trouble(kind="promise_broken", tasks=1, names=("a",)),)},
            "warning",
            "a has no error budget left",
            "`ordinaut slo a`",
        ),
        (
            {"troubles": (Trouble(kind="promise_burning", tasks=2, names=("a", "b")),)},
            "warning",
            "2 tasks (a, b) use up their error budgets fast",
            "`ordinaut slo TASK`",
        ),
        (
            {"sources": (source(condition="InvalidSource", reason="invalid"),)},
            "error",
            "home/default is InvalidSource for 31 s",
            "sync",
        ),
        (
            {"sources": (source(condition="NeedsApproval", reason="guarded"),)},
            "warning",
            "home/default is NeedsApproval for 31 s",
            "`ordinaut approve`",
        ),
        (
            {"sources": (source(fetch_error="gone", failing_since=LONG),)},
            "warning",
            "the repository of home/default cannot be read for 31 s",
            "sync",
        ),
        (
            {
                "drift": (
                    Drift(
                        document="Task/a",
                        project="home",
                        environment="default",
                        policy="alert",
                        differs=("content",),
                        detected_at=NOON,
                    ),
                )
            },
            "warning",
            "1 document drifted: Task/a",
            "`ordinaut plan`",
        ),
        (
            {
                "holds": (
                    Hold(
                        project="home",
                        environment="default",
                        revision=2,
                        since=NOON,
                        actor="ada",
                        digest="d",
                    ),
                )
            },
            "note",
            "home/default was rolled back by ada, and is held",
            "`ordinaut hold`",
        ),
        (
            {"troubles": (Trouble(kind="unanswered", tasks=2, names=("a", "b")),)},
            "warning",
            "tools of the conditions of 2 tasks (a, b) give no answer",
            "`ordinaut why TASK`",
        ),
        (
            {"asked": AskedStatus(approvals=1, unsettled=0)},
            "warning",
            "1 step waits for a decision",
            "`ordinaut approve`",
        ),
        (
            {"asked": AskedStatus(approvals=0, unsettled=2)},
            "warning",
            "2 calls may have happened, and nobody knows",
            "`ordinaut settle`",
        ),
        (
            {"bus": BusStatus(stream="s", address="redis", problem="refused")},
            "error",
            "Redis does not answer",
            "doctor",
        ),
        (
            {"outbox": OutboxStatus(events=3, oldest_at=LONG)},
            "warning",
            "3 events not yet published, the oldest for 31 s",
            "doctor",
        ),
    ],
)
def test_what_is_not_as_it_should_be_is_said_once_with_what_tells_more(
    facts: dict[str, Any], severity: str, what: str, remedy: str
) -> None:
    found = judge(status(**facts))

    [finding] = found.findings
    assert (finding.severity, finding.what) == (severity, what)
    assert remedy in finding.remedy
    assert found.state == {"error": "trouble", "warning": "attention", "note": "well"}[severity]


@pytest.mark.parametrize(
    "facts",
    [
        {"queue": QueueStatus(**{**QUEUE, "overdue": 2, "oldest_ready_at": NOON - PATIENCE})},
        {"queue": QueueStatus(**QUEUE, undecided=1, oldest_due_at=NOON - PATIENCE)},
        {"outbox": OutboxStatus(events=3, oldest_at=NOON - PATIENCE)},
        {"bus": BusStatus(stream="s")},
        {"queue": QueueStatus(**{**QUEUE, "queued": 90, "running": 9}, gated=80)},
    ],
)
def test_what_may_be_is_nothing_to_be_told(facts: dict[str, Any]) -> None:
    assert judge(status(**facts)).findings == ()


def test_the_worst_comes_first_and_the_headline_counts() -> None:
    found = judge(
        status(
            runtimes=(),
            asked=AskedStatus(approvals=1, unsettled=1),
            troubles=(Trouble(kind="paused", tasks=1, names=("a",)),),
        )
    )

    assert [one.severity for one in found.findings] == ["error", "warning", "warning", "note"]
    assert found.headline == "Not all is well: 1 error and 2 warnings"
