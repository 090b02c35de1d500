"""What pages say, as safe HTML: instants with their zones, spans, states with their shapes, values, and links to git.

Whatever comes from outside is escaped by the templates, or here by `escape`. Letters that turn the direction of writing around,
or that nobody can see, are written as their numbers, as on the command line.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final
from urllib.parse import quote, urlsplit

import orjson
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from runtime.cli.output import relative_time, zone_of
from runtime.core.harmless import harmless
from runtime.core.spans import exact_span

LOOKS: Final[Mapping[str, tuple[str, str]]] = {
    "succeeded": ("ok", "check"),
    "ok": ("ok", "check"),
    "well": ("ok", "check"),
    "Synced": ("ok", "check"),
    "failed": ("bad", "cross"),
    "failing": ("bad", "cross"),
    "missing": ("bad", "cross"),
    "InvalidSource": ("bad", "cross"),
    "late": ("bad", "clock"),
    "overdue": ("bad", "clock"),
    "running": ("busy", "turn"),
    "waiting": ("wait", "clock"),
    "retrying": ("wait", "turn"),
    "queued": ("wait", "dot"),
    "OutOfSync": ("wait", "alert"),
    "NeedsApproval": ("wait", "alert"),
    "alert": ("wait", "alert"),
    "Held": ("held", "bars"),
    "paused": ("held", "bars"),
    "cancelled": ("idle", "dash"),
    "skipped": ("idle", "dash"),
    "pending": ("idle", "dot"),
    "new": ("idle", "dot"),
    "draining": ("idle", "bars"),
    "silent": ("bad", "cross"),
}
"""The class and the shape of a state."""

_OTHER: Final = ("idle", "dot")
_MINUTE: Final = timedelta(minutes=1)
_LONGEST: Final = 20_000


def state(name: str, said: str | None = None) -> Markup:
    """A state: a shape, its word, and a colour."""
    look, shape = LOOKS.get(name, _OTHER)
    return Markup('<span class="state {}">{}{}</span>').format(look, glyph(shape), said or name)


def glyph(shape: str) -> Markup:
    """A shape of the page's own set."""
    turning = " turning" if shape == "turn" else ""
    return Markup(
        '<svg class="glyph{}" viewBox="0 0 16 16" aria-hidden="true"><use href="#g-{}"/></svg>'
    ).format(turning, shape)


@pass_context
def when(context: Context, instant: datetime | None, zone: str | None = None) -> Markup:
    """An instant in a zone, with its offset; and in the viewer's own, where clocks show another time there."""
    if instant is None:
        return Markup('<span class="soft">&ndash;</span>')
    own, now = context["viewer"].zone, context["viewer"].now
    told = zone_of(zone) if zone else own
    told_name = zone or context["viewer"].zone_name
    main = _time(instant, told, told_name, now)
    if zone is None or instant.astimezone(told).utcoffset() == instant.astimezone(own).utcoffset():
        return main
    local = instant.astimezone(own)
    same_day = local.date() == instant.astimezone(told).date()
    clock = f"{local:%H:%M} {_offset(local)}" if same_day else _clock(local, now)
    return main + Markup('<span class="also">{} for you</span>').format(clock)


@pass_context
def ago(context: Context, instant: datetime | None) -> Markup:
    """How far an instant is from now."""
    if instant is None:
        return Markup("")
    words = relative_time(instant, context["viewer"].now)
    return Markup('<span class="soft nowrap">{}</span>').format(words)


@pass_context
def moment(context: Context, instant: datetime | None, zone: str | None = None) -> Markup:
    """An instant to the millisecond, for what follows each other closely."""
    if instant is None:
        return Markup("&ndash;")
    local = instant.astimezone(zone_of(zone) if zone else context["viewer"].zone)
    text = f"{local:%H:%M:%S}.{local.microsecond // 1000:03} "
    return Markup('<time datetime="{}">{}<span class="zone">{}</span></time>').format(
        instant.isoformat(), text, _offset(local)
    )


@pass_context
def clock(context: Context, instant: datetime) -> Markup:
    """The time of day of an instant, to the second."""
    local = instant.astimezone(context["viewer"].zone)
    return Markup('<time datetime="{}">{:%H:%M:%S} <span class="zone">{}</span></time>').format(
        instant.isoformat(), local, _offset(local)
    )


