"""What `ordinaut up` says: a screen of what stands, then a line for each thing that happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from reconciler.cli.looknews import LookLines, look_json
from reconciler.core.render_notes import override_words
from reconciler.reconcile import Reconciled
from reconciler.up import Ready
from runtime.cli.output import (
    bold,
    brief_time,
    clock_time,
    colour_state,
    dim,
    echo,
    echo_json_line,
    one_line,
    relative_time,
    short_id,
    table,
    zone_of,
)
from runtime.clock import SYSTEM_CLOCK
from runtime.core.schedules import compile_schedules
from runtime.core.spans import exact_span
from runtime.errors import OrdinautError
from schemas.event import Event
from schemas.plan import Override

_TASKS_SHOWN: Final = 20


class Lines:
    """News for people, on stdout."""

    def __init__(self) -> None:
        self._looks = LookLines()
        self._zones: Mapping[str, str | None] = {}

    def ready(self, ready: Ready) -> None:
        """The screen that opens it all."""
        before, after = ready.migrated
        if before != after:
            echo(dim(f"database in {ready.database}: schema {before} -> {after}"))
        self._looked(ready.reconciled, first=True)
        if isinstance(ready.reconciled, Reconciled) and not ready.reconciled.specs.errors:
            for line in _upcoming(ready.reconciled):
                echo(line)
        echo(dim(f"dashboard and API at {ready.web}"))
        echo(dim("watching the specs; Ctrl-C stops, `ordinaut status` tells more"))
        echo()

    def reconciled(self, outcome: Reconciled | OrdinautError) -> None:
        """The specs changed."""
        self._looked(outcome, first=False)

    def _looked(self, outcome: Reconciled | OrdinautError, *, first: bool) -> None:
        if isinstance(outcome, Reconciled) and not outcome.specs.errors:
            self._zones = _zones(outcome)
        self._looks.looked(outcome, first=first, brief=first)

    def events(self, events: Sequence[Event]) -> None:
        """Something happened, at once or nearly so."""
        for event, count in _gathered(events):
            line = _event_line(event, zone_of(self._zones.get(event.subject)), count)
            if line is not None:
                echo(f"{dim(self._wall_time(event))} {line}".rstrip())

    def _wall_time(self, event: Event) -> str:
        """By the clock of its task, as the table of tasks has it; with the offset where tasks have several zones."""
        zone = zone_of(self._zones.get(event.subject))
        text = clock_time(event.time, zone)
        return text if len(set(self._zones.values())) > 1 else text.partition(" ")[0]


class JsonLines:
    """News for programs: one JSON object a line."""

    def ready(self, ready: Ready) -> None:
        """Everything stands."""
        echo_json_line(
            {
                "kind": "ready",
                "schema": ready.migrated[1],
                "web": ready.web,
                **look_json(ready.reconciled),
            }
        )

    def reconciled(self, outcome: Reconciled | OrdinautError) -> None:
        """The specs changed."""
        echo_json_line({"kind": "reconciled", **look_json(outcome)})

    def events(self, events: Sequence[Event]) -> None:
        """Something happened."""
        for event in events:
            echo_json_line({"kind": "event", **event.model_dump(mode="json")})


def _upcoming(reconciled: Reconciled) -> Iterator[str]:
    """Every task with its schedule in words and its next fire, the soonest first."""
    now = SYSTEM_CLOCK.now()
    rows = []
    pauses = {one.key: one for one in _overrides(reconciled) if one.kind == "pause"}
    for key, desired in reconciled.specs.documents.items():
        if key.kind != "Task":
            continue
        schedule = compile_schedules(desired.body)
        upcoming = schedule.next_running(now)
        soonest = upcoming.due_at if upcoming else datetime.max.replace(tzinfo=UTC)
        fires = (
            f"{brief_time(upcoming.at, zone_of(schedule.timezone), now)}  {dim(relative_time(upcoming.at, now))}"
            if upcoming
            else dim("not by time" if schedule.others else "no more")
        )
        if key.label in pauses:
            soonest, fires = datetime.max.replace(tzinfo=UTC), "paused"
        rows.append((soonest, (key.label, fires, schedule.describe())))
    if rows:
        rows.sort()
        yield table(("TASK", "NEXT", "SCHEDULE"), [row for _, row in rows[:_TASKS_SHOWN]])
        if len(rows) > _TASKS_SHOWN:
            yield dim(f"and {len(rows) - _TASKS_SHOWN} more: `ordinaut next`")
    for label, pause in pauses.items():
        yield f"{bold(label)} is {override_words(pause, now.year)}; `ordinaut resume` ends that"


def _overrides(reconciled: Reconciled) -> Iterable[Override]:
    """Those of tasks that are still there."""
    tasks = {key.label for key in reconciled.specs.documents if key.kind == "Task"}
    every = reconciled.plan.overrides if reconciled.plan else ()
    return (override for override in every if override.key in tasks)


def _zones(reconciled: Reconciled) -> dict[str, str | None]:
    return {
        key.label: compile_schedules(desired.body).timezone
        for key, desired in reconciled.specs.documents.items()
        if key.kind == "Task"
    }


def _gathered(events: Sequence[Event]) -> Iterator[tuple[Event, int]]:
    """Events with how many they stand for: after a long absence, a task's skips of one reason are one piece of news."""
    kinds = [(event.subject, event.short_type, str(event.data.get("reason"))) for event in events]
    left = Counter(kinds)
    for event, kind in zip(events, kinds, strict=True):
        left[kind] -= 1
        if event.short_type != "run.skipped":
            yield event, 1
        elif not left[kind]:
            yield event, kinds.count(kind)


