"""What a plan says beside its changes: what it left out or could not know, pauses, time zone data, and messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from textwrap import wrap
from typing import Final
from zoneinfo import ZoneInfo

from reconciler.core.holding import hold_words
from reconciler.core.look import Look, counted, day_and_time, flow, visible, wrapped
from schemas.plan import GitBase, Override, Plan
from schemas.problem import Problem

_UTC: Final = ZoneInfo("UTC")
# Diagnostics shown before `-v` is needed, and broken files that are named.
_DIAGNOSTICS: Final = 10
# What looks like a rename is of no use without the words that make it one.
_RENAMED: Final = "ORD211"
_BROKEN: Final = 5
_SHORT: Final = 7


def note_lines(plan: Plan, look: Look) -> Iterator[str]:
    """Every note, in one order."""
    return chain(
        _partial(plan, look),
        _git_base(plan, look),
        _hold(plan, look),
        _freeze(plan, look),
        _overrides(plan, look),
        _unmanaged(plan, look),
        _zone_data(plan, look),
        _unlinted(plan, look),
        _diagnostics(plan.diagnostics, look),
    )


def git_base_text(base: GitBase) -> str:
    """The commit of the other side: as it was named, and its hash."""
    short = base.commit[:_SHORT]
    return short if base.commit.startswith(base.named) else f"{base.named} at {short}"


def _partial(plan: Plan, look: Look) -> Iterator[str]:
    if plan.only:
        left = f"{counted(plan.left_out, 'other change')} left out, and nothing is retired"
        yield from _note(["partial", f"only {', '.join(plan.only)}", left], look)


def _git_base(plan: Plan, look: Look) -> Iterator[str]:
    base = plan.git_base
    if base is None:
        return
    unseen = "drift, pauses and queued runs are not known"
    yield from _note(["git against git", "no database was asked", unseen], look)
    if base.broken:
        named = ", ".join(base.broken[:_BROKEN])
        more = len(base.broken) - _BROKEN
        files = f"{named} and {counted(more, 'more file')}" if more > 0 else named
        parts = [f"broken at {base.commit[:_SHORT]}", files, "what they held is unknown"]
        yield from _note(parts, look)


def _hold(plan: Plan, look: Look) -> Iterator[str]:
    # What refuses to apply it is told where it is refused.
    if (hold := plan.hold) and (hold.ends or not plan.changes):
        what = f"commit {hold.commit[:_SHORT]}" if hold.commit else "what no commit has"
        fate = "ends with this apply" if hold.ends else "`ordinaut hold clear` ends it"
        yield from _note(["held", f"{hold_words(hold)} {what}", fate], look)


def _freeze(plan: Plan, look: Look) -> Iterator[str]:
    if (freeze := plan.freeze) and (freeze.override or not plan.changes):
        from reconciler.core.freezing import freeze_words  # noqa: PLC0415 - freezes are rare

        fate = f"overridden: {freeze.override}" if freeze.override else "apply is refused"
        yield from _note(["frozen", freeze_words(freeze), fate], look)


def _overrides(plan: Plan, look: Look) -> Iterator[str]:
    retired = {change.key for change in plan.changes if change.action == "retire"}
    for override in plan.overrides:
        fate = "ends with its task" if override.key in retired else "not touched by apply"
        yield from _note([override.key, override_words(override, plan.as_of.year), fate], look)


def override_words(override: Override, year: int) -> str:
    """What was set, by whom, until when and why; times in the zone of the task, without a year that is `year`."""
    from runtime.core.recurrence.zone import load_zone  # noqa: PLC0415 - with all of recurrence, and few outputs need it

    state = "paused" if override.kind == "pause" else "snoozed"
    zone = load_zone(override.timezone).tz if override.timezone else _UTC
    until = f" until {day_and_time(override.until, zone, year)}" if override.until else ""
    reason = f' ("{override.reason}")' if override.reason else ""
    return f"{state} by {override.actor}{until}{reason}"


def _unmanaged(plan: Plan, look: Look) -> Iterator[str]:
    if look.verbose and plan.unmanaged:
        yield from _note(
            ["unmanaged", *plan.unmanaged, "no apply made them or touches them"], look
        )


def _zone_data(plan: Plan, look: Look) -> Iterator[str]:
    if plan.tzdata_applied:
        others = ", ".join(
            f"{counted(count, 'schedule')} in force by {version}"
            for version, count in plan.tzdata_applied.items()
        )
        yield from _note(["time zone data", f"this plan is by {plan.tzdata}", others], look)


def _unlinted(plan: Plan, look: Look) -> Iterator[str]:
    if plan.linted is False:
        yield from _note(["lint", "too many changes to look at", "`ordinaut lint` does"], look)


def _note(parts: list[str], look: Look) -> Iterator[str]:
    words = [visible(part) for part in parts]
    indent = " " * 4
    lines = flow([f"i {words[0]}", *words[1:]], look.width, indent=indent)
    if max(map(len, lines)) > look.width:
        lines = wrapped(f"i {', '.join(words)}", look.width, indent)
    first, *rest = lines
    yield look.paint(first[0], "note") + first[1:]
    yield from rest


def _diagnostics(problems: Iterable[Problem], look: Look) -> Iterator[str]:
    every = list(problems)
    shown = every if look.verbose else every[:_DIAGNOSTICS]
    for problem in shown:
        text = f"! {problem.code} {visible(problem.place)}  {visible(problem.message)}"
        if problem.code == _RENAMED:
            text += f"; {visible(problem.hint)}"
        first, *rest = wrap(
            text,
            look.width,
            subsequent_indent=" " * 4,
            break_long_words=False,
            break_on_hyphens=False,
        )
        yield look.paint(first[0], "note") + first[1:]
        yield from rest
    if len(every) > len(shown):
        yield look.paint(f"  and {counted(len(every) - len(shown), 'more message')} (-v)", "dim")
