"""`ordinaut why`: why a task ran, did not run, or ran late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import Final

import click

from runtime.cli.options import configured, json_option
from runtime.cli.output import (
    bold,
    dim,
    echo,
    echo_json,
    fields,
    local_time,
    one_line,
    relative_time,
    short_id,
    zone_of,
)
from runtime.config import Config
from runtime.core.explain import LIMIT
from runtime.database import open_database
from runtime.explaining import explain_task
from schemas.explanation import Explained, Explanation

_COLOURS: Final = {"ran": "green", "skipped": "yellow", "held": "yellow", "undecided": "red"}


@click.command(
    epilog="""\b
Examples:
  ordinaut why weekday-morning-briefing
  ordinaut why weekday-morning-briefing --at 08:30
  ordinaut why weekday-morning-briefing --at 2026-11-20 --json
"""
)
@click.argument("task")
@click.option(
    "--at",
    "when",
    metavar="TIME",
    help="A day, a minute or a second: 2026-11-20, 2026-11-20T08:30, or 08:30 today.",
)
@json_option
@configured("database_url", "state_dir")
def why(*, config: Config, task: str, when: str | None, as_json: bool) -> None:
    """Explain why a task ran, did not run, or ran late.

    Without --at it explains what was decided last. TIME is read in the task's zone unless it has an offset; it means the
    whole day, minute or second that it names.
    """
    with open_database(config, read_only=True, name="ordinaut why") as connection:
        explanation = explain_task(connection, task, when)
    zone = zone_of(explanation.timezone)
    if as_json:
        echo_json(explanation.model_dump(mode="json"))
    else:
        echo(_told(explanation, zone))


def _told(found: Explanation, zone: tzinfo) -> str:
    parts = [_head(found, zone), *("\n".join(_lines(one, found, zone)) for one in found.explained)]
    if found.is_cut:
        parts.append(
            dim(f"and more: only {LIMIT} are explained at once; ask about a shorter time")
        )
    return "\n\n".join(parts)


def _head(found: Explanation, zone: tzinfo) -> str:
    pairs = [("task", f"{found.task}  {dim(found.schedule or 'not in force then')}")]
    for name, instant in (("before", found.previous_at), ("after", found.next_at)):
        if instant is not None:
            pairs.append(
                (name, f"{local_time(instant, zone)}  {dim(relative_time(instant, found.now))}")
            )
    return fields(pairs)


def _lines(one: Explained, found: Explanation, zone: tzinfo) -> Iterator[str]:
    sentence = click.style(one_line(one.sentence), fg=_COLOURS.get(one.verdict))
    when = local_time(one.at or found.since, zone)
    run = f"  {dim(f'run {short_id(one.run_id)}')}" if one.run_id else ""
    yield f"{bold(when)}{run}"
    yield f"  {sentence}"
    for fact in one.facts:
        yield f"  {one_line(fact)}"
    if one.hint:
        yield f"  {dim(one.hint)}"
