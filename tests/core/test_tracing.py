"""Ids of traces follow from what they name, and are what W3C Trace Context asks for."""

from __future__ import annotations

import re
from uuid import UUID

from runtime.core.tracing import span_id, trace_id, traceparent

RUN = UUID("019b8d2a-5c00-8b7c-9d1e-0123456789ab")


def test_a_trace_is_named_like_its_run() -> None:
    assert trace_id(RUN) == trace_id(str(RUN)) == "019b8d2a5c008b7c9d1e0123456789ab"


def test_every_span_has_an_id_of_its_own() -> None:
    ids = [
        span_id(RUN),
        span_id(RUN, "a"),
        span_id(RUN, "a", 0),
        span_id(RUN, "a", 1),
        span_id(RUN, "a", 1, 1),
        span_id(RUN, "a", 11),
        span_id(UUID(int=RUN.int + 1)),
    ]

    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[0-9a-f]{16}", found) for found in ids)


def test_a_call_carries_the_span_of_its_try() -> None:
    version, trace, span, flags = traceparent(RUN, "a", 0, 2).split("-")

    assert (version, trace, flags) == ("00", trace_id(RUN), "01")
    assert span == span_id(str(RUN), "a", 0, 2)