def took(begin: datetime | None, end: datetime | None) -> str:
    """How long something took."""
    return exact_span(max(0.0, (end - begin).total_seconds())) if begin and end else ""


def span(seconds: float | None) -> str:
    """A number of seconds, for people."""
    return "" if seconds is None else exact_span(max(0.0, seconds))


def short(value: object, length: int = 8) -> str:
    """The end of a run's id, whose beginning is the time; or the beginning of a digest."""
    return str(value)[-length:]


def head(value: str | None, length: int = 12) -> str:
    """The beginning of a commit or a digest."""
    return (value or "").removeprefix("sha256:")[:length]


def plain(value: object) -> Markup:
    """What strangers wrote: isolated from the direction of what is around it, and without letters that nobody sees."""
    return Markup("<bdi>{}</bdi>").format(harmless(str(value)))


def legible(value: object) -> str:
    """The same where no markup may stand, such as in a title."""
    return harmless(str(value))


def prose(text: str) -> Markup:
    """A sentence of ours, in which what stands between backticks is a command."""
    parts = [escape(harmless(part)) for part in text.split("`")]
    if len(parts) % 2 == 0:
        return plain(text)
    said = (Markup("<code>{}</code>").format(p) if n % 2 else p for n, p in enumerate(parts))
    return Markup("<bdi>{}</bdi>").format(Markup("").join(said))


def pretty(value: Any) -> Markup:
    """A JSON value on lines of its own, bounded: a page is no place for megabytes."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    cut = len(text) - _LONGEST
    more = f"\n… and {cut:,} characters more; the JSON has all of it" if cut > 0 else ""
    return escape(harmless(text[:_LONGEST]) + more)


def command(*parts: str) -> str:
    """A command line to be copied: whatever a name holds, it stays one word of it."""
    return harmless(shlex.join(parts))


def many(count: int, one: str, several: str | None = None) -> str:
    """`1 task`, `2,000 tasks`."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def task_path(label: str) -> str:
    """Where a task's page is."""
    namespace, slash, name = label.rpartition("/")
    return f"/tasks/{quote(namespace if slash else 'default', safe='')}/{quote(name, safe='')}"


def source_place(file: str, line: int, commit: str | None, repository: str | None) -> str | None:
    """Where the web shows a line of a file of a repository; None where that cannot be known."""
    address = _web_address(repository or "")
    if not address or not commit or not file:
        return None
    kind = "-/blob" if "gitlab" in (urlsplit(address).hostname or "") else "blob"
    return f"{address}/{kind}/{quote(commit)}/{quote(file)}#L{line}"


def _web_address(repository: str) -> str | None:
    """The page of a repository that is cloned from there."""
    if repository.startswith("git@") and ":" in repository:
        host, _, path = repository.removeprefix("git@").partition(":")
        repository = f"https://{host}/{path}"
    parts = urlsplit(repository)
    if parts.scheme not in {"https", "ssh"} or not parts.hostname:
        return None
    # Who it is cloned as is nobody's business here.
    return f"https://{parts.hostname}/{parts.path.strip('/').removesuffix('.git')}"


def _time(instant: datetime, zone: tzinfo, name: str, now: datetime) -> Markup:
    local = instant.astimezone(zone)
    clock, offset = _clock(local, now), _offset(local)
    return Markup('<time class="nowrap" datetime="{}" title="{}">{}<span class="zone">{}</span></time>').format(
        instant.astimezone(UTC).isoformat(), f"{local:%A %Y-%m-%d %H:%M:%S} {offset}, {name}",
        clock.removesuffix(offset), offset,
    )  # fmt: skip


def _clock(local: datetime, now: datetime) -> str:
    """A day and a time as people read it, with the offset; without the year where it goes without saying."""
    here = now.astimezone(local.tzinfo)
    seconds = ":%S" if local.second and abs(local - here) < timedelta(hours=1) else ""
    day = "%a %d %b" if local.year == here.year else "%d %b %Y"
    return local.strftime(f"{day} %H:%M{seconds} ") + _offset(local)


def _offset(local: datetime) -> str:
    offset = local.utcoffset() or timedelta(0)
    if not offset:
        return "UTC"
    sign, minutes = "-" if offset < timedelta(0) else "+", abs(offset) // _MINUTE
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}"
