"""The built-in tools that ask a language model: what each takes, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

SERVER: Final = "llm"
OFFLINE: Final = "offline"
"""The name of the provider that asks no model, and of its model."""
PLAN_OWN: Final = frozenset({"goal", "output_schema", "model"})
"""The arguments of `llm.plan` that are no data; every other one is."""

_MODEL: Final = {
    "type": "string",
    "minLength": 1,
    "description": "Which of the Project's models to ask; `default` when left out, `offline` asks none.",
}
_INSTRUCTIONS: Final = {
    "type": "string",
    "minLength": 1,
    "description": "What to pay attention to. Only your own words belong here: what tools answered goes into the data.",
}
_OUTPUT_SCHEMA: Final = {
    "type": "object",
    "description": "JSON Schema that the answer has to fit.",
}
_SOURCE: Final = {
    "text": {"type": "string", "description": "The text."},
    "items": {"type": "array", "description": "Or several things, of any kind."},
}
_TEXT_OR_ITEMS: Final = [{"required": ["text"]}, {"required": ["items"]}]
_WHOSE: Final = {
    "model": {"type": "string", "description": "The model that answered."},
    "provider": {"type": "string", "description": "Who ran it; `offline` where none was asked."},
}
_TEXT: Final = {"text": {"type": "string"}}
_DATA: Final = {"data": {"description": "What fits the `output_schema`."}}


@dataclass(frozen=True, slots=True)
class LlmTool:
    """One of them: its name, and its contract as JSON Schemas."""

    name: str
    description: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]


def _gives(required: Mapping[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **optional, **_WHOSE},
        "required": [*required, *_WHOSE],
        "additionalProperties": False,
    }


LLM_TOOLS: Final[Mapping[str, LlmTool]] = {
    tool.name: tool
    for tool in (
        LlmTool(
            "extract",
            "Read values out of a text, in the form of a JSON Schema.",
            {
                "type": "object",
                "properties": {
                    **_SOURCE,
                    "output_schema": _OUTPUT_SCHEMA,
                    "instructions": _INSTRUCTIONS,
                    "model": _MODEL,
                },
                "required": ["output_schema"],
                "oneOf": _TEXT_OR_ITEMS,
                "additionalProperties": False,
            },
            _gives(_DATA),
        ),
        LlmTool(
            "plan",
            "Write what is asked for out of whatever is given, such as a briefing out of events and weather.",
            {
                "type": "object",
                "properties": {
                    "goal": {
                        "type": "string",
                        "minLength": 1,
                        "description": "What to write, in your own words.",
                    },
                    "output_schema": _OUTPUT_SCHEMA,
                    "model": _MODEL,
                },
                "additionalProperties": True,
                "minProperties": 1,
            },
            _gives(_TEXT, **_DATA),
        ),
        LlmTool(
            "summarize",
            "Shorten a text, or several things, to what matters.",
            {
                "type": "object",
                "properties": {
                    **_SOURCE,
                    "instructions": _INSTRUCTIONS,
                    "max_words": {"type": "integer", "minimum": 1, "default": 60},
                    "model": _MODEL,
                },
                "oneOf": _TEXT_OR_ITEMS,
                "additionalProperties": False,
            },
            _gives(_TEXT),
        ),
    )
}
"""Each by its name."""
MODEL_TOOLS: Final = frozenset(f"{SERVER}.{name}" for name in LLM_TOOLS)
"""Their addresses."""
