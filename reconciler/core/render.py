"""The plan as text, readable in ten seconds: what fires differently, who is touched, what is gained, may it be applied.

The same plan gives the same text for the same `Look`, so two plans can be compared line by line.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from reconciler.core.folding import ROOM, fold, fold_lines
from reconciler.core.guards import refused
from reconciler.core.look import Look, counted, day_and_time, flow, rough_span, wrapped
from reconciler.core.render_notes import git_base_text, note_lines
from reconciler.core.render_policies import policy_lines
from schemas.plan import Plan

if TYPE_CHECKING:
    from schemas.apply import ApplyReport

_UTC: Final = ZoneInfo("UTC")
_SHORT: Final = 7


def render_plan(plan: Plan, look: Look) -> str:
    """The whole plan; one line if there is nothing to do and nothing to say."""
    notes = list(note_lines(plan, look))
    if not plan.changes:
        return look.finish([_nothing(plan), *notes])
    lines = [*_header(plan, look), "", *told_changes(plan, look)]
    return look.finish([*lines, *notes, "", *_footer(plan, look)])


def told_changes(plan: Plan, look: Look, room: int = ROOM) -> list[str]:
    """Every change, tasks first; beyond `room`, what weighs little is only counted."""
    from reconciler.core.render_change import change_lines, grid_of  # noqa: PLC0415 - without changes there are none to show

    ordered = sorted(plan.changes, key=lambda change: change.kind != "Task")
    folded = fold(ordered, len(ordered) if look.verbose else room)
    grid = grid_of(folded.told, look.width)
    lines = [
        line for change in folded.told for line in change_lines(change, look, plan.as_of, grid)
    ]
    return [*lines, *fold_lines(folded.folds, look, plan.as_of.year)]


def render_report(report: ApplyReport) -> str:
    """What an apply that had something to do did, on one line."""
    if report.already_applied:
        return f"Already applied as r{report.revision}."
    summary = report.summary
    numbers = {
        "created": summary.create - summary.brought_back,
        "brought back": summary.brought_back,
        "updated": summary.update,
        "renamed": summary.rename,
        "retired": summary.retire,
        "adopted": summary.adopt,
        "restored to what git says": summary.drift,
        "overwritten": summary.conflict,
        "filled out by new defaults": summary.defaults_changed,
    }
    counts = ", ".join(f"{count} {name}" for name, count in numbers.items() if count)
    return f"Applied as r{report.revision}: {counts}."


def _nothing(plan: Plan) -> str:
    matches = ""
    if plan.base:
        matches = f" match r{plan.base.revision}"
    elif plan.git_base:
        matches = f" match {git_base_text(plan.git_base)}"
    return f"No changes: {counted(plan.summary.unchanged, 'document')}{matches}."


def _header(plan: Plan, look: Look) -> list[str]:
    parts = [
        f"ordinaut plan  env {plan.environment.name}",
        f"source {source_text(plan)}",
        f"base {base}" if (base := base_text(plan)) else "nothing applied yet",
        f"as of {instant_text(plan.as_of)}",
    ]
    return [look.paint(line, "bold") for line in flow(parts, look.width)]


def source_text(plan: Plan) -> str:
    """Whose specs of which commit are planned."""
    source = plan.source.project
    if plan.source.commit:
        source += f"@{plan.source.commit[:_SHORT]}" + (
            " and uncommitted edits" if plan.source.dirty else ""
        )
    return source + (f" (PR #{plan.source.pull_request})" if plan.source.pull_request else "")


def base_text(plan: Plan) -> str:
    """What the plan compares with; empty where nothing was applied."""
    if plan.git_base:
        return git_base_text(plan.git_base)
    if plan.base is None:
        return ""
    ago = rough_span(plan.as_of - plan.base.applied_at)
    commit = f"{plan.base.commit[:_SHORT]}, " if plan.base.commit else ""
    return f"r{plan.base.revision} ({commit}{ago} ago)"


def instant_text(instant: datetime) -> str:
    """An instant in UTC, to the minute."""
    return f"{instant.astimezone(UTC):%a %Y-%m-%d %H:%M} UTC"


def _footer(plan: Plan, look: Look) -> Iterator[str]:
    yield from (look.paint(line, "bold") for line in flow(_counts(plan), look.width, gap=" "))
    yield from flow(list(_effects(plan)), look.width, gap=" | ")
    yield from policy_lines(plan, look)
    if stopping := refused(plan.guards):
        for guard in stopping:
            words = wrapped(f"Refused: {guard.message}", look.width)
            yield from (look.paint(line, "remove") for line in words)
            for hint in guard.hint.splitlines():
                yield from (f"  {line}" for line in wrapped(hint, look.width - 2))
    elif plan.summary.retire:
        retiring = (guard for guard in plan.guards if guard.name == "retire")
        yield "Guards: ok, " + ", ".join(f"{one.message}, limit {one.limit}" for one in retiring)
    yield look.paint(f"Digest: sha256:{plan.digest}", "dim")


def _counts(plan: Plan) -> list[str]:
    summary = plan.summary
    numbers = {
        "to create": summary.create - summary.brought_back,
        "to bring back": summary.brought_back,
        "to update": summary.update,
        "to rename": summary.rename,
        "to retire": summary.retire,
        "to adopt": summary.adopt,
        "drifted": summary.drift,
        "in conflict": summary.conflict,
        "by new defaults": summary.defaults_changed,
        "unknown before": summary.unknown,
        "unchanged": summary.unchanged,
        "unmanaged and ignored": summary.unmanaged,
    }
    parts = [f"{count} {name}" for name, count in numbers.items() if count]
    return ["Plan:", *(f"{part}," for part in parts[:-1]), f"{parts[-1]}."]


def _effects(plan: Plan) -> Iterator[str]:
    summary = plan.summary
    reasons = dict.fromkeys(
        reason
        for change in plan.changes
        if change.impact == summary.impact
        for reason in change.impact_reasons
    )
    why = f" ({', '.join(reasons)})" if reasons else ""
    yield f"Impact: {summary.impact.upper()}{why}"
    if summary.first_effect_at:
        left = rough_span(summary.first_effect_at - plan.as_of)
        yield f"first effect {first_effect(plan)} (in {left})"
    if any(change.preview for change in plan.changes):
        yield f"runs in 30 d {summary.runs_30d_delta:+d}"


def first_effect(plan: Plan) -> str | None:
    """When something first fires differently, in the zone of the task that does."""
    first = plan.summary.first_effect_at
    if first is None:
        return None
    from runtime.core.recurrence.zone import load_zone  # noqa: PLC0415 - with all of recurrence, and few outputs need it

    zones = (
        c.preview.timezone
        for c in plan.changes
        if c.preview and c.preview.first_effect_at == first
    )
    return day_and_time(first, load_zone(next(zones, "UTC")).tz, plan.as_of.year)
