"""Options of `plan` and `apply`: how much to show, which part, what to refuse, and what was reviewed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import click

from reconciler.core.fail_on import REFUSABLE
from runtime.cli.options import Command

_DIGEST: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


def verbose_option(command: Command) -> Command:
    """The flag `-v`, which the command receives as a number of times."""
    text = "Unfold everything and show every field that differs; -vv shows long values whole."
    return click.option("-v", "--verbose", count=True, help=text)(command)


def only_option(command: Command) -> Command:
    """The option `--only`, which the command receives as a tuple of words."""
    text = "A part: this document with what it refers to, or all with this label (NAME=VALUE). Retires nothing. May be given again."
    return click.option("--only", multiple=True, metavar="KEY|LABEL", help=text)(command)


def fail_on_option(command: Command) -> Command:
    """The option `--fail-on`, which the command receives as a tuple of names of `REFUSABLE`."""
    text = f"Exit with 3 if the plan has any of these, divided by commas: {', '.join(REFUSABLE)}."
    option = click.option(
        "--fail-on", multiple=True, callback=_properties, metavar="WHAT", help=text
    )
    return option(command)


def expect_digest_option(command: Command) -> Command:
    """The option `--expect-digest`, which the command receives as 64 hexadecimal digits."""
    text = "Plan again, and apply without asking if this is the plan's digest."
    return click.option("--expect-digest", callback=_digest, metavar="DIGEST", help=text)(command)


def _properties(
    _context: click.Context, parameter: click.Parameter, values: Iterable[str]
) -> tuple[str, ...]:
    names = tuple(name.strip() for value in values for name in value.split(","))
    for name in names:
        if name not in REFUSABLE:
            known = ", ".join(REFUSABLE)
            raise click.BadParameter(f"{name!r} is none of {known}", param=parameter)
    return names


def _digest(_context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    found = _DIGEST.fullmatch(value.strip())
    if found is None:
        raise click.BadParameter(
            "a digest is sha256: and 64 hexadecimal digits, as a plan shows it", param=parameter
        )
    return found[1]
