"""Revisions in words, as `history`, `show` and `diff` say them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from reconciler.core.look import Look, visible
from reconciler.core.render_change import change_lines, grid_of
from runtime.cli.output import bold, fields, local_time, relative_time
from schemas.plan import PlannedChange
from schemas.revision import Difference, Revision, RevisionReport

_SHORT: Final = 7
_ACTIONS: Final = {
    "create": "created",
    "update": "updated",
    "rename": "renamed",
    "adopt": "adopted",
    "retire": "retired",
}
_BROUGHT_BACK: Final = "brought back"


def commit_words(revision: Revision) -> str:
    """The commit, a mark where the specs differed from it, and a newer one that says the same."""
    words = []
    if revision.commit:
        words.append(f"{revision.commit[:_SHORT]}{' and edits' if revision.dirty else ''}")
    if revision.confirmed_commit:
        words.append(f"now {revision.confirmed_commit[:_SHORT]}")
    return ", ".join(words) or "-"


def written_words(revision: Revision) -> str:
    """What was written: in numbers, or of the one document that was asked about."""
    if revision.action is not None:
        # A creation touches all.
        parts = revision.facets if revision.action in {"update", "rename"} else ()
        done = _BROUGHT_BACK if revision.brought_back else _ACTIONS[revision.action]
        return " ".join([done, *([", ".join(parts)] if parts else [])])
    counts = revision.written.model_dump()
    return ", ".join(
        f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count
    )


def report_text(report: RevisionReport, look: Look) -> str:
    """One revision, and what it wrote."""
    revision = report.revision
    lines = [bold(f"r{revision.revision}"), fields(list(_facts(revision, report.now))), ""]
    return look.finish([*lines, *_change_lines(report.changes, look, revision.applied_at)])


def difference_text(difference: Difference, look: Look) -> str:
    """What leads from one revision to another."""
    before, after = difference.before, difference.after
    names = f"r{before.revision} -> r{after.revision}"
    if not difference.changes:
        return f"No differences: {names}, {difference.unchanged} documents.\n"
    sides = [f"{names}  {after.project}/{after.environment}"]
    sides += [
        f"  r{one.revision}  {commit_words(one)}  {local_time(one.applied_at, UTC)}  by {one.actor}"
        for one in (before, after)
    ]
    return look.finish(
        [
            bold(sides[0]),
            *sides[1:],
            "",
            *_change_lines(difference.changes, look, difference.as_of),
            "",
            f"{len(difference.changes)} differ, {difference.unchanged} are the same.",
        ]
    )


def _facts(revision: Revision, now: datetime) -> Iterator[tuple[str, str]]:
    when = revision.applied_at
    yield "kind", revision.kind
    yield "of", f"{revision.project}/{revision.environment}"
    yield "when", f"{local_time(when, UTC)}, {relative_time(when, now)}"
    yield "by", revision.actor
    yield "commit", _commit(revision)
    if revision.confirmed_commit:
        yield "same as", f"{revision.confirmed_commit}, which was found to change nothing"
    if revision.pull_request:
        yield "pull request", f"#{revision.pull_request}"
    if revision.reason:
        yield "reason", revision.reason
    if revision.override_freeze:
        yield "freeze", f"overridden: {revision.override_freeze}"
    if revision.approval is not None:
        why = f": {revision.approval.reason}" if revision.approval.reason else ""
        yield "approved", f"by {revision.approval.actor}{why}"
    for name, reason in revision.override_policies.items():
        yield "policy", f"{name} overridden: {reason}"
    yield "over", f"r{revision.parent}" if revision.parent else "nothing applied before"
    yield "wrote", written_words(revision)


def _commit(revision: Revision) -> str:
    if revision.commit is None:
        return "none: applied outside of git"
    branch = f" on {visible(revision.branch)}" if revision.branch else ""
    author = f", by {visible(revision.author)}" if revision.author else ""
    edits = ", with edits that were not committed" if revision.dirty else ""
    return f"{revision.commit}{branch}{author}{edits}"


def _change_lines(changes: Sequence[PlannedChange], look: Look, as_of: datetime) -> Iterator[str]:
    ordered = sorted(changes, key=lambda change: change.kind != "Task")
    grid = grid_of(ordered, look.width)
    for change in ordered:
        yield from change_lines(change, look, as_of, grid)
