"""What commands about time have in common: which tasks are meant, out of which specs, and from when on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from reconciler.cli.showing import problems_shown
from reconciler.core.concerning import problems_about
from reconciler.core.desired import Desired, Specs
from reconciler.core.suggest import did_you_mean
from reconciler.load import compile_source
from reconciler.source import read_around
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.core.recurrence.zone import Zone
from runtime.errors import NotFound, SpecError


@dataclass(frozen=True, slots=True)
class Selected:
    """Tasks, and the specs that they stand in."""

    specs: Specs
    tasks: tuple[Desired, ...]


def selected(what: str | None, config: Config) -> Selected:
    """The tasks that an argument means: those of a folder or a file, a task by its name, or all.

    Raises:
        NotFound: it means nothing.
        SpecError: what it means cannot be read; the problems have been printed.
    """
    path = Path(what) if what and Path(what).exists() else None
    source = read_around(path or config.specs)
    specs = compile_source(source, config.environment)
    file = source.name_of(path) if path and path.is_file() else None
    with problems_shown(source):
        _require_sound(specs, file)
    return Selected(specs, tuple(_tasks(specs, file, None if path else what)))


def instant_given(text: str | None, zone: Zone | None) -> datetime:
    """The instant of `--from`: now if there is none; without an offset it is in the zone, or else UTC."""
    if text is None:
        return SYSTEM_CLOCK.now()
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not ISO 8601, such as 2026-03-28 or 2026-03-28T08:30+02:00",
            param_hint="--from",
        ) from None
    return start if start.tzinfo else start.replace(tzinfo=zone.tz if zone else UTC)


def _require_sound(specs: Specs, file: str | None) -> None:
    """Refuse what cannot be read: a broken file next to the one that was asked for does not matter."""
    errors = [one for one in problems_about(specs, file) if one.severity == "error"]
    if errors:
        raise SpecError(
            f"the specs hold {len(errors)} error{'s' if len(errors) > 1 else ''}, so not all of their times are known",
            problems=errors,
        )


def _tasks(specs: Specs, file: str | None, label: str | None) -> list[Desired]:
    tasks = [document for key, document in specs.documents.items() if key.kind == "Task"]
    if file is not None:
        tasks = [task for task in tasks if task.place.file == file]
    if label is None:
        return tasks
    named = [task for task in tasks if task.key.label == label]
    if not named:
        raise NotFound(
            f"there is no task {label} in these specs, and no such file",
            hint=did_you_mean(label, [task.key.label for task in tasks]),
        )
    return named
