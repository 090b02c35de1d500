"""Logs on stderr: one line a record, for people on a terminal and as JSON elsewhere, never with a secret in it.

As JSON a line says what it is about though nobody wrote that there: whoever begins to work on a run, a step or a tool server
says so once, with `about`, and all that is logged on the way has it. People see the message, which says what they need.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from datetime import UTC, datetime
from typing import Any, Final

from runtime.core.harmless import harmless, moved_in
from runtime.core.tracing import trace_id

_ROOT: Final = "ordinaut"
# They warn of every connection that is lost and every query that is cancelled; what it means for us, we say ourselves.
_TALKATIVE: Final = ("psycopg", "uvicorn", "opentelemetry")
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


_about: ContextVar[dict[str, Any]] = ContextVar("about", default={})  # noqa: B039 - it is never changed, only replaced
_process: dict[str, Any] = {}


@contextmanager
def about(**fields: Any) -> Iterator[None]:
    """What is logged in this block, and by tasks that are made in it, is about this, besides what it was about before."""
    token = _about.set({**_about.get(), **fields})
    try:
        yield
    finally:
        _about.reset(token)


def context_about(**fields: Any) -> Context:
    """A context for a task that outlives whoever makes it: about this, and nothing else."""
    context = Context()
    context.run(_about.set, fields)
    return context


def name_process(**fields: Any) -> None:
    """Everything that this process logs from now on has these fields."""
    _process.update(fields)


def get_logger(module: str) -> logging.Logger:
    """The logger of a module, named `ordinaut.<module>`; extra fields go in `extra={...}`."""
    return logging.getLogger(f"{_ROOT}.{module}")


def configure_logs(level: str, *, as_json: bool | None = None, child: int | None = None) -> None:
    """Send logs to stderr.

    Args:
        level: debug, info, warning or error.
        as_json: one JSON object a line; None chooses it unless stderr is a terminal.
        child: the number of this process among several, which every line then has.
    """
    if as_json is None:
        as_json = not sys.stderr.isatty()
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(_JsonLines() if as_json else _Lines())
    if child is not None:
        stream.addFilter(_Numbered(child))
    root = logging.getLogger(_ROOT)
    root.handlers[:] = [stream]
    root.setLevel(level.upper())
    root.propagate = False
    for library in _TALKATIVE:
        logging.getLogger(library).setLevel(logging.ERROR)


class _Numbered(logging.Filter):
    """Adds the number of the process to every record."""

    def __init__(self, child: int) -> None:
        super().__init__()
        self._child = child

    def filter(self, record: logging.LogRecord) -> bool:
        record.child = self._child
        return True


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "module": record.name.removeprefix(f"{_ROOT}."),
            "message": record.getMessage(),
            **_process,
            **_correlated(),
            **_extra(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """A record for people; what strangers said in it gives their terminal no orders, and passes for no other record."""
        fields = " ".join(f"{name}={value}" for name, value in _extra(record).items())
        module = record.name.removeprefix(f"{_ROOT}.")
        line = f"{record.levelname.lower()} {module}: {record.getMessage()} {fields}".rstrip()
        if record.exc_info:
            line += f"\n{self.formatException(record.exc_info)}"
        return harmless(moved_in(line))


def _correlated() -> dict[str, Any]:
    fields = _about.get()
    if "run_id" not in fields:
        return fields
    return {**fields, "trace_id": trace_id(fields["run_id"])}


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _PLAIN}
