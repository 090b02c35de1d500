"""What became of one tool call: a closed set of outcome classes, and which of them may be repeated.

`sent` is the fact everything hangs on: a call that never left may always be repeated, one that left may only be repeated
where the step says that repeating is harmless.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from runtime.core.leftopen import LeftOpen
from runtime.core.usage import Usage

OutcomeClass = Literal[
    "ok",
    "tool_error",  # the tool answered, and its answer is a failure
    "contract_error",  # arguments or result break the tool's schema
    "rejected",  # the server refused the request itself (JSON-RPC error)
    "not_sent",  # the call cannot have reached the tool
    "lost",  # sent, and the connection went away before an answer
    "timeout",  # sent, and no answer in time
    "input_required",  # the tool asks for input; where nobody is there to give it, that is the end
    "task",  # the server goes on with the call by itself, and is asked for the result later
    "cancelled",  # we withdrew the call
    "budget",  # refused by a budget before it was sent
    "denied",  # refused by the agent's scopes before it was sent
    "unknown",  # it may have happened, and its step must not be repeated
]
OUTCOME_CLASSES: tuple[OutcomeClass, ...] = get_args(OutcomeClass)
UNKNOWN_OUTCOMES: frozenset[OutcomeClass] = frozenset({"lost", "timeout"})
"""The call was sent, and nobody saw its end."""


@dataclass(frozen=True, slots=True)
class CallError:
    """Why a call did not succeed: stable code, one sentence, and what the tool or its stderr said."""

    code: str
    message: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """The result of one tool call.

    Attributes:
        kind: the outcome class.
        value: the normalised result (any JSON value) when `kind` is `ok`, else None.
        error: why not, for every class but `ok`.
        sent: whether the request may have reached the tool.
        generation: how many times the server had been started when it served this call; 0 for built-in tools.
        schema_digest: sha256 (hex) of the tool's input and output schema as listed; empty for unknown tools.
        size: bytes of the normalised result.
        retry_after: seconds the tool asked us to wait, if it did.
        usage: what the call used up, as far as it was told; None where nothing was.
        reused_at: when what it reuses was answered; None where it was answered now.
        left_open: with `input_required`, what the call can go on with; None where it cannot.
    """

    kind: OutcomeClass
    value: Any = None
    error: CallError | None = None
    sent: bool = False
    generation: int = 0
    schema_digest: str = ""
    size: int = 0
    retry_after: float | None = None
    usage: Usage | None = None
    left_open: LeftOpen | None = None
    reused_at: datetime | None = None
