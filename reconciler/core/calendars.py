"""Calendars on their way into the tasks that name them: the events of .ics files, and one content however it was written.

A task's body carries the content of its calendars, so that a run needs no other document, an edit of a calendar is a
change of each task that heeds it, and a plan can show what becomes of its times.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from typing import Any, Final, TypeAlias

from reconciler.core.desired import Key
from reconciler.core.digest import canonical, normalised
from reconciler.core.entry import Entry
from reconciler.core.files import ICS_SUFFIX
from reconciler.core.ics import read_events
from reconciler.core.suggest import did_you_mean
from runtime.core.calendar.compilation import compile_calendar
from runtime.errors import ScheduleError
from schemas.calendar import Calendar
from schemas.problem import Problem

Events: TypeAlias = Sequence[Mapping[str, Any]]
Content: TypeAlias = dict[str, Any]

_DAY: Final = timedelta(days=1)
_SINGLE_DAYS: Final = frozenset({"start", "days"})


def calendar_events(
    entries: Iterable[Entry], files: Mapping[str, bytes], folder: str, unread: frozenset[str]
) -> tuple[dict[Key, Events], list[Problem]]:
    """The events of every calendar that names an .ics file, and what is wrong with those files.

    Args:
        files: .ics files by the names that people are shown.
        folder: the specs folder, which such names begin with.
        unread: names of files that could not be read, which has been reported.
    """
    events: dict[Key, Events] = {}
    problems: list[Problem] = []
    for entry in entries:
        calendar = entry.document
        if not isinstance(calendar, Calendar) or calendar.ics is None:
            continue
        name = posixpath.normpath(
            posixpath.join(posixpath.dirname(entry.source.file), calendar.ics)
        )
        if name in unread:
            continue
        try:
            _require_file(calendar.ics, name, files, folder)
            events[entry.key] = read_events(files[name])
        except ScheduleError as error:
            message = f"{calendar.ics}: {error.message}"
            problems += entry.problem(("ics",), error.code, message, error.hint)
    return events, problems


def _require_file(written: str, name: str, files: Mapping[str, bytes], folder: str) -> None:
    is_inside = not name.startswith("../") and (folder == "." or name.startswith(f"{folder}/"))
    if written.startswith("/") or not is_inside:
        raise ScheduleError(
            "the path leads out of the specs folder",
            hint="put the file into the specs folder, so that plans and watching see it",
            code="ORD010",
        )
    if name not in files:
        here = posixpath.dirname(name)
        known = [posixpath.relpath(file, here) for file in files]
        hint = did_you_mean(written, known, "the path begins at the document's own folder")
        if not name.endswith(ICS_SUFFIX):
            hint = f"name it with {ICS_SUFFIX} at its end"
        raise ScheduleError("there is no such file in the specs folder", hint=hint, code="ORD009")


def calendar_contents(
    entries: Iterable[Entry], events: Mapping[Key, Events]
) -> dict[Key, Content]:
    """The content of every calendar that is known whole and without mistakes."""
    contents: dict[Key, Content] = {}
    for entry in entries:
        calendar = entry.document
        if not isinstance(calendar, Calendar) or entry.repaired:
            continue
        if calendar.ics is None or entry.key in events:
            content = calendar_content(normalised(calendar), events.get(entry.key, ()))
            with suppress(ScheduleError):
                compile_calendar(content)
                contents[entry.key] = content
    return contents


def calendar_content(body: Mapping[str, Any], events: Events) -> Content:
    """What a task carries of a calendar: what it covers, and nothing of how that was written down.

    Args:
        body: the normalised calendar.
        events: those of its .ics file.
    """
    days = [(day, day) for day in body["dates"]]
    days += [(run["from"], run["to"]) for run in body["ranges"]]
    days += [_run(event) for event in events if event.keys() == _SINGLE_DAYS]
    found = {
        "timezone": body["timezone"],
        "days": list(_merged(days)),
        "rules": sorted(body["rules"], key=canonical),
        "windows": sorted(body["windows"], key=canonical),
        "defer": body.get("defer"),
        "events": [event for event in events if event.keys() != _SINGLE_DAYS],
    }
    return {name: value for name, value in found.items() if value}


def _run(event: Mapping[str, Any]) -> tuple[str, str]:
    last = date.fromisoformat(event["start"]) + (event["days"] - 1) * _DAY
    return event["start"], last.isoformat()


def _merged(runs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Runs of days in order, those that touch as one; a run of one day as that day."""
    merged: list[tuple[str, str]] = []
    for begin, end in sorted(runs):
        if merged and date.fromisoformat(begin) <= date.fromisoformat(merged[-1][1]) + _DAY:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((begin, end))
    return (begin if begin == end else f"{begin}/{end}" for begin, end in merged)
