"""What commands print: aligned tables, JSON, times and spans as people read them, short run ids.

Results go to stdout. Colour only helps the eye, is left out where stdout is no terminal or NO_COLOR is set, and never
carries a meaning of its own.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final
from unicodedata import east_asian_width
from uuid import UUID

import click
import orjson

from runtime.config import environment_variable
from runtime.core.harmless import harmless
from runtime.core.spans import rough_span
from runtime.errors import ScheduleError

if TYPE_CHECKING:
    # It brings pydantic, which `ordinaut --help` should not wait for.
    from schemas.base import Model

NARROWEST: Final = 80
_GAP: Final = "  "
_BAR: Final = 20
_MESSAGE_COLUMNS: Final = 500
_ASKED: Final = "ordinaut.json_asked"
_PRINTED: Final = "ordinaut.json_printed"
_ASKS: Final = re.compile(r"(?<!\S)--(?:json|format[ =]json)(?!\S)")
_COLOURS: Final = {
    "succeeded": "green",
    "ok": "green",
    "running": "cyan",
    "waiting": "yellow",
    "retrying": "yellow",
    "queued": "yellow",
    "failed": "red",
    "skipped": "bright_black",
    "cancelled": "bright_black",
    "Synced": "green",
    "OutOfSync": "yellow",
    "Held": "yellow",
    "NeedsApproval": "yellow",
    "InvalidSource": "red",
}


def echo(text: str = "", *, err: bool = False) -> None:
    """Print text on stdout or stderr, with its colours only where they are wanted, and nothing else that a terminal would obey."""
    color = False if environment_variable("NO_COLOR") else None
    click.echo(harmless(text), err=err, color=color)


def note_json(context: click.Context, words: Sequence[str]) -> None:
    """Note whether a command line asks for JSON, wherever that stands: an error is told so too, be it one of the line."""
    ours = " ".join(takewhile(lambda word: word != "--", words))
    if _ASKS.search(ours):
        context.meta[_ASKED] = True


def owes_json(context: click.Context) -> bool:
    """Whether JSON was asked for, and none was printed yet."""
    return _ASKED in context.meta and _PRINTED not in context.meta


def _note_printed() -> None:
    if (context := click.get_current_context(silent=True)) is not None:
        context.meta[_PRINTED] = True


def echo_json(value: Any) -> None:
    """Print a value as the one JSON document of the command."""
    _note_printed()
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z))


def echo_json_line(value: Any) -> None:
    """Print a value as one line of a stream of JSON documents."""
    _note_printed()
    click.echo(orjson.dumps(value))


def echo_report(report: Model, lines: Iterable[tuple[str, str]], *, as_json: bool) -> None:
    """Print what a command did: the report as JSON, or as these names and values, which are made only then."""
    if as_json:
        echo_json(report.model_dump(mode="json"))
    else:
        echo(fields(list(lines)))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, flexible: int = -1) -> str:
    """Columns aligned to the left, as wide as they need to be.

    Args:
        header: the names of the columns.
        rows: the cells; a line break in one becomes a blank, and colours do not count.
        flexible: the column that is cut, on a terminal, where a line would be wider than it.
    """
    cells = [list(header), *([" ".join(cell.splitlines()) for cell in row] for row in rows)]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(header))]
    if sys.stdout.isatty():
        widths[flexible] -= max(0, sum(widths) + len(_GAP) * (len(widths) - 1) - _terminal_width())
        widths[flexible] = max(widths[flexible], _width(header[flexible]))
    lines = [_line(row, widths) for row in cells]
    lines[0] = bold(lines[0])
    return "\n".join(lines)


def fields(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and values under each other, the values aligned; so are the further lines of one, which could pass for a name."""
    widest = max(len(name) for name, _ in pairs)
    indent = widest + len(_GAP)
    lines = []
    for name, value in pairs:
        first, *more = value.splitlines() or [""]
        lines.append(wrapped(f"{bold(name.ljust(widest))}{_GAP}{first}", indent))
        lines += [wrapped(" " * indent + line, indent) for line in more]
    return "\n".join(lines)


def wrapped(text: str, indent: int) -> str:
    """Text on as many lines as a terminal needs, broken at its blanks; elsewhere as it is.

    Args:
        text: one line; colours do not count.
        indent: how far the lines after the first are moved in.
    """
    if not sys.stdout.isatty():
        return text
    room = _terminal_width()
    lines = [""]
    for blanks, word in re.findall(r"( *)([^ ]+)", text):
        fits = _width(lines[-1] + blanks + word) <= room or indent + _width(word) > room
        if fits:
            lines[-1] += blanks + word
        else:
            lines.append(" " * indent + word)
    return "\n".join(lines)


