"""What `ordinaut up` says about specs that change while it runs."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from reconciler.cli.upnews import Lines
from reconciler.load import compile_source
from reconciler.reconcile import Reconciled
from reconciler.source import read_source
from reconciler.up import Ready
from runtime.errors import ApplyLocked, NotFound
from schemas.event import Event
from tests.core.plan_story import PAUSED, plan_of
from tests.support.clock import START
from tests.support.specs import compiled, database_of

_WORD = "nothing changed since the last apply"


@pytest.fixture
def unchanged(tmp_path: Path) -> Reconciled:
    """A look at sound specs that changes nothing."""
    (tmp_path / "a.yaml").write_text("apiVersion: ordinaut/v1\nkind: Project\nname: home\n")
    source = read_source(tmp_path)
    return Reconciled(source, compile_source(source, "default"))


def test_specs_that_are_what_they_were_before_they_broke_are_said_to_be_sound_again(
    unchanged: Reconciled, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines()

    lines.reconciled(NotFound("there is no folder specs"))
    assert _WORD not in capsys.readouterr().out
    lines.reconciled(unchanged)
    assert _WORD in capsys.readouterr().out


def test_a_save_that_changes_nothing_is_passed_over_in_silence(
    unchanged: Reconciled, capsys: pytest.CaptureFixture[str]
) -> None:
    Lines().reconciled(unchanged)

    assert capsys.readouterr().out == ""


def test_a_task_that_is_paused_is_shown_with_who_until_when_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text("")
    text = "\n---\n".join(
        f"kind: Task\nname: {name}\nschedule: {{every: 1h}}\npipeline: [{{id: plan, uses: llm.plan}}]"
        for name in ("held", "free")
    )
    specs = compiled(text)
    overrides = [
        PAUSED.model_copy(update={"key": "held"}),
        PAUSED.model_copy(update={"key": "retired"}),
        PAUSED.model_copy(update={"key": "free", "kind": "snooze"}),
    ]
    plan = plan_of(database_of(text), specs, overrides=overrides)

    Lines().ready(
        Ready(
            "here", "http://127.0.0.1:8470", (1, 1), Reconciled(read_source(tmp_path), specs, plan)
        )
    )

    out = capsys.readouterr().out
    lines = [re.split(r" {2,}", line) for line in out.splitlines()]
    assert [line[0] for line in lines[2:4]] == ["free", "held"]
    assert lines[3][1] == "paused"
    assert re.search(
        r"^held is paused by bob until Mon 26 Oct( 2026)? 14:05 UTC \(\"vendor outage\"\);"
        r" `ordinaut resume` ends that$",
        out,
        re.MULTILINE,
    )
    assert "retired" not in out


@pytest.mark.parametrize("schedule", ["{manual: true}", "{event: orders.paid}"])
def test_a_task_that_time_does_not_drive_is_said_to_be_so_as_in_the_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], schedule: str
) -> None:
    (tmp_path / "a.yaml").write_text("")
    text = f"kind: Task\nname: a\nschedule: {schedule}\npipeline: [{{id: plan, uses: llm.plan}}]"
    specs = compiled(text)
    looked = Reconciled(read_source(tmp_path), specs, plan_of(database_of(text), specs))

    Lines().ready(Ready("here", "http://127.0.0.1:8470", (1, 1), looked))

    assert re.search(r"^a +not by time", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        ("task.paused", {"actor": "bob", "reason": "", "until": None}, "paused  by bob"),
        (
            "task.paused",
            {"actor": "bob", "reason": "outage", "until": "2026-01-05T09:00:00+00:00"},
            "paused  by bob until {nine} (outage)",
        ),
        (
            "task.paused",
            {"actor": "bob", "reason": "a\nb  failed", "until": None},
            "paused  by bob (a b failed)",
        ),
        ("task.resumed", {"actor": "ada"}, "resumed  by ada"),
        ("task.resumed", {}, "resumed  its time was over"),
        (
            "schedule.rederived",
            {"before": "2026-01-05T09:00:00+00:00", "after": None, "tzdata_after": "2026f"},
            "rederived  by time zone data 2026f: {nine} -> never",
        ),
        ("drift.detected", {"role": "ada"}, "detected  written past git by ada"),
        ("drift.detected", {"role": None}, "detected  written past git by somebody"),
        ("drift.resolved", {"revision": 3}, "resolved  by r3"),
        ("drift.resolved", {"revision": None}, "resolved  changed back by hand"),
        ("task.updated", {}, None),
        # As nobody of ours writes them.
        ("run.failed", {"error": {"code": 7}}, "run.failed"),
        ("run.skipped", {"reason": []}, "skipped  1 occurrence: []"),
        ("task.paused", {}, "task.paused"),
    ],
)
def test_what_happens_to_a_task_is_told_on_a_line(
    kind: str, data: dict[str, Any], text: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    Lines().events([event(kind, data, datetime(2026, 1, 5, 8, tzinfo=UTC))])

    line = f"08:00:00 tick  {text.format(nine='Mon 05 Jan 09:00 +00:00')}\n" if text else ""
    assert capsys.readouterr().out == line


def event(kind: str, data: dict[str, Any], time: datetime = START, subject: str = "tick") -> Event:
    return Event(
        specversion="1.0",
        id=UUID(int=1),
        source="ordinaut/test",
        type=f"ordinaut.{kind}",
        subject=subject,
        time=time,
        datacontenttype="application/json",
        sequence="1",
        data=data,
    )


def skipped(reason: str, subject: str = "tick") -> Event:
    return event("run.skipped", {"reason": reason}, subject=subject)


def test_what_was_missed_meanwhile_is_one_line_a_task(capsys: pytest.CaptureFixture[str]) -> None:
    missed = [skipped("catch_up_latest"), skipped("catch_up_latest", "tock")] * 12

    Lines().events([*missed, event("run.started", {"late_seconds": 1}), skipped("overlap")])

    assert capsys.readouterr().out.splitlines() == [
        "08:00:00 tick  skipped  12 occurrences missed: catch_up latest",
        "08:00:00 tock  skipped  12 occurrences missed: catch_up latest",
        "08:00:00 tick  started  1.00 s after it was due",
        "08:00:00 tick  skipped  1 occurrence: overlap",
    ]


def test_times_are_those_of_the_task_as_in_the_table_above(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text("")
    lines = Lines()

    def told(*zones: str) -> list[str]:
        text = "\n---\n".join(
            f"kind: Task\nname: {name}\nschedule: {{cron: '0 8 * * *', timezone: {zone}}}\n"
            "pipeline: [{id: plan, uses: llm.plan}]"
            for name, zone in zip(("tick", "tock"), zones, strict=False)
        )
        lines.reconciled(Reconciled(read_source(tmp_path), compiled(text)))
        capsys.readouterr()
        lines.events([skipped("overlap"), skipped("overlap", "tock")])
        return [line.partition("  ")[0] for line in capsys.readouterr().out.splitlines()]

    assert told("Europe/Chisinau", "Europe/Chisinau") == ["10:00:00 tick", "10:00:00 tock"]
    assert told("Europe/Chisinau", "Asia/Kolkata") == [
        "10:00:00 +02:00 tick",
        "13:30:00 +05:30 tock",
    ]


def test_what_is_tried_again_by_itself_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    Lines().reconciled(NotFound("there is no folder specs"))
    assert "tried again by itself" not in capsys.readouterr().out

    Lines().reconciled(ApplyLocked("another apply holds the lock"))
    assert "tried again by itself" in capsys.readouterr().out
