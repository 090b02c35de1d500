"""YAML as people leave it: odd values, odd styles, and comments wherever there is room for one."""

from __future__ import annotations

import random
from typing import Any

import yaml

from reconciler.core.documents import read_documents

_ODD = (
    "yes", "on", "012", "0x1F", "8:30", "2026-01-05", "x # y", "a: b", " before", "after ", "two\nlines",
    "three\n\n  lines\n", "ends\n\n", '"q"', "it's", "back\\slash", "é", "\u00a0", "\u2028", "\x85", "a\ttab",
    "- x", "", "null", "true", "1.0", "~", "#c", "long text " * 14, "{x}", "[", "a, b", "&a", "*b", "!t", "| x",
    "%d", "`b`", "\U0001f600", "\n", "\n\n x", " \n x", "a\n#b\n", "b\\ \nc", 1, 2.5, True, False, None, -3, 1e10,
)  # fmt: skip
_KEYS = ("id", "uses", "with", "name", "schedule", "cron", "timezone", "a b", '"k"', "on", "0x1")
_FIELDS = ("schedule", "pipeline", "owner", "params", "steps", "labels", "description", "unknown")


def scribbled(chance: random.Random) -> str:
    """A sound file of one or two documents, written in one of many ways."""
    documents = [_document(chance)]
    if chance.random() < 0.2:
        documents.append({"b": _value(chance, 3)})
    text: str = yaml.safe_dump_all(
        documents,
        sort_keys=False,
        width=chance.choice([20, 60, 1000]),
        indent=chance.choice([2, 3, 4]),
        default_flow_style=chance.choice([None, True, False]),
        default_style=chance.choice([None, None, None, '"', "'", "|", ">"]),
        allow_unicode=chance.random() < 0.5,
    )
    # What PyYAML writes by YAML 1.1 is now and then nothing to us.
    return _commented(text, chance) if _values(text) is not None else "a: b\n"


def _document(chance: random.Random) -> dict[str, Any]:
    document = {"name": "x", "kind": chance.choice(["Task", "Pipeline", "Foo"])}
    for name in chance.sample(_FIELDS, chance.randint(0, 6)):
        document[name] = _value(chance, 4)
    keys = list(document)
    chance.shuffle(keys)
    return {key: document[key] for key in keys}


def _value(chance: random.Random, depth: int) -> Any:
    choice = chance.random()
    if depth == 0 or choice < 0.5:
        return chance.choice(_ODD)
    if choice < 0.75:
        return {
            chance.choice(_KEYS): _value(chance, depth - 1) for _ in range(chance.randint(0, 5))
        }
    return [_value(chance, depth - 1) for _ in range(chance.randint(0, 4))]


def _commented(text: str, chance: random.Random) -> str:
    """The text with comments and blank lines, each only where it changes no value."""
    values = _values(text)
    for number in range(chance.randint(0, 8)):
        lines = text.split("\n")
        line = chance.randrange(len(lines))
        match chance.choice(["above", "above", "beside", "blank"]):
            case "above":
                lines.insert(
                    line, " " * chance.choice([0, 0, 1, 2, 4, 6, 8]) + f"# above {number}"
                )
            case "beside":
                lines[line] += f" # beside {number}"
            case _:
                lines.insert(line, "")
        if _values("\n".join(lines)) == values:
            text = "\n".join(lines)
    return text


def _values(text: str) -> list[Any] | None:
    reading = read_documents("any.yaml", text.encode())
    return None if reading.problems else [document.value for document in reading.documents]
