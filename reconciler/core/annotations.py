"""Remarks as GitHub's workflow commands, which it shows beside the lines of a pull request.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands. What is remarked cannot end a command or
begin another: ends of lines are escaped, and so is what divides properties.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from reconciler.core.entry import Finding
from reconciler.core.remarks import Remarks
from schemas.problem import Problem, Severity

MOST_SHOWN: Final = 10
"""How many annotations of each kind GitHub takes from one step; it drops the others without a word."""

_COMMANDS: Final[dict[Severity, str]] = {"error": "error", "warning": "warning", "note": "notice"}


def as_github(remarks: Remarks) -> str:
    """A command a line: errors, warnings, notes. Of each kind as many as are shown, the last one counting the rest."""
    return "".join(
        f"::{command}{line}\n"
        for severity, command in _COMMANDS.items()
        for line in _shown([*_lines(remarks, severity)], severity)
    )


def _lines(remarks: Remarks, severity: Severity) -> Iterator[str]:
    for finding in remarks.general:
        if finding.severity == severity:
            yield f" title={finding.code}::{_message(finding)}"
    for one in remarks.problems:
        if one.severity == severity:
            place = f"file={_property(one.file)},line={one.line},col={one.column}"
            yield f" {place},title={one.code}::{_message(one)}"


def _shown(lines: list[str], severity: Severity) -> list[str]:
    if len(lines) <= MOST_SHOWN:
        return lines
    more = f"{len(lines) - MOST_SHOWN + 1} more {severity}s"
    told = f"and {more}: GitHub takes {MOST_SHOWN} of a kind from a step, --json tells them all"
    return [*lines[: MOST_SHOWN - 1], f" title={more}::{told}"]


def _message(one: Problem | Finding) -> str:
    return _data(one.message + (f"\n{one.hint}" if one.hint else ""))


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def _data(value: str) -> str:
    line = value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    # The commands of old may stand anywhere in a line.
    return line.replace("##[", "#\\u0023[")
