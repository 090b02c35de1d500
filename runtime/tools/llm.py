"""Calls of `llm.*` at the endpoint of a language model, until an answer fits or there is no sense in going on.

Promises: a call comes to an outcome that says whether anything was sent, and carries what all of its requests used up,
also where it failed. An answer that does not fit goes back with what is wrong about it, as often as the model's `repairs`
allow; nothing else is asked twice, but a request whose form an endpoint refused. Prompts and answers are not logged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from runtime.clock import Clock
from runtime.core.llm.asking import Dialect, Messages, again, messages_of, request_of
from runtime.core.llm.definition import FindModel, ModelDefinition
from runtime.core.llm.offline import tokens_of
from runtime.core.llm.reading import (
    Misfit,
    NoAnswer,
    complaint_of,
    read_completion,
    read_value,
    result_of,
    schema_error,
)
from runtime.core.outcomes import CallError, CallOutcome, OutcomeClass
from runtime.core.storable import storable_text
from runtime.core.usage import Usage
from runtime.errors import NotFound, OrdinautError
from runtime.tools.catalogue import ToolInfo
from runtime.tools.endpoint import Endpoints, Response, Unanswered
from runtime.tools.normalise import Unacceptable, normalise
from runtime.tools.redact import Redactor
from runtime.tools.waiting import time_limit
from schemas.language_model import DEFAULT_MODEL

_RESULT_BYTES: Final = 1_048_576
_MESSAGE_CHARACTERS: Final = 2000
_QUOTED: Final = 300
_CODES: Final[Mapping[OutcomeClass, str]] = {
    "contract_error": "ORD407",
    "lost": "ORD406",
    "not_sent": "ORD401",
    "rejected": "ORD408",
    "timeout": "ORD405",
    "tool_error": "ORD404",
}
_TOO_MANY_REQUESTS: Final = 429
_SUCCESS: Final = range(200, 300)
_FIRST_SERVER_ERROR: Final = 500
_UNSEEN: Final = frozenset({"not_sent", "rejected"})
_FORM_REFUSED: Final = frozenset({400, 422})
_WHY: Final = {
    401: "it does not take the `api_key`",
    403: "it does not take the `api_key`",
    404: "it knows no such model, or there is no such address",
}


class _Failed(Exception):
    """The call does not succeed."""

    def __init__(
        self,
        kind: OutcomeClass,
        message: str,
        *,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code or _CODES[kind]
        self.retry_after = retry_after


@dataclass(slots=True)
class _Call:
    """A call under way: what it is, and what has become of its requests so far."""

    info: ToolInfo
    arguments: Mapping[str, Any]
    definition: ModelDefinition
    usage: Usage | None = None
    was_sent: bool = False
    answers: int = 0

    def sent(self) -> None:
        """Something has left."""
        self.was_sent = True

    def uses(self, usage: Usage) -> None:
        """A request was answered, and used this up."""
        self.answers += 1
        self.usage = usage if self.usage is None else self.usage + usage

    def failed(self, failure: _Failed) -> CallOutcome:
        """What becomes of it then."""
        kind = failure.kind
        if kind == "not_sent" and self.answers:
            # An earlier request of it was answered: only this one cannot have arrived.
            kind = "tool_error"
        text = storable_text(f"{self.info.server}.{self.info.name}: {failure}")
        redact = Redactor(self.definition.secrets)
        return CallOutcome(
            kind,
            error=CallError(failure.code, redact(text)[:_MESSAGE_CHARACTERS]),
            # What is refused for its form or its key has not been looked at.
            sent=self.was_sent and (bool(self.answers) or kind not in _UNSEEN),
            schema_digest=self.info.digest,
            retry_after=failure.retry_after,
            usage=self.usage,
        )


class LlmCalls:
    """Asks models, and remembers what their endpoints understand.

    Args:
        clock: for how long a call may take.
        project: the folder that relative paths of models start from.
    """

    def __init__(self, clock: Clock, project: Path) -> None:
        self._clock = clock
        self._endpoints = Endpoints(project)
        self._dialects: dict[tuple[str, str], Dialect] = {}

    async def call(
        self,
        info: ToolInfo,
        arguments: Mapping[str, Any],
        find: FindModel,
        *,
        timeout: timedelta | None,  # noqa: ASYNC109 - what follows a send must become an outcome
        at_most: timedelta | None,
    ) -> CallOutcome:
        """Call a tool of `llm.*`.

        Args:
            info: the tool.
            arguments: any JSON object.
            find: gives the model that they name.
            timeout: the longest time for all of it; None leaves it to the model.
            at_most: the longest time it may come to then.
        """
        problem = info.argument_error(arguments)
        if problem is None and (flaw := schema_error(arguments)):
            problem = CallError("ORD403", f"{info.server}.{info.name}: {flaw}")
        if problem is not None:
            return CallOutcome("contract_error", error=problem, schema_digest=info.digest)
        limit, began = at_most if timeout is None else timeout, self._clock.monotonic()
        definition = await self._found(info, arguments, find, limit)
        if isinstance(definition, CallOutcome):
            return definition
        call = _Call(info, arguments, definition)
        span = definition.timeout
        if limit is not None:
            # Programs may have had to be asked for secrets.
            left = limit - timedelta(seconds=self._clock.monotonic() - began)
            span = left if timeout is not None else min(span, left)
        try:
            async with time_limit(self._clock, span.total_seconds()):
                return await self._outcome(call)
        except TimeoutError:
            late = f"{_place(call)} did not answer within {round(span.total_seconds(), 1):g} s"
            return call.failed(_Failed("timeout" if call.was_sent else "not_sent", late))
        except _Failed as failure:
            return call.failed(failure)

    async def _found(
        self,
        info: ToolInfo,
        arguments: Mapping[str, Any],
        find: FindModel,
        limit: timedelta | None,
    ) -> ModelDefinition | CallOutcome:
        """The model that a call names, or what becomes of the call that can ask none."""
        name = str(arguments.get("model", DEFAULT_MODEL))
        kind: OutcomeClass = "not_sent"
        try:
            if limit is None:
                return await find(name)
            async with time_limit(self._clock, limit.total_seconds()):
                return await find(name)
        except TimeoutError:
            late = f"the secrets of model {name} could not be read within {limit}"
            told = CallError(_CODES[kind], f"{info.server}.{info.name}: {late}")
        except OrdinautError as error:
            kind = "rejected" if isinstance(error, NotFound) else kind
            told = CallError(error.code, error.message, error.hint)
        return CallOutcome(kind, error=told, schema_digest=info.digest)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._endpoints.aclose()

    async def _outcome(self, call: _Call) -> CallOutcome:
        messages = messages_of(call.info.name, call.arguments)
        left = call.definition.repairs
        while True:
            text, model = await self._ask(call, messages)
            try:
                value = read_value(call.arguments, text)
            except Misfit as misfit:
                if not left:
                    message = f"{_place(call)} gave no answer that fits, asked {call.answers} times: {misfit}"
                    raise _Failed("contract_error", message) from misfit
                left -= 1
                messages = again(messages, text, str(misfit))
            else:
                return _given(call, value, model)

    async def _ask(self, call: _Call, messages: Messages) -> tuple[str, str]:
        """One answer of the model: its text, and the model that wrote it."""
        response = await self._answered(call, messages)
        try:
            completion = read_completion(response.body, call.definition)
        except NoAnswer as nothing:
            call.uses(nothing.usage or _estimated(call, messages, ""))
            raise _Failed(nothing.kind, f"{_place(call)}: {nothing}") from nothing
        call.uses(completion.usage or _estimated(call, messages, completion.text))
        return completion.text, completion.model

    async def _answered(self, call: _Call, messages: Messages) -> Response:
        """The answer of the endpoint to a request in a form that it understands."""
        schema, where = call.arguments.get("output_schema"), _key(call.definition)
        dialect = self._dialects.get(where, Dialect())
        while True:
            body = request_of(call.definition, messages, schema, dialect)
            response = await self._request(call, body)
            other = None
            if response.status in _FORM_REFUSED:
                other = dialect.without(response.body, has_schema=schema is not None)
            if other is None:
                break
            dialect = other
        if response.status not in _SUCCESS:
            raise _refused(call, response)
        self._dialects[where] = dialect
        return response

    async def _request(self, call: _Call, body: Mapping[str, Any]) -> Response:
        definition = call.definition
        sent = json.dumps(body, ensure_ascii=False).encode(errors="replace")
        if len(sent) > definition.max_input_bytes:
            limit = f"{definition.max_input_bytes:,} (`max_input_bytes` of the model)"
            raise _Failed(
                "contract_error",
                f"the question has {len(sent):,} bytes, and {limit} are asked at most",
                code="ORD506",
            )
        url = f"{definition.url.rstrip('/')}/chat/completions"
        try:
            return await self._endpoints.post(
                url, definition.headers, sent, call.sent, definition.tls
            )
        except Unanswered as nothing:
            message = f"{_place(call)}: {nothing}"
            if nothing.is_oversize:
                raise _Failed("contract_error", message, code="ORD506") from nothing
            raise _Failed("lost" if nothing.was_sent else "not_sent", message) from nothing


def _given(call: _Call, value: Mapping[str, Any], model: str) -> CallOutcome:
    told = result_of(call.info.name, call.arguments, value)
    told |= {"model": model, "provider": call.definition.provider}
    redact = Redactor(call.definition.secrets)
    try:
        kept, size = normalise(told, limit=_RESULT_BYTES, redact=redact)
    except Unacceptable as refusal:
        error = refusal.error
        raise _Failed(
            "contract_error", f"{_place(call)}: {error.message}", code=error.code
        ) from refusal
    return CallOutcome(
        "ok", value=kept, sent=True, schema_digest=call.info.digest, size=size, usage=call.usage
    )


def _refused(call: _Call, response: Response) -> _Failed:
    status = response.status
    # Whole secrets are blotted out, and not what is left of them.
    said = Redactor(call.definition.secrets)(complaint_of(response.body))[:_QUOTED]
    why = _WHY.get(status, "")
    message = ": ".join(filter(None, (f"{_place(call)} answered HTTP {status}", why, said)))
    if status == _TOO_MANY_REQUESTS:
        return _Failed("not_sent", message, code="ORD408", retry_after=response.retry_after)
    if status >= _FIRST_SERVER_ERROR:
        return _Failed("tool_error", message, retry_after=response.retry_after)
    return _Failed("rejected", message)


def _estimated(call: _Call, messages: Messages, text: str) -> Usage:
    """What a request used up, where its endpoint does not tell: as offline."""
    return Usage(
        call.definition.model, input_tokens=tokens_of(messages), output_tokens=tokens_of(text)
    )


def _place(call: _Call) -> str:
    return f"{call.definition.model} at {call.definition.provider}"


def _key(definition: ModelDefinition) -> tuple[str, str]:
    return definition.url, definition.model
