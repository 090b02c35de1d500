"""Ids of traces: a run is a trace, and every id in it follows from what it names.

So a runtime can tell a tool under which span it is called, and whoever exports spans from what was recorded arrives at the
same ids, in another process and as often as it has to.
"""

from __future__ import annotations

import hashlib
from typing import Final
from uuid import UUID

TRACEPARENT: Final = "traceparent"
"""Where the `_meta` of a call, or a header of its request, carries the context of its trace: W3C Trace Context, SEP-414 of MCP."""


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
