"""How often tools may be called, by an agent or by everybody: token buckets, told as the instant when a bucket is full again.

A bucket holds `calls` tokens and gets them back evenly, one in `per / calls`. So `calls` may follow at once on one another,
and on average there are no more than that in `per`. Told by one instant, a bucket is one row with one column (the generic
cell rate algorithm of ITU-T I.371, in its form of virtual scheduling).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, Final

from runtime.core.expressions import Meter, Query, compile_query
from runtime.core.identity import short_key
from runtime.errors import ExpressionError
from schemas.durations import parse_duration

_MOST_STEPS: Final = 10_000
_EVERYBODY: Final = "*"
"""Who keeps the limits of a tool server; no agent has that name."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One limit of an agent, or of a tool server.

    Attributes:
        owner: the agent that keeps it; everybody does where it is a tool server's.
        bucket: which bucket; a limit with other numbers is another one, and begins full.
        tools: the tools that share it.
        cost: how long one token takes to come back.
        per: how long the whole bucket takes.
        key: of the arguments of a call; each value has a bucket of its own.
    """

    owner: str
    bucket: str
    tools: str
    cost: timedelta
    per: timedelta
    key: Query | None = None

    def of(self, arguments: Any) -> RateLimit:
        """The limit with the bucket that is for these arguments; those that have no key, or none that can be made, share one."""
        if self.key is None:
            return self
        try:
            value = self.key.evaluate(arguments, Meter(_MOST_STEPS))
        except ExpressionError:
            value = None
        named = f"{self.bucket} {self.key.text}: {json.dumps(value, sort_keys=True)}"
        return replace(self, bucket=short_key(named))


def rate_limits(agent: str, listed: Iterable[Mapping[str, Any]]) -> tuple[RateLimit, ...]:
    """The limits of an agent as its normalised body lists them."""
    return tuple(_limit(agent, limit["tools"], limit) for limit in listed)


def server_limits(server: str, listed: Iterable[Mapping[str, Any]]) -> tuple[RateLimit, ...]:
    """The limits of a tool server as its normalised body lists them, whoever calls its tools."""
    return tuple(_limit(_EVERYBODY, f"{server}.{limit['tools']}", limit) for limit in listed)


def _limit(owner: str, tools: str, listed: Mapping[str, Any]) -> RateLimit:
    per = parse_duration(listed["per"])
    bucket = f"{owner} {tools} {listed['calls']}/{listed['per']}"
    key = compile_query(listed["key"]) if "key" in listed else None
    return RateLimit(owner, bucket, tools, per / listed["calls"], per, key)


def limits_on(limits: Iterable[RateLimit], uses: str) -> tuple[RateLimit, ...]:
    """Those that a call of this tool must keep; all of them at once."""
    return tuple(limit for limit in limits if fnmatchcase(uses, limit.tools))


def hold_on(owner: str, uses: str) -> RateLimit:
    """What keeps whom a limit is for from calling one tool for as long as that has asked for; no token is ever spent on it."""
    return RateLimit(owner, f"{owner} {uses} asked to wait", uses, timedelta(0), timedelta(0))


def holds_on(limits: Iterable[RateLimit], uses: str) -> tuple[RateLimit, ...]:
    """The holds of all whom these limits are for."""
    return tuple(hold_on(owner, uses) for owner in sorted({limit.owner for limit in limits}))
