"""Ids of traces follow from what they name, and are what W3C Trace Context asks for."""

from __future__ import annotations

import re
from uuid import UUID

import pytest

from runtime.core.tracing import Link, kept_link, span_id, trace_id, traceparent

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


TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("parents", "kept"),
    [
        ([PARENT], PARENT),
        ([f"00-{TRACE}-{SPAN}-00"], f"00-{TRACE}-{SPAN}-00"),
        ([f"cc-{TRACE}-{SPAN}-01-what.comes"], PARENT),
        ([], None),
        ([PARENT, PARENT], None),
        ([f"{PARENT}-more"], None),
        ([f"ff-{TRACE}-{SPAN}-01"], None),
        ([f"00-{'0' * 32}-{SPAN}-01"], None),
        ([f"00-{TRACE}-{'0' * 16}-01"], None),
        ([PARENT.upper()], None),
        ([PARENT[:-1]], None),
        ([f"{PARENT}\n"], None),
        ([f"cc-{TRACE}-{SPAN}-01-{'x' * 1000}"], None),
        ([""], None),
    ],
)
def test_of_a_context_that_comes_in_only_what_is_one_is_kept(
    parents: list[str], kept: str | None
) -> None:
    assert kept_link(parents) == kept


def test_what_is_kept_is_read_again_and_what_a_hand_wrote_is_nothing() -> None:
    text = kept_link([f"00-{TRACE}-{SPAN}-02"])

    assert text is not None
    assert Link.kept(text) == Link(TRACE, SPAN, is_sampled=False, is_remote=True)
    assert Link.kept("nonsense") is None
