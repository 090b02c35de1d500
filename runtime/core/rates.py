"""How often an agent may call tools: token buckets, told as the instant when a bucket is full again.

A bucket holds `calls` tokens and gets them back evenly, one in `per / calls`. So `calls` may follow at once on one another,
and on average there are no more than that in `per`. Told by one instant, a bucket is one row with one column (the generic
cell rate algorithm of ITU-T I.371, in its form of virtual scheduling).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

from schemas.durations import parse_duration


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One limit of an agent.

    Attributes:
        bucket: which bucket; a limit with other numbers is another one, and begins full.
        tools: the tools that share it.
        cost: how long one token takes to come back.
        per: how long the whole bucket takes.
    """

    bucket: str
    tools: str
    cost: timedelta
    per: timedelta


def rate_limits(agent: str, listed: Iterable[Mapping[str, Any]]) -> tuple[RateLimit, ...]:
    """The limits of an agent as its normalised body lists them."""
    limits = []
    for limit in listed:
        per = parse_duration(limit["per"])
        bucket = f"{agent} {limit['tools']} {limit['calls']}/{limit['per']}"
        limits.append(RateLimit(bucket, limit["tools"], per / limit["calls"], per))
    return tuple(limits)


def limits_on(limits: Iterable[RateLimit], uses: str) -> tuple[RateLimit, ...]:
    """Those that a call of this tool must keep; all of them at once."""
    return tuple(limit for limit in limits if fnmatchcase(uses, limit.tools))


def hold_on(agent: str, uses: str) -> RateLimit:
    """What keeps an agent from calling one tool for as long as that tool has asked for; no token is ever spent on it."""
    return RateLimit(f"{agent} {uses} asked to wait", uses, timedelta(0), timedelta(0))
