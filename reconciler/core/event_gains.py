"""What a change has Ordinaut hear: webhooks that take events, and topics that start tasks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from schemas.plan import FieldChange


def hooks_in(body: Mapping[str, Any]) -> Iterator[str]:
    """The webhooks of a Project, by name."""
    yield from body.get("webhooks") or {}


def hooks_gained(ops: Collection[FieldChange]) -> Iterator[str]:
    """The names of webhooks that are new, or that somebody else may post to."""
    for op in ops:
        match op.path.split("/")[1:]:
            case ["webhooks"]:
                before, after = op.before or {}, op.after or {}
                yield from (name for name in after if before.get(name) != after[name])
            case ["webhooks", name] if op.after is not None:
                yield name
            case ["webhooks", name, "secret" | "preset" | "tolerance", *_]:
                yield name
            case _:
                pass


def streams_in(body: Mapping[str, Any]) -> Iterator[str]:
    """The streams of a Project, by name."""
    yield from body.get("streams") or {}


def streams_gained(ops: Collection[FieldChange]) -> Iterator[str]:
    """The names of streams that are new, or are read elsewhere."""
    for op in ops:
        match op.path.split("/")[1:]:
            case ["streams"]:
                before, after = op.before or {}, op.after or {}
                yield from (name for name in after if before.get(name) != after[name])
            case ["streams", name] if op.after is not None:
                yield name
            case ["streams", name, "stream" | "url" | "group", *_]:
                yield name
            case _:
                pass


def topics_in(body: Mapping[str, Any]) -> Iterator[str]:
    """The topics that a task listens to."""
    yield from _topics(body.get("schedule"))


def topics_gained(ops: Collection[FieldChange]) -> Iterator[str]:
    """The topics that a task comes to listen to."""
    for op in ops:
        match op.path.split("/")[1:]:
            case ["schedule", _, "event"] if op.after is not None:
                yield op.after
            case ["schedule", *_]:
                before = set(_topics(op.before))
                yield from (topic for topic in _topics(op.after) if topic not in before)
            case _:
                pass


def _topics(schedule: Any) -> Iterator[str]:
    match schedule:
        case list() | tuple():
            for one in schedule:
                yield from _topics(one)
        case {"event": str(topic)}:
            yield topic
        case _:
            pass
