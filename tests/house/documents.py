"""Reads documents as the stories they are: files to write, commands to type, and what they answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"^```(?P<language>[\w-]*)\n(?P<text>.*?)^```$", flags=re.MULTILINE | re.DOTALL
)
_ANYTHING = "…"
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
# What is another at every reading: instants, spans, ids, persons, counts that depend on the day.
_PASSING = (
    (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?( ?[+-]\d\d:\d\d|Z)?", "<time>"),
    (rf"\b(\d\d {_MONTH}|\d{{4}}-\d\d-\d\d) \d\d:\d\d( [+-]\d\d:\d\d| [A-Z]{{3,4}})?", "<time>"),
    (r"\b\d\d:\d\d:\d\d(\.\d+)?", "<time>"),
    (r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) <time>( UTC)?", "<time>"),
    (r"\b[\d.]+ (ms|s|min|h|d|days?)\b( \d+ (s|min|h|d|days?)\b)*", "<span>"),
    (r"\b(?=[a-f]*\d)[0-9a-f]{7,64}(-[0-9a-f]{4,12})*\b", "<id>"),
    (r"[\w-]+@[\w.-]+", "<who>"),
    (r"process \d+ on [\w.-]+", "process <id>"),
    (r"[\d,]+ characters", "<count> characters"),
    (r"http://127\.0\.0\.1:\d+", "<address>"),
    (r"PostgreSQL [\d.]+", "PostgreSQL <version>"),
    (r"runs in <span> [-+~]?\d+( -> ~?\d+)?", "runs in <span> <count>"),
    (r"\d+ events", "<count> events"),
    (r"schema 0 -> \d+", "schema 0 -> <count>"),
    (r"\b(in <span>|now)(?= )", "<when>"),
    (r" \|(?= |$)", ""),
)


@dataclass(frozen=True, slots=True)
class File:
    """A file that the reader is told to write: a block whose first line is a comment with its path."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command that the reader is told to type.

    Attributes:
        text: the command.
        answer: what the document says it prints; empty where it says nothing.
    """

    text: str
    answer: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command that still runs prints next: a block of `console` without a command."""

    text: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Ctrl-C, and what is said then: a line `^C` in a block of `console`."""

    answer: str


@dataclass(frozen=True, slots=True)
class Statements:
    """SQL that the reader is told to run in the database."""

    text: str


Step = File | Command | Answer | Interrupt | Statements


def steps(document: Path) -> Iterator[Step]:
    """The steps of a document, in order."""
    for match in _BLOCK.finditer(document.read_text(encoding="utf-8")):
        text = match["text"]
        match match["language"]:
            case "console":
                yield from _commands(text)
            case "sh":
                yield from (
                    Command(line.partition("  #")[0].rstrip(), "") for line in text.splitlines()
                )
            case "sql":
                yield Statements(text)
            case "yaml" | "toml" if named := re.match(r"# ([\w./-]+\.(?:yaml|toml))\n", text):
                yield File(named[1], text)
            case _:
                pass


def _commands(text: str) -> Iterator[Command | Answer | Interrupt]:
    """What a block of `console` holds: commands with their answers, and where Ctrl-C is pressed."""
    for part in re.split(r"^(?=\$ |\^C$)", text, flags=re.MULTILINE):
        line, _, answer = part.partition("\n")
        if line == "^C":
            yield Interrupt(answer)
        elif line.startswith("$ "):
            yield Command(line.removeprefix("$ ").partition("  #")[0].rstrip(), answer)
        elif part:
            yield Answer(part)


def agrees(told: str, printed: str, *, so_far: bool = False) -> bool:
    """Whether what was printed is what the document tells, but for what passes; a line `…` stands for any lines.

    Args:
        told: what the document tells.
        printed: what the command printed.
        so_far: more may follow.
    """
    parts = re.split(rf"^{_ANYTHING}\n", told, flags=re.MULTILINE)
    pattern = " ?.*?".join(re.escape(lasting(part)) for part in parts)
    return bool(re.match(pattern + ("" if so_far else "$"), lasting(printed), flags=re.DOTALL))


def lasting(text: str) -> str:
    """What is the same at every reading, on one line."""
    text = " ".join(text.split())
    for pattern, name in _PASSING:
        text = re.sub(pattern, name, text)
    return text