def _event_line(event: Event, zone: tzinfo, count: int) -> str | None:
    """A line, without its time, for what people follow; the rest is in `ordinaut events`.

    What does not say what such events say, as a stranger may write, is told by its name alone.
    """
    try:
        return _told(event, zone, count)
    except (KeyError, TypeError, ValueError, AttributeError):
        return f"{bold(event.subject)}  {event.short_type}"


def _told(event: Event, zone: tzinfo, count: int) -> str | None:
    group, _, what = event.short_type.partition(".")
    if group == "step":
        return f"  {_step_facts(what, event.data)}"
    facts = _run_facts(what, event, count) if group == "run" else _task_facts(event, zone)
    return None if facts is None else f"{bold(event.subject)}  {colour_state(what)}  {facts}"


def _step_facts(what: str, data: Mapping[str, Any]) -> str:
    took = exact_span(data["seconds"]) if "seconds" in data else ""
    error = f"  {_failure(data['error'])}" if data.get("error") else ""
    return f"{data['step']}  {dim(data['uses'])}  {colour_state(what)}  {took}{error}"


def _failure(error: Mapping[str, Any]) -> str:
    return f"{error['code']} {one_line(error['message'])}"


def _task_facts(event: Event, zone: tzinfo) -> str | None:
    data = event.data

    def moment(text: str | None) -> str:
        return brief_time(datetime.fromisoformat(text), zone, event.time) if text else "never"

    match event.short_type:
        case "task.paused":
            until = f" until {moment(data['until'])}" if data["until"] else ""
            reason = f" ({one_line(data['reason'])})" if data["reason"] else ""
            return f"by {data['actor']}{until}{reason}"
        case "task.resumed":
            return f"by {data['actor']}" if data.get("actor") else "its time was over"
        case "schedule.rederived":
            before, after = (moment(data[name]) for name in ("before", "after"))
            return f"by time zone data {data['tzdata_after']}: {before} -> {after}"
        case "drift.detected":
            return f"written past git by {data['role'] or 'somebody'}"
        case "drift.resolved":
            return f"by r{data['revision']}" if data["revision"] else "changed back by hand"
        case _:
            return None


def _run_facts(what: str, event: Event, count: int) -> str:
    data = event.data
    match what:
        case "started":
            return f"{exact_span(max(0.0, data['late_seconds']))} after it was due"
        case "succeeded":
            return f"{exact_span(data['seconds'])}  {_more(event)}"
        case "failed":
            return f"{_failure(data['error'])}  {_more(event)}"
        case "waiting":
            return f"again in {exact_span(data['ready_in_seconds'])}"
        case "skipped":
            return _skip_facts(str(data["reason"]), count)
        case _:
            return str(data.get("reason", ""))


def _skip_facts(reason: str, count: int) -> str:
    what = "1 occurrence" if count == 1 else f"{count} occurrences"
    policy = reason.removeprefix("catch_up_")
    return f"{what}: {reason}" if policy == reason else f"{what} missed: catch_up {policy}"


def _more(event: Event) -> str:
    return dim(f"ordinaut show {short_id(event.runid)}") if event.runid else ""
