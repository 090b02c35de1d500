"""What waits longer than it should, and who ought to see to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from runtime.core.spans import rough_span
from runtime.core.vitals import Lags, RuntimeSign
from schemas.doctor import Finding

_SILENT_SECONDS: Final = 15.0


def work_found(lags: Lags, signs: Sequence[RuntimeSign], patience: timedelta) -> Iterator[Finding]:
    """Runs and schedules that are due for longer than `patience` and that nobody takes."""
    waiting = (
        ("run", "worker", "ready and not taken", lags.ready, lags.ready_seconds),
        ("schedule", "scheduler", "due and not decided", lags.schedules, lags.schedule_seconds),
    )
    for noun, duty, state, count, seconds in waiting:
        if seconds is None or seconds <= patience.total_seconds():
            continue
        doing = _doing(duty, signs)
        yield Finding(
            check="work",
            severity="warning" if doing else "error",
            what=f"{_counted(count, noun)} {state}, the oldest for {_span(seconds)}",
            why=f"{_counted(doing, duty)} {'does' if doing == 1 else 'do'} not keep up, or cannot"
            if doing
            else f"no runtime is there that is a {duty}",
            remedy="read the logs of the runtimes, raise ORDINAUT_CONCURRENCY, or start more of them"
            if doing
            else "start one: `ordinaut runtime`",
        )


def _doing(duty: str, signs: Iterable[RuntimeSign]) -> int:
    """How many runtimes see to it."""
    return sum(1 for one in signs if _is_alive(one) and not one.draining and duty in one.duties)


def outbox_found(
    lags: Lags, signs: Sequence[RuntimeSign], patience: timedelta, *, has_bus: bool
) -> Iterator[Finding]:
    """Events that wait for longer than `patience` to be published."""
    if lags.event_seconds is not None and lags.event_seconds > patience.total_seconds():
        yield Finding(
            check="outbox",
            severity="warning",
            what=f"{_counted(lags.events, 'event')} not yet published, the oldest for {_span(lags.event_seconds)}",
            why="whoever reads the stream learns nothing"
            + ("" if has_bus else "; Redis does not answer from here")
            + ("" if _doing("relay", signs) else "; no runtime is there that is a relay"),
            remedy="nothing is lost, and they go out in order once a runtime reaches Redis: see its log for what hinders it",
        )


def poison_found(lags: Lags) -> Iterator[Finding]:
    """Entries of streams that could be no events."""
    if lags.poison:
        yield Finding(
            check="streams",
            severity="warning",
            what=f"{lags.poison:,} entr{'y' if lags.poison == 1 else 'ies'} of streams set aside in the last 7 days",
            why=f"no event could be made of them; some were of {lags.poisoned}",
            remedy="`select * from ordinaut.poison` says why of each: have whoever writes the stream put it right",
        )


def runtimes_found(signs: Iterable[RuntimeSign], version: str) -> Iterator[Finding]:
    """Runtimes that died with leases, and ones of other versions."""
    for sign in signs:
        name = f"runtime {sign.runtime_id} (process {sign.pid} on {sign.host})"
        if not _is_alive(sign):
            yield _silent(sign, name)
        elif sign.version != version:
            yield Finding(
                check="versions",
                severity="warning",
                what=f"{name} is of version {sign.version}, this program of {version}",
                why="two versions side by side are meant for the time of an upgrade only",
                remedy=f"finish the upgrade on {sign.host}",
            )


def _silent(sign: RuntimeSign, name: str) -> Finding:
    held = f", and holds {_counted(sign.leases, 'run')}" if sign.leases else ""
    return Finding(
        check="leases",
        severity="warning" if sign.leases else "note",
        what=f"{name} has been silent for {_span(sign.silent_seconds)}{held}",
        why="it was killed, hangs, or is cut off from the database"
        + (f"; its leases end in {_span(sign.lease_seconds)}" if sign.lease_seconds else ""),
        remedy="other runtimes take over what it held by themselves; see what ended it",
    )


def _is_alive(sign: RuntimeSign) -> bool:
    return sign.silent_seconds <= _SILENT_SECONDS


def _counted(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"


def _span(seconds: float) -> str:
    return rough_span(timedelta(seconds=seconds))
