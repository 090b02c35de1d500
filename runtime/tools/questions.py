"""What a server asks in the middle of a call, in our words: forms that people fill in, and addresses that they are to visit.

Promises: what is kept holds no secret, is bounded, and can be answered; whatever cannot be is refused with the reason.
Requests for a model's words (sampling) or for folders (roots) are refused: both are deprecated, and steps have tools of
their own for them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import orjson
from mcp_types import (
    ElicitationRequiredErrorData,
    ElicitRequest,
    ElicitRequestURLParams,
    InputRequiredResult,
)
from mcp_types import InputRequest as McpRequest
from pydantic import ValidationError

from runtime.core.binding import canonical
from runtime.core.contracts import UnusableSchema, contract
from runtime.core.leftopen import LeftOpen
from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.storable import storable, storable_text
from runtime.tools.redact import Redactor

MOST_BYTES: Final = 65_536
"""How long the state of an open call, and what is asked, may be."""
_MOST_REQUESTS: Final = 16
_FIELDS: Final = frozenset({"string", "number", "integer", "boolean", "array"})
_ASKED: Final = "the tool asks for input in the middle of the call"


class AskedUnderWay(InputRequiredResult):
    """A call that is over, and asked something on the way: going on with it makes it once more."""


class AskedByTask(InputRequiredResult):
    """A task that asks something while its server goes on with it."""

    task: str


def left_open(result: InputRequiredResult) -> LeftOpen | str:
    """What the call can go on with, or why it cannot."""
    requests = result.input_requests or {}
    state = result.request_state
    if state is not None and not can_be_kept(state):
        return f"its state has {len(state):,} characters, or some that cannot be kept"
    if len(requests) > _MOST_REQUESTS:
        return f"it asks {len(requests)} questions at once; {_MOST_REQUESTS} may be asked"
    asked: dict[str, Any] = {}
    for key, request in requests.items():
        question = question_of_request(request)
        if isinstance(question, str):
            return f"{key}: {question}"
        asked[key] = question
    if len(orjson.dumps(asked)) > MOST_BYTES:
        return f"what it asks is longer than {MOST_BYTES:,} bytes"
    task = result.task if isinstance(result, AskedByTask) else None
    return LeftOpen(state, asked, isinstance(result, AskedUnderWay), task)


def can_be_kept(text: str) -> bool:
    """Whether what a server wants back can be on record as it is."""
    return len(text) <= MOST_BYTES and text == storable_text(text)


def visits_asked(data: Any) -> InputRequiredResult | None:
    """The addresses that a server wants visited before it takes the call, from its error (2025-11-25); None if it names none."""
    try:
        asked = ElicitationRequiredErrorData.model_validate(data).elicitations
    except ValidationError:
        return None
    requests = {
        one.elicitation_id or f"visit {n}": ElicitRequest(params=one)
        for n, one in enumerate(asked)
    }
    return InputRequiredResult(input_requests=dict(requests)) if requests else None


def question_of_request(request: McpRequest) -> dict[str, Any] | str:
    """One request as `schemas.asked` describes it, or why it is refused."""
    if not isinstance(request, ElicitRequest):
        return f"{request.method} is not answered; let a step before give the tool what it needs"
    params = request.params
    message = storable_text(params.message)
    if isinstance(params, ElicitRequestURLParams):
        return {"message": message, "url": storable_text(params.url)}
    schema = storable(params.requested_schema)
    problem = _form_problem(schema)
    return {"message": message, "schema": schema} if problem is None else problem


def key_of(question: Mapping[str, Any]) -> str:
    """The key of a question that came without one: what it says."""
    return hashlib.sha256(canonical(question).encode()).hexdigest()[:12]


def redact_left_open(outcome: CallOutcome, redact: Redactor) -> CallOutcome:
    """The outcome of a call that was left open, with no secret in what is asked; ended where its state holds one."""
    left = outcome.left_open
    assert left is not None  # noqa: S101 - whoever asks has made sure
    kept = left.task if left.state is None else left.state
    if kept is not None and redact(kept) != kept:
        message = f"{_ASKED}, and its state holds a secret, which is never kept"
        return replace(outcome, left_open=None, error=CallError("ORD411", message))
    return replace(outcome, left_open=replace(left, requests=redact.within(dict(left.requests))))


def _form_problem(schema: Any) -> str | None:
    """Why a form cannot be filled in; elicitation takes flat objects alone."""
    fields = schema.get("properties", {})
    if schema.get("type") != "object" or not isinstance(fields, Mapping):
        return "its form is no object"
    for name, field in fields.items():
        if not isinstance(field, Mapping) or str(field.get("type")) not in _FIELDS:
            return f"its form has a field {name!r} that is neither text, number, yes or no, nor a list of texts"
    try:
        contract(canonical(schema))
    except UnusableSchema as error:
        return f"its form cannot be checked: {error}"
    return None
