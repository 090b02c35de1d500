"""One planned change as lines of text: a head, and below it what a reviewer must know, folded by how much it matters.

Times come first, then tools, then steps and policies; what only describes folds to one word. `-v` adds every field.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from reconciler.core.attributing import stray_words, strayed_words
from reconciler.core.look import (
    Look,
    Style,
    columns,
    day_and_time,
    flow,
    visible,
    wrapped,
)
from reconciler.core.loosening import loosened
from reconciler.core.preview import CAP
from reconciler.core.render_fields import all_fields, field_lines, fields_by_facet
from reconciler.core.render_powers import contract_lines, power_lines
from reconciler.core.render_steps import step_lines
from runtime.core.recurrence.zone import Zone, load_zone
from schemas.plan import PlannedChange, Preview, ToolsEffect

SYMBOLS: Final[dict[str, tuple[str, Style]]] = {
    "create": ("+", "add"),
    "update": ("~", "change"),
    "rename": (">", "change"),
    "retire": ("-", "remove"),
    "adopt": ("+", "add"),
    "drift": ("≠", "change"),
    "conflict": ("≠", "remove"),
    "unknown": ("?", "change"),
}
_INDENT: Final = " " * 4
_NAME: Final = 10


class Grid(NamedTuple):
    """The widths of the columns of the heads."""

    title: int
    owner: int


def grid_of(changes: Sequence[PlannedChange], width: int) -> Grid:
    """As wide as the widest, but the longest titles stick out rather than push all others apart."""
    widest = max((len(title_of(change)) for change in changes), default=0)
    owners = (len(_owner(change)) for change in changes)
    return Grid(min(widest, width * 2 // 5), max(owners, default=0))


def _owner(change: PlannedChange) -> str:
    return f"owner {visible(change.owner)}" if change.owner else ""


def symbol_of(change: PlannedChange) -> tuple[str, Style]:
    """The character and the style a change goes by."""
    return SYMBOLS.get(change.reason) or SYMBOLS[change.action]


def title_of(change: PlannedChange) -> str:
    """What a change is called: tasks by their key alone, other kinds with their kind."""
    former = change.former_key
    # A tombstone whose name was given away is called by its number, which tells nobody anything.
    key = f"{former} -> {change.key}" if former and "~" not in former else change.key
    return key if change.kind == "Task" else f"{change.kind} {key}"


def change_lines(change: PlannedChange, look: Look, as_of: datetime, grid: Grid) -> list[str]:
    """A change, head first."""
    lines = list(_head(change, look, grid))
    lines += [f"{_INDENT}{text}" for text in _details(change, look, as_of)]
    if look.verbose:
        fields = all_fields(change, look.width - len(_INDENT), whole=look.verbose > 1)
        lines += [f"{_INDENT}{look.paint(text, 'dim')}" for text in fields]
    return lines


def _head(change: PlannedChange, look: Look, grid: Grid) -> Iterator[str]:
    symbol, style = symbol_of(change)
    title = title_of(change).ljust(grid.title)
    owner = _owner(change).ljust(grid.owner)
    place = f"{visible(change.file)}:{change.line}" if change.file else ""
    fits = len(f"{title}{owner}{place}") + 6 <= look.width
    head = f"{look.paint(symbol, style)} {look.paint(title, 'bold')}  {owner}"
    yield f"{head}  {look.paint(place, 'dim')}" if fits else head
    if not fits:
        yield f"{_INDENT}{look.paint(place, 'dim')}"


def _details(change: PlannedChange, look: Look, as_of: datetime) -> Iterator[str]:
    room = look.width - len(_INDENT) - _NAME
    for text in _happens(change, as_of):
        yield from wrapped(text, look.width - len(_INDENT))
    if change.preview is not None:
        yield from _schedule(change.preview, look, as_of)
    for name, texts in power_lines(change, room):
        yield from _named(name, texts)
    yield from _named("tools", flow(_tools(change), room, indent=""))
    yield from _named("contract", contract_lines(change, look, room))
    steps = [*flow(_steps(change), room, indent=""), *step_lines(change, look, room)]
    yield from _named("steps", steps)
    yield from _named("owner", list(_owners(change)))
    for name, fields in fields_by_facet(change).items():
        yield from _named(name, field_lines(change, fields, look, room))
    for loose in loosened(change.kind, change.reason, change.ops):
        yield from _note(f"{loose} from the next plan on", look.width - len(_INDENT), look)
    yield from _named("runs", flow(_work(change), room, gap="; ", indent=""))


def _happens(change: PlannedChange, as_of: datetime) -> Iterator[str]:
    """What becomes of the document as a whole, and who wrote it past git."""
    if change.taken_from:
        yield f"taken over from {change.taken_from}, with its history"
    elif change.reason != "drift":
        yield from filter(None, [_HAPPENS.get(change.reason) or _HAPPENS.get(change.action)])
    yield from strayed_words(change)
    if change.stray_write is not None:
        yield stray_words(change.stray_write, as_of.year)


def _note(text: str, room: int, look: Look) -> Iterator[str]:
    first, *rest = wrapped(f"! {text}", room)
    yield look.paint(first[0], "note") + first[1:]
    yield from rest


def _named(name: str, texts: list[str]) -> Iterator[str]:
    for place, text in enumerate(texts):
        yield (name if place == 0 else "").ljust(_NAME) + text


_HAPPENS: Final = {
    "restored": "comes back with its history",
    "conflict": "changed in git and, otherwise, outside it; apply would overwrite the latter",
    "defaults_changed": "nobody edited it; this version of Ordinaut has other defaults",
    "unknown": "what it was is unknown: it is broken in the commit it is compared with",
    "converged": "the database already holds this; apply records it",
    "adopt": "taken over: it is in the database, and no apply made it",
    "rename": "keeps its history, queue and overrides",
    "retire": "retired; its history is kept",
}


def _schedule(preview: Preview, look: Look, as_of: datetime) -> Iterator[str]:
    before, after = (
        words and visible(words) for words in (preview.schedule_before, preview.schedule_after)
    )
    room = look.width - len(_INDENT) - _NAME
    both = before and after and before != after
    texts = [before or "", f"->  {after}"] if both else [after or before or ""]
    lines = flow(texts, room, indent="")
    yield from _named("schedule", [text for line in lines for text in _fitted(line, room)])
    if preview.before or preview.after or preview.flags:
        inner = look.width - len(_INDENT) - 2
        notes = [line for flag in preview.flags for line in _note(flag.note, inner, look)]
        rows = _time_rows(preview, inner, look, as_of)
        yield from (f"  {text}" for text in [*rows, *notes, f"runs in 30 d  {runs_text(preview)}"])


def _fitted(line: str, room: int) -> list[str]:
    return [line] if len(line) <= room else wrapped(line, room)


def _time_rows(preview: Preview, room: int, look: Look, as_of: datetime) -> list[str]:
    """As many times as fit beside each other; all that are known, below each other, with `-v`."""
    zone = load_zone(preview.timezone)
    was = load_zone(preview.timezone_before or preview.timezone)
    shown = {
        name: [_time(at, was if name == "was" else zone, zone, as_of.year) for at in times]
        for name, times in _named_times(preview)
    }
    widest = max((len(text) for texts in shown.values() for text in texts), default=1)
    fitting = max(1, (room - max(map(len, shown))) // (widest + 2))
    beside = fitting if look.verbose else min(3, fitting)
    rows = [
        [name if start == 0 else "", *texts[start : start + beside]]
        for name, times in shown.items()
        for texts in [times if look.verbose else times[:beside]]
        for start in range(0, len(texts) or 1, beside)
    ]
    return columns([row if len(row) > 1 else [*row, "never"] for row in rows])


def _time(instant: datetime, zone: Zone, now_in: Zone, year: int) -> str:
    """A time in its own zone, and beside it what that is in the zone of what comes, if it is another."""
    text = day_and_time(instant, zone.tz, year)
    if zone.name == now_in.name:
        return text
    there, here = instant.astimezone(now_in.tz), instant.astimezone(zone.tz)
    day_there = "" if there.date() == here.date() else f"{there:%a} "
    return f"{text} ({day_there}{there:%H:%M %Z})"


def _named_times(preview: Preview) -> list[tuple[str, tuple[datetime, ...]]]:
    if preview.schedule_before is None:
        return [("first", preview.after)]
    if preview.schedule_after is None:
        return [("was", preview.before)]
    return [("was", preview.before), ("now", preview.after)]


def runs_text(preview: Preview) -> str:
    """How many runs there are in 30 days, before and after where both are known; `~` before an estimate."""
    after = _number(preview.runs_30d_after)
    return (
        after
        if preview.schedule_before is None
        else f"{_number(preview.runs_30d_before)} -> {after}"
    )


def _number(runs: int) -> str:
    return f"~{runs}" if runs > CAP else str(runs)


def _tools(change: PlannedChange) -> list[str]:
    # What a retired task does not call any more goes without saying.
    removed = () if change.action == "retire" else change.tools.removed
    return [*(_gained(tool, change.tools) for tool in change.tools.added)] + [
        f"- {tool}" for tool in removed
    ]


def _gained(tool: str, tools: ToolsEffect) -> str:
    if tool in tools.destructive:
        return f"+ {tool} (destructive)"
    return f"+ {tool} (offline)" if tool in tools.offline else f"+ {tool}"


def _owners(change: PlannedChange) -> Iterator[str]:
    for op in change.ops:
        if op.path == "/owner":
            old, new = (visible(str(one or "nobody")) for one in (op.before, op.after))
            restored = change.reason == "drift"
            yield f"{old}, restored to {new}" if restored else f"{old} -> {new}"


def _steps(change: PlannedChange) -> list[str]:
    steps = change.steps
    return [
        *(f"~ {name}" for name in steps.changed),
        *(f"+ {name}" for name in steps.added),
        *(f"- {name}" for name in steps.removed),
        *(["in another order"] if steps.reordered else []),
    ]


def _work(change: PlannedChange) -> list[str]:
    """What becomes of runs, where there are any and the change is of a kind that they could feel."""
    queue = change.queue
    if change.action != "retire" and not {"schedule", "pipeline"} & set(change.facets):
        return []
    parts = []
    if queue.cancelled:
        parts.append(f"{queue.cancelled} queued cancelled")
    if queue.kept:
        parts.append(f"{queue.kept} queued kept")
    if queue.ended:
        parts.append(f"{queue.ended} under way cancelled")
    if queue.in_flight:
        verb = "finishes" if queue.in_flight == 1 else "finish"
        parts.append(f"{queue.in_flight} under way {verb} on the old revision")
    if queue.overdue:
        retired = change.action == "retire"
        fate = "recorded as skipped" if retired else "decided by the old schedule"
        parts.append(f"an overdue occurrence is {fate}")
    if not parts and change.kind == "Task" and _keeps_its_times(change):
        parts.append("schedule unchanged, queue untouched")
    return parts


def _keeps_its_times(change: PlannedChange) -> bool:
    return change.action in {"update", "rename"} and "schedule" not in change.facets
