"""Tools that run in this process: no server, no protocol, the same contracts.

`llm.*` work offline here (`runtime.core.llm.offline`); where the Project names models, `runtime.tools.llm` asks those.
`ordinaut.transform` and `ordinaut.assert` only compute what their templates say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from runtime.core.expressions import is_true
from runtime.core.hearing import OWN
from runtime.core.letters import EMAIL_ARGUMENTS, POST_ARGUMENTS
from runtime.core.llm.offline import answer, usage_of
from runtime.core.llm.reading import Misfit, keep_to_schema, schema_error
from runtime.core.llm.tools import LLM_TOOLS, SERVER
from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.usage import Usage
from runtime.tools.catalogue import ToolInfo
from runtime.tools.normalise import Unacceptable, normalise
from runtime.tools.redact import NOTHING_TO_BLOT
from schemas.patterns import TOPIC

_TRANSFORM_ARGUMENTS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"value": {"description": "What the step's result is to be."}},
    "required": ["value"],
    "additionalProperties": False,
}
_ASSERT_ARGUMENTS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "that": {
            "description": "Must hold, as conditions do: false, null and what is empty do not."
        },
        "message": {"type": "string", "description": "What is said if it does not."},
    },
    "required": ["that"],
    "additionalProperties": False,
}
_SPAN: Final = {"type": "string", "minLength": 2}
_SLEEP_ARGUMENTS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "for": {**_SPAN, "description": "How long, such as 10m."},
        "until": {"type": "string", "description": "An instant with its offset from UTC."},
    },
    "oneOf": [{"required": ["for"]}, {"required": ["until"]}],
    "additionalProperties": False,
}
_APPROVE_ARGUMENTS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "message": {"type": "string", "minLength": 1, "description": "What is to be decided."},
        "by": {"type": "array", "items": {"type": "string"}, "description": "Who may decide."},
        "event": {
            "type": "string",
            "pattern": TOPIC,
            "description": "A topic whose events decide too.",
        },
        "timeout": {**_SPAN, "description": "How long to wait; then the step fails."},
    },
    "required": ["message"],
    "additionalProperties": False,
}
_TOPIC: Final = {"type": "string", "pattern": TOPIC}
_WAIT_FOR_ARGUMENTS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "event": {**_TOPIC, "description": "The topic of the event."},
        "filter": {
            "type": "string",
            "description": "JMESPath; only an event counts for which it holds.",
        },
        "callback": {
            "const": True,
            "description": "Wait for whoever was given the step's callback token instead.",
        },
        "schema": {
            "type": "object",
            "description": "A JSON Schema of the callback's answer; written out, without templates.",
        },
        "timeout": {**_SPAN, "description": "How long to wait; then the step fails."},
    },
    "oneOf": [{"required": ["event"]}, {"required": ["callback"]}],
    "dependentRequired": {"filter": ["event"], "schema": ["callback"]},
    "additionalProperties": False,
}
_EMIT_ARGUMENTS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "event": {**_TOPIC, "description": "The topic of the event."},
        "data": {"description": "What there is to say."},
        "id": {
            "type": "string",
            "minLength": 1,
            "maxLength": 200,
            "description": "What the event is called; the same one counts once.",
        },
    },
    "required": ["event"],
    "additionalProperties": False,
}
_COUNT: Final = {"type": "integer", "minimum": 0}
_PROGRESS_ARGUMENTS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "name": {
            "type": "string",
            "minLength": 1,
            "maxLength": 80,
            "description": "What is counted.",
        },
        "done": {**_COUNT, "description": "How many are done."},
        "total": {**_COUNT, "description": "How many there are."},
        "failed": {**_COUNT, "description": "How many failed for good; 0 when left out."},
        "run": {
            "type": "string",
            "description": "The run whose progress it is, of the same project; this one when left out.",
        },
    },
    "required": ["name", "done", "total"],
    "additionalProperties": False,
}
_SQL_ARGUMENTS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "statement": {
            "type": "string",
            "minLength": 1,
            "pattern": "^[^;]*;?\\s*$",
            "description": "One statement; $1 is the first of its parameters.",
        },
        "parameters": {"type": "array", "maxItems": 100, "description": "Values for it."},
    },
    "required": ["statement"],
    "additionalProperties": False,
}
_HARMLESS: Final = {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False}
_WRITING: Final = {"readOnlyHint": False, "idempotentHint": False, "openWorldHint": False}
_SENDING: Final = {"readOnlyHint": False, "destructiveHint": False, "openWorldHint": True}
_RUN_ARGUMENTS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "task": {"type": "string", "minLength": 1, "description": "The task to run."},
        "params": {"type": "object", "description": "Values in the place of its own parameters."},
        "wait": {"type": "boolean", "default": True, "description": "Wait until it is over."},
    },
    "required": ["task"],
    "additionalProperties": False,
}
_RESULT_BYTES: Final = 1_048_576


class ToolFailure(Exception):
    """A built-in tool did what it should, and the outcome is a failure."""


@dataclass(frozen=True, slots=True)
class BuiltinTool:
    """A tool and the function behind it, which takes the checked arguments and returns a JSON value.

    Attributes:
        info: its contract.
        run: the function.
        usage: what a call with these arguments and this result used up; None for what uses nothing.
    """

    info: ToolInfo
    run: Callable[[Mapping[str, Any]], Any]
    usage: Callable[[Mapping[str, Any], Any], Usage] | None = None


def builtin_tools() -> dict[str, dict[str, BuiltinTool]]:
    """Every built-in tool, by server and name."""
    found: dict[str, dict[str, BuiltinTool]] = {SERVER: _llm_tools()}
    for server, name, description, arguments, result, run in _TOOLS:
        info = ToolInfo(
            server=server,
            name=name,
            description=description,
            input_schema=arguments,
            output_schema=result,
            annotations=_SENDING if run is _send else _WRITING if run is _commit else _HARMLESS,
        )
        found.setdefault(server, {})[name] = BuiltinTool(info, run)
    return found


def _llm_tools() -> dict[str, BuiltinTool]:
    found = {}
    for name, tool in LLM_TOOLS.items():
        info = ToolInfo(
            SERVER, name, tool.description, tool.input_schema, tool.output_schema, _HARMLESS
        )
        found[name] = BuiltinTool(info, _offline(name), usage_of)
    return found


def _offline(tool: str) -> Callable[[Mapping[str, Any]], Any]:
    def run(arguments: Mapping[str, Any]) -> Any:
        if flaw := schema_error(arguments):
            raise Unacceptable("ORD403", f"{SERVER}.{tool}: {flaw}")
        value = answer(tool, arguments)
        try:
            keep_to_schema(arguments, value)
        except Misfit as misfit:
            hint = "without a model only simple schemas can be met"
            raise Unacceptable("ORD407", f"{SERVER}.{tool}: {misfit}: {hint}") from misfit
        return value

    return run


def _transform(arguments: Mapping[str, Any]) -> Any:
    return arguments["value"]


def _assert(arguments: Mapping[str, Any]) -> bool:
    if not is_true(arguments["that"]):
        raise ToolFailure(arguments.get("message", "what must hold does not"))
    return True


def _emit(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the step gives; the event itself is written with that."""
    if arguments["event"].startswith(OWN):
        raise ToolFailure(f"topics that begin with {OWN} are those of Ordinaut's own events")
    return {name: arguments[name] for name in ("event", "id") if name in arguments}


