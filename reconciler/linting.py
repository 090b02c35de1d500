"""Lints a specs folder, or what a plan writes of it: what the rules need from disk and from git, and nothing that could run code."""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Final

from reconciler.core.desired import Key, Place, Specs
from reconciler.core.lint.about import about_these
from reconciler.core.lint.rules import ALONE, lint
from reconciler.core.lint.world import World, world_of
from reconciler.core.locate import place_of
from reconciler.git import ask_text
from reconciler.source import Source
from schemas.plan import Plan
from schemas.problem import Problem

MOST_WRITTEN: Final = 200
"""So many documents are looked at while a plan is waited for."""

_WRITTEN_AT: Final = re.compile(r"^author-time (\d+)$", re.MULTILINE)


def lint_source(
    source: Source,
    specs: Specs,
    now: datetime,
    revision: str | None = None,
    *,
    rules: Collection[str] | None = None,
) -> tuple[Problem, ...]:
    """What the rules find in sound specs.

    Args:
        source: what was read.
        specs: what it was compiled to, without errors.
        now: the instant from which the rules look ahead.
        revision: which the source was read from; None for the working tree.
        rules: the codes of those that are asked; None for all.
    """
    world = world_of(specs, source.files, now)
    renamed_at = dict(_renamed_at(source, world, revision))
    return lint(replace(world, renamed_at=renamed_at), specs.environment, rules)


def advised(
    plan: Plan, source: Source, specs: Specs, now: datetime, revision: str | None = None
) -> Plan:
    """A plan with what the rules find about the documents that it writes, unless these are too many to look at in passing.

    In a large folder only their own files are looked at, and what others depend on, so that a plan of few changes stays
    quick; what takes all documents to know, such as herds, is left to `ordinaut lint` there.

    Args:
        plan: made from sound specs.
        source: what was read.
        specs: what it was compiled to.
        now: the instant from which the rules look ahead.
        revision: which the source was read from; None for the working tree.
    """
    keys = {Key(one.kind, one.namespace, one.name) for one in plan.changes}
    written = [document for key, document in specs.documents.items() if key in keys]
    if not written:
        return plan
    if len(written) > MOST_WRITTEN:
        return plan.model_copy(update={"linted": False})
    whole = len(specs.documents) <= MOST_WRITTEN
    part = source, specs
    if not whole:
        part = _part_of(source, specs, {one.place.file for one in written} | specs.shared)
    known = {(one.code, one.file, one.line, one.column) for one in plan.diagnostics}
    found = [
        problem
        for problem in lint_source(*part, now, revision, rules=None if whole else ALONE)
        if (problem.code, problem.file, problem.line, problem.column) not in known
    ]
    about = about_these(found, specs.documents.values(), keys)
    return plan.model_copy(update={"linted": True, "diagnostics": (*plan.diagnostics, *about)})


def _part_of(source: Source, specs: Specs, names: Container[str]) -> tuple[Source, Specs]:
    documents = {
        key: document for key, document in specs.documents.items() if document.place.file in names
    }
    files = tuple(file for file in source.files if file.name in names)
    return replace(source, files=files), replace(specs, documents=documents)


def _renamed_at(
    source: Source, world: World, revision: str | None
) -> Iterator[tuple[Key, datetime]]:
    """Since when documents say what they were called before; without git nobody knows."""
    for key, entry in world.entries.items():
        if entry.document.renamed_from is not None:
            since = _written_at(source, place_of(entry.source, ("renamed_from",)), revision)
            if since is not None:
                yield key, since


def _written_at(source: Source, place: Place, revision: str | None) -> datetime | None:
    file = source.root / PurePosixPath(place.file).relative_to(source.name)
    # Of a revision, the folder need not be checked out.
    above = next(one for one in (source.root, *source.root.parents) if one.is_dir())
    blame = ("blame", "--porcelain", "--no-textconv", "-L", f"{place.line},{place.line}")
    commit = () if revision is None else (f"{revision}^{{commit}}",)
    told = ask_text(above, *blame, *commit, "--", str(file.relative_to(above)))
    found = _WRITTEN_AT.search(told or "")
    return datetime.fromtimestamp(int(found[1]), UTC) if found else None
