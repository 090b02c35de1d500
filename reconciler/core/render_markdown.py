"""The plan as a comment on a pull request: what fires differently in a table, everything else behind a click.

One comment for each environment: its first line is a mark by which whoever posts it finds the last one again. A comment
may have 65,536 characters; what does not fit is told with less: each change, then those that weigh most and the number
of the others, then only how many there are in each namespace, then only how many there are.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from reconciler.core.desired import DEFAULT_ENVIRONMENT
from reconciler.core.folding import ROOM
from reconciler.core.gains import gains_of
from reconciler.core.guards import refused
from reconciler.core.look import Look, counted, day_and_time, rough_span
from reconciler.core.markdown import block, cell, code, folded_block, table
from reconciler.core.render import (
    base_text,
    first_effect,
    instant_text,
    source_text,
    told_changes,
)
from reconciler.core.render_change import runs_text, title_of
from reconciler.core.render_notes import note_lines
from reconciler.core.render_policies import policy_counts, told_policies
from runtime.core.recurrence.zone import load_zone
from schemas.plan import Plan, PlannedChange

MOST: Final = 65_000
"""The longest comment, in bytes of UTF-8: below every limit, however it is counted."""
# Rows beyond which no table of changes could fit.
_ROWS: Final = 1000
_NAMESPACES: Final = 200
_NAMED: Final = 10
_LONGEST: Final = 300
_ACTIONS: Final = (
    "create",
    "update",
    "rename",
    "retire",
    "adopt",
    "drift",
    "conflict",
    "defaults_changed",
    "unknown",
)

Body = Callable[[Plan], list[str]]


def render_markdown(plan: Plan) -> str:
    """The comment, on the highest rung of the ladder that fits."""
    frame = len(_comment(plan, []).encode())
    for body in _ladder(plan):
        lines = body(plan)
        if frame + len("\n".join(lines).encode()) < MOST:
            return _comment(plan, lines)
    return _comment(plan, [])


def _ladder(plan: Plan) -> Iterator[Body]:
    if 0 < len(plan.changes) <= _ROWS:
        yield _told
        yield _folded
    if plan.changes:
        yield _namespaces
    else:
        yield _notes


def _comment(plan: Plan, body: Sequence[str]) -> str:
    parts = [
        [f"<!-- ordinaut:plan:{re.sub('[^A-Za-z0-9_.]', '-', plan.environment.name)} -->"],
        [f"### Ordinaut plan: {_head(plan)}"],
        *([line] for line in _said_first(plan)),
        list(body),
        *([line] for line in _footer(plan)),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _head(plan: Plan) -> str:
    counts = [f"{count} {action}" for action, count in _counts(plan).items() if count]
    parts = [code(plan.environment.name), *(counts or ["no changes"])]
    return " · ".join([*parts, *([f"impact {plan.summary.impact.upper()}"] if counts else [])])


def _counts(plan: Plan) -> dict[str, int]:
    return {action: getattr(plan.summary, action) for action in _ACTIONS}


def _said_first(plan: Plan) -> Iterator[str]:
    """What a reviewer must not miss, in front of everything else."""
    for guard in refused(plan.guards):
        yield f"**Refused:** {code(guard.message, _LONGEST)}. {code(guard.hint, _LONGEST)}"
    if counts := policy_counts(plan):
        yield ". ".join([counts, *(code(told, _LONGEST) for told in told_policies(plan))])
    if plan.only:
        named = ", ".join(code(word) for word in plan.only[:_NAMED])
        left = counted(plan.left_out, "other change")
        yield f"**Partial:** only {named}; {left} left out, and nothing is retired."
    yield _stands_on(plan)
    effects = list(_effects(plan))
    if effects:
        yield " · ".join(effects)


def _stands_on(plan: Plan) -> str:
    """Which specs were compared with what, and when: a comment that is out of date is seen to be."""
    source, base = code(source_text(plan)), base_text(plan)
    if plan.git_base:
        return f"Git against git: {source}, compared with {code(base)}, and no database was asked."
    compared = f"compared with {code(base)}" if base else "where nothing was applied yet"
    return f"{source}, {compared}, as of {instant_text(plan.as_of)}."


def _effects(plan: Plan) -> Iterator[str]:
    first = first_effect(plan)
    if first is not None and plan.summary.first_effect_at is not None:
        yield f"First effect {first} (in {rough_span(plan.summary.first_effect_at - plan.as_of)})"
    if any(change.preview for change in plan.changes):
        yield f"runs in 30 d {plan.summary.runs_30d_delta:+d}"
    gains = [
        code(f"{title_of(change)} {gain}") for change in plan.changes for gain in gains_of(change)
    ]
    if gains:
        more = f" and {len(gains) - _NAMED} more" if len(gains) > _NAMED else ""
        yield f"**gains:** {', '.join(gains[:_NAMED])}{more}"


def _told(plan: Plan) -> list[str]:
    return _with_table(plan, len(plan.changes))


def _folded(plan: Plan) -> list[str]:
    return _with_table(plan, ROOM)


def _with_table(plan: Plan, room: int) -> list[str]:
    ordered = sorted(plan.changes, key=lambda change: change.kind != "Task")
    header = ("task", "change", "first effect (task zone)", "runs/30 d", "owner")
    text = [*told_changes(plan, Look(), room), *note_lines(plan, Look())]
    return [
        *table(header, (_row(change, plan.as_of.year) for change in ordered)),
        "",
        *folded_block("Details", text),
    ]


def _row(change: PlannedChange, year: int) -> tuple[str, ...]:
    preview = change.preview
    first = ""
    if preview is not None and preview.first_effect_at is not None:
        first = day_and_time(preview.first_effect_at, load_zone(preview.timezone).tz, year)
    return (
        cell(title_of(change)),
        _what(change),
        first,
        runs_text(preview).replace("~", "\\~").replace("->", "→") if preview else "",
        cell(change.owner or ""),
    )


def _what(change: PlannedChange) -> str:
    """The change in our own words, louder the more it can hurt."""
    verb = f"**{_verb(change)}**" if change.impact == "high" else _verb(change)
    facets = ", ".join(change.facets) if change.action in {"update", "rename"} else ""
    return f"{verb} {facets}".rstrip()


def _verb(change: PlannedChange) -> str:
    return change.reason if change.reason in _ACTIONS else change.action


def _namespaces(plan: Plan) -> list[str]:
    """How many changes there are in each namespace, and by name those that weigh most."""
    counts = Counter((change.namespace, _verb(change)) for change in plan.changes)
    every = sorted({namespace for namespace, _ in counts})
    used = [action for action in _ACTIONS if any(one == action for _, one in counts)]
    rows = [
        (cell(name), *(str(counts[name, action] or "") for action in used))
        for name in every[:_NAMESPACES]
    ]
    more = len(every) - len(rows)
    return [
        f"{counted(len(plan.changes), 'change')}, too many to show each.",
        "",
        *table(("namespace", *used), rows),
        *(["", f"And {counted(more, 'more namespace')}."] if more > 0 else []),
        *_loudest(plan),
    ]


def _loudest(plan: Plan) -> list[str]:
    loud = [change for change in plan.changes if change.impact == "high"]
    if not loud:
        return []
    lines = [f"{_verb(change)} {title_of(change)}" for change in loud[:_NAMESPACES]]
    more = len(loud) - len(lines)
    lines += [f"and {more} more"] if more > 0 else []
    return ["", *folded_block(f"Impact high: {counted(len(loud), 'change')}", lines)]


def _notes(plan: Plan) -> list[str]:
    lines = list(note_lines(plan, Look()))
    return block(lines) if lines else []


def _footer(plan: Plan) -> Iterator[str]:
    yield f"Digest {code(f'sha256:{plan.digest}')}"
    if plan.changes and plan.applyable and not plan.summary.unknown:
        yield f"Apply exactly this: {code(_command(plan), 1000)}"


def _command(plan: Plan) -> str:
    words = ["ordinaut", "apply"]
    if plan.environment.name != DEFAULT_ENVIRONMENT:
        words += ["--env", plan.environment.name]
    for word in plan.only:
        words += ["--only", word]
    return shlex.join([*words, "--expect-digest", f"sha256:{plan.digest}"])
