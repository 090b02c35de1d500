"""What expressions can name: the roots, their values in one run, and references to them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

JSON = Any
"""A JSON value: dict with str keys, list, str, int, finite float, bool or None, nested; no other type."""

Segment = str | int
"""One part of a path: an object's key or a list's index."""

TEMPLATE_ROOTS: Final = frozenset(
    {
        "now",
        "run",
        "task",
        "trigger",
        "event",
        "params",
        "steps",
        "item",
        "vars",
        "secrets",
        "callback",
    }
)
"""The names that stand at the start of a path in a template and in `if`."""

ANSWER_ROOTS: Final = TEMPLATE_ROOTS | {"result"}
"""The roots where a tool has just answered: `expect`, `fail_when`, `usage`, and a verify step's `when`."""


class Absent(Enum):
    """Says that a root has no value in this run, which is not the same as null."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Context:
    """The values of the roots in one run; templates read it and never change it.

    Attributes:
        now: the run's frozen instant, aware; shown in UTC.
        event: what started the run, for a run that an event started.
        steps: results by the name each step saves under.
        item: the element at hand in a `foreach` step.
        secrets: looked up one name at a time, so a mapping may resolve a secret when it is first asked for; what its
            `__getitem__` raises besides KeyError passes through.
        callback: the `url` and the `token` of the step's callback, for a step that waits for one.
        result: the tool's answer, for conditions compiled with `ANSWER_ROOTS`.
    """

    now: datetime
    run: Mapping[str, JSON] = field(default_factory=dict)
    task: Mapping[str, JSON] = field(default_factory=dict)
    trigger: Mapping[str, JSON] = field(default_factory=dict)
    event: JSON | Absent = ABSENT
    params: Mapping[str, JSON] = field(default_factory=dict)
    steps: Mapping[str, JSON] = field(default_factory=dict)
    item: JSON | Absent = ABSENT
    vars: Mapping[str, JSON] = field(default_factory=dict)
    secrets: Mapping[str, JSON] = field(default_factory=dict)
    callback: JSON | Absent = ABSENT
    result: JSON | Absent = ABSENT

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise ValueError("now must be an aware instant")


@dataclass(frozen=True, slots=True)
class Reference:
    """A path that an expression reads, as far as it can be known without running it.

    Attributes:
        root: one of the roots.
        path: keys and indexes below the root; it ends where a projection, filter or function begins.
        guarded: every use stands inside the first argument of `default()`, so the path may be missing.
    """

    root: str
    path: tuple[Segment, ...] = ()
    guarded: bool = False

    def __str__(self) -> str:
        return path_text((self.root, *self.path))


def merge_references(found: Iterable[Reference]) -> frozenset[Reference]:
    """Each path once; it counts as guarded only where every use of it is."""
    guarded: dict[tuple[str, tuple[Segment, ...]], bool] = {}
    for reference in found:
        key = (reference.root, reference.path)
        guarded[key] = guarded.get(key, True) and reference.guarded
    return frozenset(Reference(root, path, kept) for (root, path), kept in guarded.items())


_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def path_text(segments: Iterable[Segment]) -> str:
    """The path as JMESPath writes it: `steps.weather.days[0]."max temp"`."""
    text = ""
    for segment in segments:
        if isinstance(segment, int):
            text += f"[{segment}]"
        else:
            key = segment if _PLAIN_KEY.fullmatch(segment) else json.dumps(segment)
            text += f".{key}" if text else key
    return text


def instant_text(instant: datetime) -> str:
    """ISO 8601 in UTC with `Z`; a fraction of a second only where there is one."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
