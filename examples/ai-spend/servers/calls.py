"""One call as the books keep it: whose it was, what it used up, and digests of what went in; no word of that is kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

# An instant, a date or a time of day, and ids: what differs in calls that are the same otherwise.
_PASSING: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?"
    r"|\b\d{2}:\d{2}(:\d{2})?\b"
    r"|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
    re.IGNORECASE,
)
_NO_CLIENT: Final = ""


class Argument(NamedTuple):
    """One argument of a call: digests of it, with and without instants and ids, and its length as JSON."""

    exact: str
    timeless: str
    size: int


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a step, all tries together."""

    source: str
    run_id: str
    step: str
    item: int
    task: str
    client: str
    agent: str
    tool: str
    model: str
    occurrence_for: datetime
    finished_at: datetime
    revision: int
    outcome: str
    attempts: int
    is_reused: bool
    arguments: Mapping[str, Argument]
    output: str
    input_tokens: int
    output_tokens: int
    cost: Decimal
    again_cost: Decimal
    currency: str

    @property
    def day(self) -> date:
        """The day in UTC that it stands for."""
        return self.occurrence_for.astimezone(UTC).date()

    @property
    def exact(self) -> tuple[tuple[str, str], ...]:
        """What tells its arguments from others."""
        return tuple((name, one.exact) for name, one in sorted(self.arguments.items()))

    @property
    def timeless(self) -> tuple[tuple[str, str], ...]:
        """What tells its arguments from others but for instants and ids."""
        return tuple((name, one.timeless) for name, one in sorted(self.arguments.items()))


def call_of(source: str, told: Mapping[str, Any]) -> Call:
    """A record of `ordinaut calls --json --with-input`."""
    tries = told["usage"]
    currency = next((one["currency"] for one in tries if one["currency"]), "")
    costs = [
        (one["attempt"], Decimal(one["cost"]))
        for one in tries
        if one["currency"] == currency != ""
    ]
    given = told["input"] if isinstance(told["input"], dict) else {"": told["input"]}
    return Call(
        source=source,
        run_id=told["run_id"],
        step=told["step"],
        item=told["item"],
        task=told["task"],
        client=str(told["params"].get("client", told["labels"].get("client", _NO_CLIENT))),
        agent=told["agent"] or "",
        tool=told["tool"],
        model=next((one["model"] for one in reversed(tries) if one["model"]), ""),
        occurrence_for=datetime.fromisoformat(told["occurrence_for"]),
        finished_at=datetime.fromisoformat(told["finished_at"]),
        revision=told["revision"],
        outcome=told["outcome"] or "",
        attempts=told["attempts"],
        is_reused=told["is_reused"],
        arguments={name: argument(value) for name, value in given.items()},
        output=told["output_digest"] or "",
        input_tokens=sum(one["input_tokens"] for one in tries),
        output_tokens=sum(one["output_tokens"] for one in tries),
        cost=sum((cost for _, cost in costs), Decimal(0)),
        again_cost=sum((cost for attempt, cost in costs if attempt > 1), Decimal(0)),
        currency=currency,
    )


def argument(value: Any) -> Argument:
    """What is kept of an argument."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    timeless = _PASSING.sub("<passing>", " ".join(text.split()).lower())
    return Argument(_digest(text), _digest(timeless), len(text.encode()))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


PASSING: Final = argument("2026-01-01").timeless
"""What is left of an argument that is nothing but an instant or an id."""
