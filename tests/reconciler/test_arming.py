"""What tasks fire next when they are applied: shared where it is alike, and each task's own where it is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from threading import Event
from typing import Any

import pytest

from reconciler.core.compile import SourceFile, compile_specs
from reconciler.rescheduling import Arming
from runtime.core.schedules import compile_schedules

_NOW = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
_PROJECT = b"apiVersion: ordinaut/v1\nkind: Project\nname: home\n"
_CALENDAR = """\
apiVersion: ordinaut/v1
kind: Calendar
name: NAME
timezone: UTC
dates: [DATE]
"""
_TASK = """\
apiVersion: ordinaut/v1
kind: Task
name: NAME
schedule: {SCHEDULE}
pipeline:
  - {id: one, uses: llm.plan}
"""


def _bodies(**schedules: str) -> dict[str, Mapping[str, Any]]:
    texts = {
        name: _TASK.replace("NAME", name).replace("SCHEDULE", schedule)
        for name, schedule in schedules.items()
    }
    texts["days"] = _CALENDAR.replace("NAME", "days").replace("DATE", "2026-01-05")
    texts["nights"] = _CALENDAR.replace("NAME", "nights").replace("DATE", "2026-01-06")
    files = [SourceFile(f"specs/{name}.yaml", text.encode()) for name, text in texts.items()]
    specs = compile_specs([SourceFile("specs/ordinaut.yaml", _PROJECT), *files])
    assert not specs.errors
    return {key.name: one.body for key, one in specs.documents.items() if key.kind == "Task"}


def test_every_task_is_armed_as_if_it_were_the_only_one() -> None:
    daily = "cron: '0 9 * * *', timezone: UTC"
    bodies = _bodies(
        one=daily,
        two=daily,
        elsewhere="cron: '0 9 * * *', timezone: Europe/Rome",
        spread=f"{daily}, jitter: 1h",
        scattered=f"{daily}, jitter: 1h",
        free=f"{daily}, exclude: [days]",
        busy=f"{daily}, exclude: [nights]",
        hourly="every: 1h",
        over="at: 2026-01-01T00:00Z",
    )
    tasks = Arming(_NOW)

    armed = {name: tasks.armed(uid, body) for uid, (name, body) in enumerate(bodies.items())}

    for uid, (name, body) in enumerate(bodies.items()):
        upcoming = compile_schedules(body).next_after(_NOW)
        found = armed[name]
        assert found is not None
        assert found.task_uid == uid
        assert (found.next_for, found.next_due_at) == (
            (upcoming.at, upcoming.due_at) if upcoming else (None, None)
        )
    assert armed["over"].next_for is None
    assert armed["spread"].next_due_at != armed["scattered"].next_due_at


def test_a_task_that_no_clock_drives_is_not_armed() -> None:
    bodies = _bodies(one="manual: true", two="manual: true")
    tasks = Arming(_NOW)

    assert [tasks.armed(uid, body) for uid, body in enumerate(bodies.values())] == [None, None]


def test_what_was_found_beside_is_not_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    (body,) = _bodies(daily='cron: "0 9 * * *", timezone: UTC').values()
    tasks, found = Arming(_NOW), Event()

    def bodies() -> Iterator[Mapping[str, Any]]:
        yield body
        found.set()

    with tasks.expanding(bodies()):
        assert found.wait(20)
    monkeypatch.delattr("reconciler.rescheduling.compile_schedules")

    armed = tasks.armed(1, body)
    assert armed is not None
    assert armed.next_for == datetime(2026, 1, 5, 9, tzinfo=UTC)


@pytest.mark.timeout(60)
def test_what_is_looked_for_beside_ends_with_what_it_is_beside() -> None:
    (body,) = _bodies(daily='cron: "0 9 * * *", timezone: UTC').values()
    has_begun = Event()

    def for_ever() -> Iterator[Mapping[str, Any]]:
        while True:
            has_begun.set()
            yield body

    def failing() -> None:
        with Arming(_NOW).expanding(for_ever()):
            assert has_begun.wait(20)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
