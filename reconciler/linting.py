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


def lint_source(source: Source, specs: Specs, now: datetime) -> tuple[Problem, ...]:
    """What the rules find in sound specs.

    Args:
        source: what was read.
        specs: what it was compiled to, without errors.
        now: the instant from which the rules look ahead.
    """
    world = world_of(specs, source.files, now)
    return lint(replace(world, renamed_at=dict(_renamed_at(source, world))), specs.environment)


def _renamed_at(source: Source, world: World) -> Iterator[tuple[Key, datetime]]:
    """Since when documents say what they were called before; without git nobody knows."""
    for key, entry in world.entries.items():
        if entry.document.renamed_from is not None:
            since = _written_at(source, place_of(entry.source, ("renamed_from",)))
            if since is not None:
                yield key, since


def _written_at(source: Source, place: Place) -> datetime | None:
    file = PurePosixPath(place.file).relative_to(source.name)
    lines = f"{place.line},{place.line}"
    told = ask_text(
        source.root, "blame", "--porcelain", "--no-textconv", "-L", lines, "--", str(file)
    )
    found = _WRITTEN_AT.search(told or "")
    return datetime.fromtimestamp(int(found[1]), UTC) if found else None
