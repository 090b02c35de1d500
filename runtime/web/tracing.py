"""Exports the spans of runs that are over to a collector that speaks OTLP over HTTP.

Theory of operation
    A thread follows the event log from a place that is kept in the database, reads the runs that ended there, makes spans of
    what was recorded, sends them, and only then moves the place on. So spans outlive restarts: what was sent while the process
    was killed is sent again, at most one batch, with the same ids. One process at a time has the place. The log is the queue: a
    collector that is away costs the memory of one batch, and runs nothing. A batch that it refuses for what it is, and not for
    a moment, is dropped, with a line in the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, Literal, Protocol, Self
from uuid import uuid4

from runtime.clock import Clock
from runtime.core.pauses import doubled_pause
from runtime.core.traces import Span, TracedRun, spans_of
from runtime.core.tracing import Link
from runtime.logs import get_logger
from runtime.store.event_log import LogReader
from runtime.store.lending import Lender
from runtime.store.rows import Connection
from runtime.store.traces import (
    HOLD,
    hold_position,
    keep_position,
    leave_position,
    load_traced_runs,
)
from runtime.web.beats import AWAY, Beats

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Link as OtelLink
    from opentelemetry.trace import SpanContext
    from requests import Response

_log = get_logger("tracing")
_ENDS: Final = frozenset({"run.succeeded", "run.failed", "run.cancelled"})
_EVENTS_AT_ONCE: Final = 500
_SPANS_AT_ONCE: Final = 1_000
_PAUSE_SECONDS: Final = 1.0
_FIRST_RETRY_SECONDS: Final = 1.0
_LONGEST_RETRY_SECONDS: Final = 15.0
_RENEW_SECONDS: Final = HOLD.total_seconds() / 3
_TOO_MANY: Final = 429
_TIMED_OUT: Final = 408

Sent = Literal["sent", "refused", "away"]
"""What became of a batch; `refused` for good."""


class Collector(Protocol):
    """Where spans go."""

    def send(self, spans: Sequence[Span]) -> Sent:
        """Send spans, all or none."""
        ...


class Exporter:
    """The exporter of one process.

    Args:
        lender: the database.
        clock: for pauses and gaps of the log.
        collector: where to.
    """

    def __init__(self, lender: Lender, clock: Clock, collector: Collector) -> None:
        self._lender = lender
        self._clock = clock
        self._collector = collector
        self._holder = uuid4()
        self._reader: LogReader | None = None
        self._batch: list[Span] = []
        self._renew_at = 0.0
        self._failures = 0
        self._beats = Beats(
            "traces", self.step, without="no spans are exported", farewell=self.leave
        )

    def __enter__(self) -> Self:
        """Export for as long as the block lasts."""
        self._beats.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._beats.__exit__(*raised)

    def stop(self) -> None:
        """Send nothing more."""
        self._beats.end()

    def step(self) -> float:
        """Take the place if it is free, and send what is there; how many seconds to wait then.

        Raises:
            OrdinautError: the database is away, or refused; nothing is lost by that.
        """
        if self._reader is None and not self._take_place():
            return _RENEW_SECONDS
        assert self._reader is not None  # noqa: S101 - as was just made sure
        if not self._batch:
            self._batch = self._read(self._reader)
        has_sent = bool(self._batch)
        while self._batch and not self._beats.is_ending:
            part = self._batch[:_SPANS_AT_ONCE]
            if (sent := self._collector.send(part)) == "away":
                return self._wait_for_collector()
            self._after(sent, len(part))
            del self._batch[: len(part)]
        # Asked to end in the middle of a batch, we leave it to whoever comes next, from its beginning.
        if not self._batch and (has_sent or self._clock.monotonic() >= self._renew_at):
            self._keep_place()
        return 0.0 if self._reader is not None and self._reader.is_behind else _PAUSE_SECONDS

    def leave(self) -> None:
        """Let another process go on at once."""
        if self._reader is not None:
            with self._lender.writing() as connection:
                leave_position(connection, self._holder)

    def _take_place(self) -> bool:
        with self._lender.writing() as connection:
            position = hold_position(connection, self._holder)
        if position is None:
            return False
        self._reader = LogReader(position, self._clock, limit=_EVENTS_AT_ONCE)
        self._renew_at = self._clock.monotonic() + _RENEW_SECONDS
        return True

    def _keep_place(self) -> None:
        assert self._reader is not None  # noqa: S101 - who keeps a place has one
        with self._lender.writing() as connection:
            is_ours = keep_position(connection, self._holder, self._reader.position)
        self._renew_at = self._clock.monotonic() + _RENEW_SECONDS
        if not is_ours:
            self._reader, self._batch = None, []

    def _read(self, reader: LogReader) -> list[Span]:
        try:
            with self._lender.reading() as connection:
                return _spans(connection, reader)
        except AWAY:
            # The reader may have gone past events whose runs were not read: the place that is kept has not.
            self._reader = None
            raise

    def _wait_for_collector(self) -> float:
        self._failures += 1
        if self._failures == 1:
            _log.warning("the collector does not take spans; they stay in the event log")
        if self._clock.monotonic() >= self._renew_at:
            self._hold_on()
        return doubled_pause(
            self._failures, first=_FIRST_RETRY_SECONDS, longest=_LONGEST_RETRY_SECONDS
        )

    def _hold_on(self) -> None:
        """Stay the one exporter, where we were before the batch that is not sent."""
        with self._lender.writing() as connection:
            is_ours = hold_position(connection, self._holder) is not None
        self._renew_at = self._clock.monotonic() + _RENEW_SECONDS
        if not is_ours:
            self._reader, self._batch = None, []

    def _after(self, sent: Sent, spans: int) -> None:
        if sent == "refused":
            _log.warning("the collector refused %d spans, which are dropped", spans)
        elif self._failures:
            _log.info("the collector takes spans again")
        self._failures = 0


def _spans(connection: Connection, reader: LogReader) -> list[Span]:
    events = reader.read(connection)
    # An event that was told twice has one run.
    ended = dict.fromkeys(
        event.run_id for event in events if event.type in _ENDS and event.run_id is not None
    )
    return [span for run in load_traced_runs(connection, ended) for span in _readable(run)]


def _readable(run: TracedRun) -> list[Span]:
    """The spans of a run; none of one whose rows say what no row of ours does, which must not take the others away."""
    try:
        return list(spans_of(run))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        about = {"run_id": str(run.run["run_id"]), "problem": repr(error)}
        _log.warning("a run cannot be told as a trace", extra=about)
        return []


class OtlpCollector:
    """A collector over HTTP; headers, certificates, compression and resource are those of the `OTEL_…` variables.

    Args:
        url: where it takes traces.

    Raises:
        ImportError: the extra `otel` is not installed.
    """

    def __init__(self, url: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415 - as above
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415 - as above
        from requests import Session  # noqa: PLC0415 - it comes with the exporter

        session = Session()
        session.hooks["response"].append(self._answered)
        self._status = 0
        self._exporter = OTLPSpanExporter(url, session=session)
        resource = Resource.create()
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: "ordinaut"}))
        self._resource = resource
        self._scope = InstrumentationScope("ordinaut", version("ordinaut"))

    def send(self, spans: Sequence[Span]) -> Sent:
        """Send spans, all or none."""
        from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415 - an extra

        self._status = 0
        result = self._exporter.export([self._as_told(span) for span in spans])
        if result is SpanExportResult.SUCCESS:
            return "sent"
        is_final = 400 <= self._status < 500 and self._status not in {_TIMED_OUT, _TOO_MANY}  # noqa: PLR2004 - classes of HTTP
        return "refused" if is_final else "away"

    def _answered(self, response: Response, *_: object, **__: object) -> None:
        self._status = response.status_code

    def _as_told(self, span: Span) -> ReadableSpan:
        from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415 - an extra
        from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415 - heavy

        failed = Status(StatusCode.ERROR, span.error) if span.error is not None else Status()
        return ReadableSpan(
            span.name,
            context=_context(span.trace, span.id),
            parent=_context(span.trace, span.parent) if span.parent is not None else None,
            resource=self._resource,
            attributes=dict(span.attributes),
            links=[_link(one) for one in span.links],
            kind=SpanKind.CLIENT if span.is_call else SpanKind.INTERNAL,
            status=failed,
            start_time=_nanoseconds(span.started_at),
            # A clock that was set back in between must not make a span that ends before it begins: collectors refuse those.
            end_time=_nanoseconds(max(span.started_at, span.finished_at)),
            instrumentation_scope=self._scope,
        )


def _context(trace: str, span: str) -> SpanContext:
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415 - heavy

    return SpanContext(int(trace, 16), int(span, 16), is_remote=False, trace_flags=TraceFlags(1))


def _link(link: Link) -> OtelLink:
    from opentelemetry.trace import Link as OtelLink  # noqa: PLC0415 - heavy
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415 - heavy

    return OtelLink(
        SpanContext(
            int(link.trace, 16),
            int(link.span, 16),
            is_remote=link.is_remote,
            trace_flags=TraceFlags(int(link.is_sampled)),
        )
    )


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1_000


def exporters(url: str | None, lender: Lender, clock: Clock) -> Iterable[Exporter]:
    """The exporter to the collector that takes traces at this address; none without one, or without the extra that it takes."""
    if url is None:
        return ()
    try:
        collector = OtlpCollector(url)
    except ImportError:
        _log.warning("traces are not exported: the extra `otel` of ordinaut is not installed")
        return ()
    return (Exporter(lender, clock, collector),)