def _count(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the step gives; what it counts is written with that."""
    try:
        UUID(arguments.get("run", "0" * 32))
    except ValueError:
        raise ToolFailure(f"`{arguments['run']}` is no id of a run, as `${{run.id}}` is") from None
    return dict(arguments)


def _wait(_: Mapping[str, Any]) -> Any:
    raise ToolFailure("waits only as a step of a run")


def _send(_: Mapping[str, Any]) -> Any:
    raise ToolFailure("sends only where a toolbox does")


def _commit(_: Mapping[str, Any]) -> Any:
    raise ToolFailure("runs only as a step of a run, with `effect: transactional`")


_TOOLS: Final = (
    (
        "ordinaut",
        "approve",
        "Wait for a person to agree.",
        _APPROVE_ARGUMENTS,
        None,
        _wait,
    ),
    (
        "ordinaut",
        "assert",
        "Fail unless something holds.",
        _ASSERT_ARGUMENTS,
        None,
        _assert,
    ),
    (
        "ordinaut",
        "email",
        "Send a letter through a mail server.",
        EMAIL_ARGUMENTS,
        None,
        _send,
    ),
    (
        "ordinaut",
        "emit",
        "Tell of an event, for what waits for it.",
        _EMIT_ARGUMENTS,
        None,
        _emit,
    ),
    (
        "ordinaut",
        "post",
        "Post JSON to an address.",
        POST_ARGUMENTS,
        None,
        _send,
    ),
    (
        "ordinaut",
        "progress",
        "Say how far a run is.",
        _PROGRESS_ARGUMENTS,
        None,
        _count,
    ),
    (
        "ordinaut",
        "run",
        "Run a task, and wait for its end.",
        _RUN_ARGUMENTS,
        None,
        _wait,
    ),
    (
        "ordinaut",
        "sleep",
        "Wait for a span of time, or until an instant.",
        _SLEEP_ARGUMENTS,
        None,
        _wait,
    ),
    (
        "ordinaut",
        "sql",
        "Change or read rows of your own tables; what it does is committed with the step's result.",
        _SQL_ARGUMENTS,
        None,
        _commit,
    ),
    (
        "ordinaut",
        "transform",
        "Give a value that templates make, for the steps that follow.",
        _TRANSFORM_ARGUMENTS,
        None,
        _transform,
    ),
    (
        "ordinaut",
        "wait_for",
        "Wait for an event, or for a callback.",
        _WAIT_FOR_ARGUMENTS,
        None,
        _wait,
    ),
)


def waiting_tools() -> dict[str, ToolInfo]:
    """The tools that are no calls, by address: executing a run means waiting for them."""
    tools = builtin_tools()["ordinaut"].values()
    return {f"ordinaut.{tool.info.name}": tool.info for tool in tools if tool.run is _wait}


def call_builtin(tool: BuiltinTool, arguments: Mapping[str, Any]) -> CallOutcome:
    """Call a built-in tool under the same contract as any other."""
    info = tool.info
    problem = info.argument_error(arguments)
    if problem is not None:
        return CallOutcome("contract_error", error=problem, schema_digest=info.digest)
    try:
        result = tool.run(arguments)
        value, size = normalise(result, limit=_RESULT_BYTES, redact=NOTHING_TO_BLOT)
    except ToolFailure as failure:
        error = CallError("ORD404", f"{info.server}.{info.name}: {failure}")
        return CallOutcome("tool_error", error=error, sent=True, schema_digest=info.digest)
    except Unacceptable as refusal:
        return CallOutcome(
            "contract_error", error=refusal.error, sent=True, schema_digest=info.digest
        )
    usage = None if tool.usage is None else tool.usage(arguments, value)
    return CallOutcome(
        "ok", value=value, sent=True, schema_digest=info.digest, size=size, usage=usage
    )
