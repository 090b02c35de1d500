"""How the plan and apply commands show what they found: the terminal's look, and problems of specs on stderr."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from reconciler.core.look import Look
from reconciler.source import Source
from runtime.cli.output import NARROWEST
from runtime.errors import SpecError

# Where there is no terminal, so that plans of one state are the same text everywhere.
_WIDTH: Final = 100


def look_of_terminal(*, verbose: int = 0) -> Look:
    """The look that fits stdout; printing takes colours away again where they are not wanted."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH
    return Look(
        width=max(NARROWEST, width),
        verbose=verbose,
        colour=True,
        ascii_only=not _can_say("≠…"),
    )


@contextmanager
def problems_shown(source: Source) -> Iterator[None]:
    """Print the problems of specs that refuse a plan, each with its line, before the error goes on."""
    try:
        yield
    except SpecError as error:
        from reconciler.diagnostics import as_text  # noqa: PLC0415 - only problems need it

        click.echo(as_text(error.problems, source.texts), err=True)
        raise


def _can_say(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
