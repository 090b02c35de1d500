"""What Prometheus scrapes: counters made from the event log, and gauges that are read from the database when asked.

Counting is done by a thread of its own, once a second, so that a scrape costs the same whatever happened in between, and a
process that is never scraped counts nothing twice or late. While the database is away the counters stand still, and go on where
they were; gauges are then missing, and `ordinaut_database_up` is 0.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from importlib.metadata import version
from typing import Annotated, Final, Self

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from runtime.clock import Clock
from runtime.store.event_log import LogReader
from runtime.store.following_usage import UsageReader
from runtime.store.gauges import GAUGES, Values, read_gauges, read_slos
from runtime.store.rows import Connection
from runtime.web.auth import Principal, needs
from runtime.web.beats import AWAY, Beats
from runtime.web.meters import Meters

_PAUSE_SECONDS: Final = 1.0
_USAGE_EVERY_SECONDS: Final = 10.0
# Several scrapers, or an impatient one, cost what one does.
_GAUGES_LAST_SECONDS: Final = 2.0
# Promises are about hours and days.
_PROMISES_LAST_SECONDS: Final = 30.0
# Of a process that was away for long, a part after another; scrapes in between are answered.
_MOST_READS: Final = 50

OWN: Final = {
    "ordinaut_build_info": ("gauge", "1, with the version of the program.", ("version",)),
    "ordinaut_database_up": ("gauge", "1 while the database answers, else 0.", ()),
    "ordinaut_events_lost": (
        "counter",
        "Numbers of events that were drawn and never seen: of statements that were rolled back.",
        (),
    ),
}
"""Of the process itself, by name: type, meaning and labels."""

router = APIRouter(include_in_schema=False)

Connect = Callable[[], AbstractContextManager[Connection]]
"""Lends a connection to the database, in autocommit mode."""


class Metrics(Collector):
    """The metrics of one process.

    Args:
        connect: where to read.
        clock: for how long gaps of the log are looked for, and gauges last.
    """

    def __init__(self, connect: Connect, clock: Clock) -> None:
        self.registry = CollectorRegistry()
        self._connect = connect
        self._clock = clock
        self._meters = Meters(self.registry)
        self.answered = self._meters.answered
        self._events: LogReader | None = None
        self._usage: UsageReader | None = None
        self._usage_due = float("-inf")
        self._gauges: Values = {}
        self._gauges_until = float("-inf")
        self._promises: Values = {}
        self._promises_until = float("-inf")
        self._reading = threading.Lock()
        self._beats = Beats("metrics", self._follow, without="nothing is counted")
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.registry.register(self)

    def __enter__(self) -> Self:
        """Count what happens from now on, for as long as the block lasts."""
        self._beats.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._beats.__exit__(*raised)

    def read(self) -> None:
        """Count what is new.

        Raises:
            OrdinautError, psycopg.Error: the database is away; what happened meanwhile is counted when it is back.
        """
        with self._connect() as connection:
            if self._events is None or self._usage is None:
                self._usage = UsageReader.from_now(connection)
                self._events = LogReader.from_now(connection, self._clock)
            for _ in range(_MOST_READS):
                self._meters.count(self._events.read(connection))
                if not self._events.is_behind:
                    break
            now = self._clock.monotonic()
            if now >= self._usage_due:
                self._meters.count_usage(self._usage.read(connection))
                self._usage_due = now + _USAGE_EVERY_SECONDS

    def render(self, accept: str) -> tuple[bytes, str]:
        """What a scrape gets, and its content type.

        Args:
            accept: what the scraper says it reads: OpenMetrics, or the older text.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def describe(self) -> Iterator[Metric]:
        """None are told in advance: reading the database is for scrapes alone."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Everything that is not counted."""
        _, meaning, labels = OWN["ordinaut_build_info"]
        info = GaugeMetricFamily("ordinaut_build_info", meaning, labels=labels)
        info.add_metric([version("ordinaut")], 1)
        yield info
        values, is_up = self._read_gauges()
        yield GaugeMetricFamily("ordinaut_database_up", OWN["ordinaut_database_up"][1], is_up)
        lost = self._events.given_up if self._events is not None else 0
        yield CounterMetricFamily("ordinaut_events_lost", OWN["ordinaut_events_lost"][1], lost)
        for name, measured in values.items():
            meaning, names = GAUGES[name]
            family = GaugeMetricFamily(name, meaning, labels=names)
            for of, value in measured:
                family.add_metric(of, float(value))
            yield family

    def _read_gauges(self) -> tuple[Values, bool]:
        with self._reading:
            if self._clock.monotonic() < self._gauges_until:
                return {**self._gauges, **self._promises}, True
            try:
                with self._connect() as connection:
                    self._gauges = read_gauges(connection)
                    if self._clock.monotonic() >= self._promises_until:
                        self._promises = read_slos(connection)
                        self._promises_until = self._clock.monotonic() + _PROMISES_LAST_SECONDS
            except AWAY:
                self._gauges_until = float("-inf")
                return {}, False
            self._gauges_until = self._clock.monotonic() + _GAUGES_LAST_SECONDS
            return {**self._gauges, **self._promises}, True

    def _follow(self) -> float:
        self.read()
        return _PAUSE_SECONDS


@router.get("/metrics")
def scrape(request: Request, _: Annotated[Principal, needs("read")]) -> Response:
    """What Prometheus reads, for whoever may read."""
    metrics = request.app.state.metrics
    assert isinstance(metrics, Metrics)  # noqa: S101 - what makes the application puts it there
    body, content_type = metrics.render(request.headers.get("accept", ""))
    return Response(body, headers={"content-type": content_type})
