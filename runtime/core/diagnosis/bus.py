"""Redis: whether the stream of events survives a restart, and a full memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from runtime.core.vitals import Bus
from schemas.doctor import Finding
from schemas.problem import Severity

_OLDEST: Final = (7,)
_FULL: Final = 0.9


def bus_found(bus: Bus) -> Iterator[Finding]:
    """What of a Redis or Valkey that answers would lose events."""
    if bus.version < _OLDEST:
        yield _finding(
            "error",
            f"it is {bus.flavour}",
            "Ordinaut is tested with Redis 7 and Valkey, and newer",
            "upgrade it",
        )
    if bus.role != "master":
        yield _finding(
            "error",
            f"it is a {bus.role}, which takes no writes",
            "no event can be published",
            "point ORDINAUT_REDIS_URL at the primary",
        )
    if bus.stream_type not in {"stream", "none"}:
        yield _finding(
            "error",
            f"the key {bus.stream} holds a {bus.stream_type}",
            "events can only be added to a stream",
            f"rename that key, or set ORDINAUT_STREAM to another than {bus.stream}",
        )
    if bus.policy.startswith("allkeys"):
        yield _finding(
            "warning",
            f"maxmemory-policy is {bus.policy}",
            "when memory is full, the stream may be thrown away as a whole",
            "config set maxmemory-policy noeviction, or give events a Redis of their own",
        )
    if bus.memory_part is not None and bus.memory_part > _FULL:
        yield _finding(
            "warning",
            f"{bus.memory_part:.0%} of its memory is used",
            "when memory is full, no event can be published",
            "raise maxmemory, or lower ORDINAUT_STREAM_LENGTH",
        )
    yield from _persistence(bus)


def _persistence(bus: Bus) -> Iterator[Finding]:
    if not bus.appends and bus.saves == "":
        yield _finding(
            "warning",
            "it keeps nothing on disk: appendonly is no, and save is empty",
            "a restart loses the stream; the events themselves stay in ordinaut.event_log",
            "config set appendonly yes",
        )
    if not bus.is_saved:
        yield _finding(
            "warning",
            "its last write to disk failed",
            "it takes no more writes, or loses them at a restart",
            "see its log; most often the disk is full",
        )


def _finding(severity: Severity, what: str, why: str, remedy: str) -> Finding:
    return Finding(check="redis", severity=severity, what=what, why=why, remedy=remedy)
