"""What is counted, from the event log but for requests: counters and histograms, with labels whose number is bounded.

They begin at zero when the process does, and count what happens from then on: Prometheus knows such resets. Each event of
the log counts once, whatever becomes of Redis. A label has as many values as its bound says, the first that are met; what
comes after them is counted under `other`. Nothing is labelled with the id of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from runtime.logs import get_logger
from runtime.store.event_log import LoggedEvent
from runtime.store.following_usage import CallUsed

_log = get_logger("metrics")

TASKS: Final = 200
"""How many tasks have values of their own."""
NAMES: Final = 100
"""How many tool servers, agents and models have."""
OTHER: Final = "other"

_LATENESS: Final = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
    60,
    300,
    900,
    3600,
)
_ANSWER: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_DURATION: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600)

COUNTERS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "ordinaut_runs_started": ("Runs that began.", ("task", "trigger")),
    "ordinaut_runs": (
        "Occurrences that were decided for good: runs that ended, and skips.",
        ("task", "trigger", "state"),
    ),
    "ordinaut_run_failures": ("Failed runs by the code of their error.", ("code",)),
    "ordinaut_skips": ("Occurrences that did not run, by reason.", ("task", "reason")),
    "ordinaut_run_waits": (
        "Times that a run gave up its slot, by what it waits for.",
        ("reason",),
    ),
    "ordinaut_steps": ("Steps that ended, by tool server and outcome.", ("server", "outcome")),
    "ordinaut_step_retries": (
        "Tries of a step that failed and were followed by another.",
        ("server", "outcome"),
    ),
    "ordinaut_events": ("Events that were written to the log.", ("type",)),
    "ordinaut_tokens": ("Tokens that calls used up.", ("agent", "model", "kind")),
    "ordinaut_cost": (
        "Money that calls cost, as far as it is known.",
        ("agent", "model", "currency"),
    ),
}
"""By name, without the `_total` that Prometheus adds: what it counts, and its labels."""

HISTOGRAMS: Final[Mapping[str, tuple[str, tuple[str, ...], tuple[float, ...]]]] = {
    "ordinaut_run_lateness_seconds": (
        "How long after its due time a run began.",
        ("task",),
        _LATENESS,
    ),
    "ordinaut_run_duration_seconds": (
        "From the start of a run to its end, waits included.",
        ("task",),
        _DURATION,
    ),
    "ordinaut_step_duration_seconds": (
        "How long the last try of a step took; of `foreach`, all its items.",
        ("server",),
        _DURATION,
    ),
    "ordinaut_http_request_duration_seconds": (
        "How long the web side took to begin its answer.",
        ("method", "route", "status"),
        _ANSWER,
    ),
}

_TOKENS: Final = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_tokens",
    "cache_written": "cache_written_tokens",
    "reasoning": "reasoning_tokens",
}


class _Bounded:
    """Values of a label, no more than a bound."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        if value in self._known:
            return value
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(value)
        return value


class Meters:
    """The counters and histograms of one process.

    Args:
        registry: where they are collected from.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counters = {
            name: Counter(name, meaning, labels, registry=registry)
            for name, (meaning, labels) in COUNTERS.items()
        }
        self._histograms = {
            name: Histogram(name, meaning, labels, buckets=buckets, registry=registry)
            for name, (meaning, labels, buckets) in HISTOGRAMS.items()
        }
        self._task, self._server = _Bounded(TASKS), _Bounded(NAMES)
        self._agent, self._model = _Bounded(NAMES), _Bounded(NAMES)
        # Of these there are few, unless somebody makes them up: a tool says in what it was paid.
        self._currency, self._type = _Bounded(NAMES), _Bounded(NAMES)
        self._odd: set[str] = set()

    def count(self, events: Iterable[LoggedEvent]) -> None:
        """Count what happened."""
        for event in events:
            self._count("ordinaut_events", self._type(event.type))
            if (measure := _MEASURES.get(event.type)) is not None:
                self._measure(measure, event)

    def _measure(self, measure: _Measure, event: LoggedEvent) -> None:
        """Measure an event, as far as it says what events of its type say; one that does not must stop no others."""
        try:
            measure(self, event.data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if event.type not in self._odd:
                self._odd.add(event.type)
                told = {"event": event.sequence, "problem": repr(error)}
                _log.warning(
                    "an event %s does not say what such events say", event.type, extra=told
                )

    def count_usage(self, calls: Iterable[CallUsed]) -> None:
        """Count what calls used up."""
        for call in calls:
            agent, model = self._agent(call.agent or ""), self._model(call.model)
            for kind, field in _TOKENS.items():
                if tokens := getattr(call, field):
                    self._count("ordinaut_tokens", agent, model, kind, by=tokens)
            if call.cost and call.currency:
                currency = self._currency(call.currency)
                self._count("ordinaut_cost", agent, model, currency, by=float(call.cost))

    def answered(self, method: str, route: str, status: str, seconds: float) -> None:
        """A request was answered; that is of this process alone."""
        name = "ordinaut_http_request_duration_seconds"
        self._observe(name, method, route, status, seconds=seconds)

    def run_started(self, data: Mapping[str, Any]) -> None:
        """A run began."""
        task = self._task(data["task"])
        self._count("ordinaut_runs_started", task, data["trigger"])
        self._observe("ordinaut_run_lateness_seconds", task, seconds=data["late_seconds"])

    def run_ended(self, state: str, data: Mapping[str, Any]) -> None:
        """A run ended, or an occurrence was skipped."""
        task = self._task(data["task"])
        self._count("ordinaut_runs", task, data["trigger"], state)
        if state == "skipped":
            self._count("ordinaut_skips", task, data["reason"])
        else:
            self._observe("ordinaut_run_duration_seconds", task, seconds=data["seconds"])
        if state == "failed":
            self._count("ordinaut_run_failures", data["error"]["code"])

    def run_waiting(self, data: Mapping[str, Any]) -> None:
        """A run gave up its slot."""
        self._count("ordinaut_run_waits", data["reason"])

    def step_ended(self, data: Mapping[str, Any]) -> None:
        """A step has its result, or was left out."""
        server = self._server_of(data)
        self._count("ordinaut_steps", server, data.get("outcome", "skipped"))
        if "seconds" in data:
            self._observe("ordinaut_step_duration_seconds", server, seconds=data["seconds"])

    def step_retrying(self, data: Mapping[str, Any]) -> None:
        """A try failed, and another follows."""
        self._count("ordinaut_step_retries", self._server_of(data), data["outcome"])

    def _server_of(self, data: Mapping[str, Any]) -> str:
        return self._server(str(data["uses"]).partition(".")[0])

    def _count(self, name: str, *labels: str, by: float = 1) -> None:
        self._counters[name].labels(*labels).inc(by)

    def _observe(self, name: str, *labels: str, seconds: float) -> None:
        self._histograms[name].labels(*labels).observe(max(0.0, float(seconds)))


_Measure = Callable[[Meters, Mapping[str, Any]], None]


def _ended(state: str) -> _Measure:
    return lambda meters, data: meters.run_ended(state, data)


_MEASURES: Final[Mapping[str, _Measure]] = {
    "run.started": Meters.run_started,
    "run.succeeded": _ended("succeeded"),
    "run.failed": _ended("failed"),
    "run.cancelled": _ended("cancelled"),
    "run.skipped": _ended("skipped"),
    "run.waiting": Meters.run_waiting,
    "step.succeeded": Meters.step_ended,
    "step.failed": Meters.step_ended,
    "step.skipped": Meters.step_ended,
    "step.retrying": Meters.step_retrying,
}
