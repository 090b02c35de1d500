"""Looks at an installation again and again: what is under way, what is due next, how fast it goes."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from runtime.clock import Clock
from runtime.store.event_log import LogReader
from runtime.store.rows import Connection
from runtime.store.runs import list_active_runs
from runtime.store.status import load_status
from schemas.status import BusStatus
from schemas.top import Rates, Top

_WINDOW_SECONDS: Final = 60.0
_COUNTED: Final = ("run.started", "run.succeeded", "run.failed", "run.skipped")


@dataclass(slots=True)
class Watch:
    """Somebody who looks again and again.

    Attributes:
        reader: what counts the events; it begins when this is made.
        clock: for rates.
    """

    reader: LogReader
    clock: Clock
    _began: float = field(init=False)
    _counts: deque[tuple[float, Counter[str]]] = field(init=False, default_factory=deque)

    def __post_init__(self) -> None:
        self._began = self.clock.monotonic()

    def look(self, connection: Connection, bus: BusStatus, *, limit: int) -> Top:
        """What there is now, with at most so many runs and so many tasks.

        Raises:
            psycopg.Error: the database is away; the next look counts what happened meanwhile.
        """
        rates = self._rates(connection)
        status = load_status(connection, bus, limit=limit)
        armed = [one for one in status.tasks if one.schedule == "armed" and not one.paused_at]
        return Top(
            now=status.now,
            verdict=status.verdict,
            bus=bus,
            queue=status.queue,
            outbox=status.outbox,
            runtimes=status.runtimes,
            rates=rates,
            active=list_active_runs(connection, limit=limit),
            progress=status.progress,
            upcoming=tuple(armed),
        )

    def _rates(self, connection: Connection) -> Rates:
        read = Counter[str]()
        while True:
            read.update(event.type for event in self.reader.read(connection))
            if not self.reader.is_behind:
                break
        now = self.clock.monotonic()
        self._counts.append((now, read))
        while self._counts[0][0] < now - _WINDOW_SECONDS:
            self._counts.popleft()
        total = Counter[str]()
        for _, counted in self._counts:
            total.update(counted)
        started, succeeded, failed, skipped = (total[name] for name in _COUNTED)
        return Rates(
            seconds=min(_WINDOW_SECONDS, now - self._began),
            started=started,
            succeeded=succeeded,
            failed=failed,
            skipped=skipped,
        )
