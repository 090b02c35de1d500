"""Reads how promises stand."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from runtime.core.program import task_label
from runtime.core.slo import SPANS, objective
from runtime.store.rows import Connection, fetch_rows
from schemas.durations import format_duration
from schemas.slo import Slo, ratio_of
from schemas.slo_report import Objective, SloReport, TaskSlo

_Counts = dict[str, dict[str, Any]]


def load_slos(connection: Connection, task: str | None = None) -> SloReport:
    """How promises stand: of every task of which something is promised, or of one alone."""
    [installation] = fetch_rows(connection, "load_installation")
    rows = fetch_rows(connection, "list_promises", task=task)
    if not rows:
        return SloReport(now=installation["now"], tasks=())
    rows, promises = _readable(rows)
    counted: dict[int, _Counts] = {row["uid"]: {} for row in rows}
    for count in fetch_rows(
        connection,
        "count_kept",
        uids=[row["uid"] for row in rows],
        withins=[slo.lateness and slo.lateness.within for slo in promises],
        windows=[slo.window for slo in promises],
        names=list(SPANS),
        spans=list(SPANS.values()),
    ):
        counted[count["uid"]][count["span"]] = count
    return SloReport(
        now=installation["now"],
        tasks=tuple(
            TaskSlo(
                task=task_label(row["namespace"], row["name"]),
                project=row["project"],
                window=format_duration(slo.window),
                objectives=_objectives(slo, counted[row["uid"]]),
            )
            for row, slo in zip(rows, promises, strict=True)
        ),
    )


def _readable(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Slo]]:
    """The rows whose promises can be read; one that somebody broke past git is drift, and must not take the others away."""
    found = []
    for row in rows:
        with suppress(ValidationError):
            found.append((row, Slo.model_validate(row["slo"])))
    return [row for row, _ in found], [slo for _, slo in found]


def _objectives(slo: Slo, counts: _Counts) -> tuple[Objective, ...]:
    found = []
    if slo.success is not None:
        kept = {span: (one["succeeded"], one["ended"]) for span, one in counts.items()}
        found.append(objective("success", ratio_of(slo.success), kept))
    if slo.lateness is not None:
        kept = {span: (one["in_time"], one["due"]) for span, one in counts.items()}
        target = ratio_of(slo.lateness.target)
        found.append(objective("lateness", target, kept, within=slo.lateness.within))
    return tuple(found)
