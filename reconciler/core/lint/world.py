"""What the rules of lint look at: every document with its place, and the runs of the coming days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from reconciler.core.desired import Desired, Key, Specs
from reconciler.core.documents import SourceDocument, read_documents
from reconciler.core.entry import Entry
from reconciler.core.files import SourceFile
from reconciler.core.locate import place_of
from reconciler.core.notices import notices_of
from reconciler.core.overlay import overlaid, parted
from reconciler.core.project import project_head
from reconciler.core.references import Names
from reconciler.core.simulation import default_zone
from reconciler.core.simulation_runs import Period, TaskRuns, follow, period_of
from runtime.core.recurrence.zone import load_zone
from schemas.project import Project

DAYS: Final = 7
"""How many days the rules look ahead where they count runs."""

_OF_A_TASK: Final = 20_000
_OF_ALL: Final = 200_000


@dataclass(frozen=True, slots=True)
class World:
    """Sound specs, seen at one instant.

    Attributes:
        now: that instant.
        documents: what was compiled.
        entries: the same with the place of every value.
        names: every identity.
        texts: every file that holds documents or overlays, by name.
        elsewhere: the files of overlays that belong to other environments.
        period: the days in which runs are counted.
        runs: the runs of these days, by task.
        variables: what fills `${vars.…}`.
        renamed_at: since when documents say what they were called before, where git knows it.
    """

    now: datetime
    documents: Mapping[Key, Desired]
    entries: Mapping[Key, Entry]
    names: Names
    texts: Mapping[str, str]
    elsewhere: frozenset[str]
    period: Period
    runs: tuple[TaskRuns, ...]
    variables: Mapping[str, Any]
    renamed_at: Mapping[Key, datetime] = field(default_factory=dict)

    @property
    def project(self) -> tuple[Entry, Project]:
        """The Project, which sound specs have."""
        return next(
            (entry, entry.document)
            for entry in self.entries.values()
            if isinstance(entry.document, Project)
        )

    def tasks(self) -> Iterator[tuple[Entry, Desired]]:
        """Every task, with what it was compiled to."""
        for key, desired in self.documents.items():
            if key.kind == "Task":
                yield self.entries[key], desired


def world_of(specs: Specs, files: Sequence[SourceFile], now: datetime) -> World:
    """Put together what the rules look at.

    Args:
        specs: compiled from the files, without errors.
        files: what they were compiled from.
        now: the instant from which the rules look ahead.
        renamed_at: since when documents carry `renamed_from`.
    """
    layers = parted(_read(files))
    # Specs without errors have none in their overlays, and miss nothing.
    laid = overlaid(layers, specs.environment, [], None)
    head = project_head(laid, "", specs.environment, [])
    # What comes in by defaults stands where its task does.
    made = notices_of(laid, head.defaults)
    sources = {place_of(document, ()): document for document in (*made, *laid)}
    period = period_of(now, DAYS, load_zone(default_zone(specs) or "UTC"))
    tasks = [desired for key, desired in specs.documents.items() if key.kind == "Task"]
    runs, _ = follow(tasks, period, of_task=_OF_A_TASK, of_all=_OF_ALL)
    return World(
        now=now,
        documents=specs.documents,
        entries={
            key: Entry(sources[desired.place], desired.document, key)
            for key, desired in specs.documents.items()
        },
        names=Names(frozenset(specs.documents)),
        texts={one.file: one.text for one in (*layers.documents, *layers.overlays)},
        elsewhere=layers.elsewhere(specs.environment),
        period=period,
        runs=runs,
        variables=head.variables or {},
    )


def _read(files: Sequence[SourceFile]) -> list[SourceDocument]:
    """Every document as written."""
    return [
        document
        for file in files
        if file.name.endswith((".yaml", ".yml"))
        for document in read_documents(file.name, file.data).documents
    ]
