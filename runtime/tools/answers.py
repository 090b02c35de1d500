"""What became of a call: the SDK's answers and errors as outcomes.

The one question behind every line is whether the tool can have acted. Where that cannot be excluded, `sent` is true.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from mcp import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    REQUEST_TIMEOUT,
    CallToolResult,
    InputRequiredResult,
)
from pydantic import ValidationError

from runtime.core.leftopen import LeftOpen
from runtime.core.outcomes import CallError, CallOutcome, OutcomeClass
from runtime.core.storable import storable_text
from runtime.core.usage import Usage, read_usage
from runtime.logs import get_logger
from runtime.tools.catalogue import ToolInfo
from runtime.tools.faults import Fault, read_fault
from runtime.tools.normalise import Answer, Unacceptable, normalise
from runtime.tools.questions import can_be_kept, left_open, redact_left_open, visits_asked
from runtime.tools.reading import Parse
from runtime.tools.redact import Redactor
from runtime.tools.tasks import TaskFailed, Working
from schemas.genai import USAGE_META

_log = get_logger("tools")
URL_ELICITATION_REQUIRED: Final = -32042
TASK_WITHOUT_RESULT: Final = "ORD424"
LOGIN_WANTED: Final = "ORD425"
_MESSAGE_CHARACTERS: Final = 2000
_LATE: Final = "no answer came in time"
_SESSION_OVER: Final = ("Session terminated", "Session not found")

_FAULTS: Final[dict[Fault, tuple[OutcomeClass, str, bool]]] = {
    Fault.UNREACHABLE: ("not_sent", "ORD401", False),
    Fault.LOGIN: ("not_sent", LOGIN_WANTED, False),
    Fault.THROTTLED: ("not_sent", "ORD408", False),
    Fault.REFUSED: ("rejected", "ORD408", False),
    Fault.CUT: ("lost", "ORD406", True),
    Fault.GARBLED: ("contract_error", "ORD407", True),
    Fault.OVERSIZE: ("contract_error", "ORD506", True),
}


@dataclass(frozen=True, slots=True)
class _SdkError:
    """An error that the SDK makes itself: its code alone will not do, because servers use the same ones."""

    code: int
    begins: str
    kind: OutcomeClass
    ordinaut: str
    says: str = ""


_NO_ANSWER: Final = "the connection was lost before an answer came"
_SDK_ERRORS: Final = (
    _SdkError(REQUEST_TIMEOUT, "Request 'tools/call' timed out", "timeout", "ORD405", _LATE),
    _SdkError(REQUEST_TIMEOUT, "Request 'tasks/", "timeout", "ORD405", _LATE),
    _SdkError(CONNECTION_CLOSED, "Connection closed", "lost", "ORD406", _NO_ANSWER),
    _SdkError(CONNECTION_CLOSED, "SSE stream ended", "lost", "ORD406", _NO_ANSWER),
    _SdkError(CONNECTION_CLOSED, "SSE stream failed", "contract_error", "ORD407"),
    _SdkError(PARSE_ERROR, "Failed to parse", "contract_error", "ORD407"),
    _SdkError(URL_ELICITATION_REQUIRED, "", "input_required", "ORD411"),
)


@dataclass(frozen=True, slots=True)
class Call:
    """What an outcome needs to know of the call it is the outcome of."""

    tool: ToolInfo
    generation: int
    limit: int
    redact: Redactor
    last_words: str = ""
    goes_on: bool = False
    parse: Parse = "auto"
    follows: bool = False

    def outcome(
        self,
        kind: OutcomeClass,
        code: str,
        message: str,
        *,
        sent: bool = True,
        retry_after: float | None = None,
    ) -> CallOutcome:
        """An outcome without a value."""
        return CallOutcome(
            kind,
            error=CallError(
                code, self.redact(storable_text(message))[:_MESSAGE_CHARACTERS], self.last_words
            ),
            sent=sent,
            generation=self.generation,
            schema_digest=self.tool.digest,
            retry_after=retry_after,
        )

    @property
    def name(self) -> str:
        """The tool as a step names it."""
        return f"{self.tool.server}.{self.tool.name}"


def outcome_of_result(
    call: Call, result: CallToolResult | InputRequiredResult | Working
) -> CallOutcome:
    """The outcome of a call that the server answered."""
    if isinstance(result, Working) and not can_be_kept(result.task):
        message = f"{call.name} goes on with it as a task, whose id has {len(result.task):,} characters, or some that cannot be kept"
        return call.outcome("contract_error", "ORD407", message)
    if isinstance(result, Working):
        left = LeftOpen(None, {}, task=result.task, wait_seconds=result.seconds)
        message = f"{call.name} goes on with it as task {result.task}"
        working = replace(call.outcome("task", TASK_WITHOUT_RESULT, message), left_open=left)
        return redact_left_open(working, call.redact)
    if isinstance(result, InputRequiredResult):
        return _outcome_of_question(call, result)
    failed = bool(result.is_error)
    has_structured = (
        result.structured_content is not None or "structured_content" in result.model_fields_set
    )
    # A structured result says all that its texts say once more.
    blocks = () if has_structured and not failed else result.content
    answer = Answer(
        content=[
            block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in blocks
        ],
        structured=result.structured_content,
        has_structured=has_structured,
        is_error=failed,
    )
    outcome = _outcome_of_answer(call, answer)
    usage = _usage(call, result.meta)
    return outcome if usage is None else replace(outcome, usage=usage)


def _usage(call: Call, meta: Mapping[str, Any] | None) -> Usage | None:
    """What the tool told of its usage, without being asked; also one that failed has used up what it has."""
    told = (meta or {}).get(USAGE_META)
    if told is None:
        return None
    usage, wrong = read_usage(told) if isinstance(told, Mapping) else (None, (USAGE_META,))
    if wrong:
        _log.warning("%s tells its usage wrongly: %s", call.name, ", ".join(wrong))
    return usage and replace(usage, model=call.redact(usage.model))


def _outcome_of_question(call: Call, result: InputRequiredResult) -> CallOutcome:
    left = left_open(result)
    if isinstance(left, str):
        return call.outcome("input_required", "ORD411", f"{call.name} asks for input: {left}")
    asked = "; ".join(request["message"] for request in left.requests.values())
    message = f"{call.name} asks for input: {asked or 'to be called again'}"
    if left.repeats:
        message += "; it was told that nobody answers"
    outcome = replace(call.outcome("input_required", "ORD411", message), left_open=left)
    return redact_left_open(outcome, call.redact)


def _outcome_of_answer(call: Call, answer: Answer) -> CallOutcome:
    if answer.is_error:
        said = answer.text().strip() or "no reason given"
        return call.outcome("tool_error", "ORD404", f"{call.name} failed: {said}")
    broken = call.tool.result_error(answer.structured, given=answer.has_structured)
    if broken is not None:
        return call.outcome("contract_error", broken.code, broken.message)
    try:
        value, size = normalise(answer.value(call.parse), limit=call.limit, redact=call.redact)
    except Unacceptable as refusal:
        message = f"{call.name}: {refusal.error.message}"
        return call.outcome("contract_error", refusal.error.code, message)
    return CallOutcome(
        "ok",
        value=value,
        sent=True,
        generation=call.generation,
        schema_digest=call.tool.digest,
        size=size,
    )


def outcome_of_error(call: Call, error: Exception) -> CallOutcome:
    """The outcome of a call that ended in an exception of the SDK."""
    if isinstance(error, MCPError):
        return _outcome_of_mcp_error(call, error)
    if isinstance(error, TimeoutError):
        return call.outcome("timeout", "ORD405", f"{call.name}: {_LATE}")
    if isinstance(error, ValidationError):
        message = f"{call.name} answered outside the protocol: {_first_problem(error)}"
        return call.outcome("contract_error", "ORD407", message)
    return call.outcome("lost", "ORD406", f"{call.name}: {type(error).__name__}: {error}")


def _outcome_of_mcp_error(call: Call, error: MCPError) -> CallOutcome:
    if isinstance(error, TaskFailed):
        # Whatever its code: nothing that the SDK or a transport of ours says of a request is said of a task.
        return call.outcome(
            "rejected", "ORD408", f"{call.name} was rejected: {error.message} ({error.code})"
        )
    fault = read_fault(error.code, error.error.data)
    if fault is not None:
        kind, code, sent = _FAULTS[fault[0]]
        return call.outcome(
            kind, code, f"{call.name}: {error.message}", sent=sent, retry_after=fault[1]
        )
    if error.code == URL_ELICITATION_REQUIRED:
        visits = visits_asked(error.error.data)
        if visits is not None:
            return _outcome_of_question(call, visits)
    for own in _SDK_ERRORS:
        if error.code == own.code and error.message.startswith(own.begins):
            return call.outcome(
                own.kind, own.ordinaut, f"{call.name}: {own.says or error.message}"
            )
    message = f"{call.name} was rejected: {error.message} ({error.code})"
    if call.follows and error.code == INVALID_PARAMS:
        message = f"{call.name}: the server does not know of the task any more: {error.message}"
        return call.outcome("lost", TASK_WITHOUT_RESULT, message)
    if call.goes_on and error.code == INVALID_PARAMS:
        message += "; what it asked may have expired, or it was restarted since: run the step again to be asked anew"
    return call.outcome("rejected", "ORD408", message)


def is_session_over(error: Exception) -> bool:
    """Whether the server forgot our session: it did not look at the call, and a new session will do."""
    return (
        isinstance(error, MCPError)
        and error.code == INVALID_REQUEST
        and error.message.startswith(_SESSION_OVER)
    )


def is_stale_listing(error: Exception) -> bool:
    """Whether the server refused the call, unseen, because our idea of the tool is out of date."""
    return isinstance(error, MCPError) and error.code == HEADER_MISMATCH


def reason_of(error: BaseException) -> str:
    """The innermost reason of a failed connection, one sentence."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TimeoutError):
        return _LATE
    if isinstance(error, MCPError) and error.code == REQUEST_TIMEOUT:
        return _LATE
    if isinstance(error, MCPError):
        closed = error.code == CONNECTION_CLOSED and error.message == "Connection closed"
        return "it ended before it was ready" if closed else error.message
    text: Any = getattr(error, "message", None) or str(error)
    return str(text) or type(error).__name__


def code_of(error: BaseException) -> str:
    """The code of what keeps a server from being used."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    fault = read_fault(error.code, error.error.data) if isinstance(error, MCPError) else None
    return LOGIN_WANTED if fault is not None and fault[0] is Fault.LOGIN else "ORD401"


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(step) for step in problem['loc'])}: {problem['msg']}"
