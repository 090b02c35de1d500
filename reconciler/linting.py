"""Lints a specs folder: what the rules need from disk and from git, and nothing that could run code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Final

from reconciler.core.desired import Key, Place, Specs
from reconciler.core.lint.rules import lint
from reconciler.core.lint.world import World, world_of
from reconciler.core.locate import place_of
from reconciler.git import ask_text
from reconciler.source import Source
from schemas.problem import Problem

_WRITTEN_AT: Final = re.compile(r"^author-time (\d+)$", re.MULTILINE)


def lint_source(
    source: Source, specs: Specs, now: datetime, revision: str | None = None
) -> tuple[Problem, ...]:
    """What the rules find in sound specs.

    Args:
        source: what was read.
        specs: what it was compiled to, without errors.
        now: the instant from which the rules look ahead.
        revision: which the source was read from; None for the working tree.
    """
    world = world_of(specs, source.files, now)
    renamed_at = dict(_renamed_at(source, world, revision))
    return lint(replace(world, renamed_at=renamed_at), specs.environment)


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
