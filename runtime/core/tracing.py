"""Ids of traces: a run is a trace, and every id in it follows from what it names.

So a runtime can tell a tool under which span it is called, and whoever exports spans from what was recorded arrives at the
same ids, in another process and as often as it has to.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

TRACEPARENT: Final = "traceparent"
"""Where the `_meta` of a call, or a header of its request, carries the context of its trace: W3C Trace Context, SEP-414 of MCP."""

_PARENT: Final = re.compile(
    r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]{0,200})?"
)


def trace_id(run_id: UUID | str) -> str:
    """The id of a run's trace, in 32 hexadecimal digits: those of the run."""
    return str(run_id).replace("-", "")


def span_id(run_id: UUID | str, *of: str | int) -> str:
    """The id of a span, in 16 hexadecimal digits.

    Args:
        run_id: the run; with nothing else it is the span of the run as a whole.
        of: a step; a step and an iteration; or a step, an iteration and a try.
    """
    named = "\0".join((str(run_id), *map(str, of)))
    return hashlib.sha256(named.encode()).hexdigest()[:16]


def traceparent(run_id: UUID | str, step: str, iteration: int, attempt: int) -> str:
    """The context that a try of a call hands to its tool."""
    return f"00-{trace_id(run_id)}-{span_id(run_id, step, iteration, attempt)}-01"


@dataclass(frozen=True, slots=True)
class Link:
    """A span elsewhere that something follows from.

    Attributes:
        trace: its trace, in 32 hexadecimal digits.
        span: the span, in 16.
        is_sampled: whether whoever tells of it recorded it.
        is_remote: whether somebody else told of it.
    """

    trace: str
    span: str
    is_sampled: bool = True
    is_remote: bool = False

    @classmethod
    def to_run(cls, run_id: UUID | str) -> Link:
        """To the span of a run as a whole."""
        return cls(trace_id(run_id), span_id(run_id))

    @classmethod
    def kept(cls, text: str) -> Link | None:
        """As `kept_link` has made it; None for what a hand wrote."""
        found = _PARENT.fullmatch(text)
        if found is None:
            return None
        _, trace, span, flags, _ = found.groups()
        return cls(trace, span, bool(int(flags, 16) & 1), is_remote=True)


def kept_link(parents: Sequence[str]) -> str | None:
    """What is kept of the trace context that a request came with: 55 characters, or None where it names no span.

    Its `tracestate` is for those who go on with the trace, which a link does not.

    Args:
        parents: the values of `traceparent`; more than one is none, as W3C Trace Context has it.
    """
    found = _PARENT.fullmatch(parents[0]) if len(parents) == 1 else None
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not int(trace, 16) or not int(span, 16):
        return None
    # Of a later version we know no more than this one's fields.
    return f"00-{trace}-{span}-{flags}"
