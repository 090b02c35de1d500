"""Processes of a Project: programs that run beside `ordinaut up`."""

from __future__ import annotations

import datetime as dt

from pydantic import Field

from schemas import patterns
from schemas.base import PositiveDuration, Text
from schemas.tool_server import Stdio


class Process(Stdio):
    """A program that `ordinaut up` starts before the first run, starts again when it ends, and ends with itself.

    It is for what a machine of one's own has to have running besides: a local service, a stand-in, a worker over HTTP. Nothing
    but `ordinaut up` starts it: where runtimes run apart, whoever runs them runs that too.
    """

    ready: Text | None = Field(
        default=None,
        pattern=patterns.READY_URL,
        examples=["http://127.0.0.1:8025/health", "tcp://127.0.0.1:1143"],
    )
    """Where it answers once it can be used: an address that gives a status below 400, or a port that takes connections. Left out, it is not waited for."""
    ready_timeout: PositiveDuration = dt.timedelta(seconds=30)
    """How long that is waited for."""