def width_left(used: int, otherwise: int) -> int:
    """How many columns of a terminal are left beside so many that are used; `otherwise` where there is none."""
    return max(1, _terminal_width() - used) if sys.stdout.isatty() else otherwise


def colour_state(state: str) -> str:
    """A state or outcome in its colour."""
    return click.style(state, fg=_COLOURS.get(state))


def bold(text: str) -> str:
    """Text to be found at a glance."""
    return click.style(text, bold=True)


def progress_bar(done: int, total: int, failed: int) -> str:
    """How far something is, as a bar of twenty places with the figures behind it: `[####x...............]  25 %  20 of 100, 5 failed`."""
    share = (done + failed) / total if total else 1.0
    full = min(_BAR, int(share * _BAR))
    bad = min(full, -(-failed * _BAR // total)) if total else 0
    bar = f"{'#' * (full - bad)}{click.style('x' * bad, fg='red')}{dim('.' * (_BAR - full))}"
    lost = f", {failed:,} failed" if failed else ""
    return f"[{bar}] {min(100, int(share * 100)):>3} %  {done:,} of {total:,}{lost}"


def dim(text: str) -> str:
    """Text that matters less."""
    return click.style(text, dim=True) if text else ""


def short_id(run_id: UUID) -> str:
    """The end of a run's id: its beginning is the time, which runs of one moment share."""
    return str(run_id)[-8:]


def zone_of(name: str | None) -> tzinfo:
    """The zone of this name; UTC where there is no name, or this program does not know it."""
    from runtime.core.recurrence.zone import load_zone  # noqa: PLC0415 - with all of recurrence, and few outputs need it

    try:
        return load_zone(name).tz if name else UTC
    except ScheduleError:
        return UTC


def local_time(instant: datetime, zone: tzinfo) -> str:
    """An instant as wall time in a zone, with its offset; seconds only where they are not zero."""
    local = instant.astimezone(zone)
    clock = "%H:%M:%S" if local.second else "%H:%M"
    return local.strftime(f"%a %Y-%m-%d {clock} ") + _offset(local)


def brief_time(instant: datetime, zone: tzinfo, now: datetime) -> str:
    """The same for a table, to the minute, without what a reader knows: the year, unless it is another one."""
    local = instant.astimezone(zone)
    day = "%a %d %b" if local.year == now.astimezone(zone).year else "%d %b %Y"
    return local.strftime(f"{day} %H:%M ") + _offset(local)


def clock_time(instant: datetime, zone: tzinfo) -> str:
    """The time of day of an instant in a zone, to the second, with its offset."""
    local = instant.astimezone(zone)
    return local.strftime("%H:%M:%S ") + _offset(local)


def relative_time(instant: datetime, now: datetime, *, units: int = 2) -> str:
    """How far an instant is from now: `in 3 min 5 s`, `2 h ago`, `now`."""
    distance = instant - now
    if abs(distance) < timedelta(seconds=1):
        return "now"
    text = rough_span(abs(distance), units=units)
    return f"in {text}" if distance > timedelta(0) else f"{text} ago"


def shorten(text: str, width: int) -> str:
    """Plain text in at most so many columns, with an ellipsis where it was cut."""
    if _width(text) <= width:
        return text
    kept = text[:width]
    while _width(kept) > width - 1:
        kept = kept[:-1]
    return kept + "…"


def fitted(text: str, columns: int) -> str:
    """One line, colours and all, cut where the columns end."""
    return text if _width(text) <= columns else shorten(click.unstyle(text), columns)


def one_line(text: str) -> str:
    """What a stranger says, on one line and bounded: on more it could push away what we say, or pass for it."""
    return shorten(" ".join(text.split()), _MESSAGE_COLUMNS)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [_fit(cell, width) for cell, width in zip(row, widths, strict=True)]
    return _GAP.join(cells).rstrip()


def _fit(cell: str, width: int) -> str:
    cut = cell if _width(cell) <= width else shorten(click.unstyle(cell), width)
    return cut + " " * (width - _width(cut))


def _width(text: str) -> int:
    """Columns of a terminal that the text takes."""
    plain = click.unstyle(text)
    return len(plain) if plain.isascii() else sum(_columns(character) for character in plain)


def _columns(character: str) -> int:
    return 2 if east_asian_width(character) in "WF" else 1


def _terminal_width() -> int:
    return max(NARROWEST, shutil.get_terminal_size((NARROWEST, 24)).columns)


def _offset(local: datetime) -> str:
    text = local.strftime("%z")
    return f"{text[:3]}:{text[3:5]}"
