"""Language models that `llm.*` steps ask, as the Project names them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from schemas import patterns
from schemas.base import Integer, Model, Name, PositiveDuration, ShortText, Text
from schemas.tool_server import Tls

DEFAULT_MODEL: Final = "default"
"""The model of steps that name none."""
OFFLINE_MODEL: Final = "offline"
"""The name by which steps ask none."""

# What a request says is ours to say: the rest of it depends on that.
_OURS: Final = frozenset(
    {"max_completion_tokens", "max_tokens", "messages", "model", "n", "response_format", "stream"}
    | {"tool_choice", "tools"}
)


def _are_others(parameters: dict[str, Any]) -> dict[str, Any]:
    if ours := sorted(_OURS & parameters.keys()):
        raise ValueError(f"`{ours[0]}` cannot be set: every request has its own")
    return parameters


class LanguageModel(Model):
    """A language model, at an endpoint that speaks OpenAI's chat completions."""

    url: Text = Field(pattern=patterns.HTTP_URL, examples=["https://llm.example.com/v1"])
    """The endpoint, without `/chat/completions`."""
    model: ShortText = Field(examples=["small-2026-01"])
    """What the endpoint calls the model."""
    api_key: Text | None = Field(default=None, examples=["${secrets.llm_key}"])
    """What requests are authorized with, as `${secrets.name}`."""
    headers: dict[ShortText, str] = Field(default_factory=dict)
    """Headers sent with every request; secrets as `${secrets.name}`."""
    tls: Tls | None = None
    """How the endpoint is known, and how Ordinaut is, where what the system believes is not enough."""
    parameters: Annotated[dict[ShortText, Any], AfterValidator(_are_others)] = Field(
        default_factory=dict, examples=[{"temperature": 0}]
    )
    """Further fields of every request, such as `temperature`."""
    max_tokens: Integer = Field(default=4096, ge=1, le=1_000_000)
    """The longest answer, in tokens; one that is cut off fails its step."""
    max_input_bytes: Integer = Field(default=262_144, ge=1024, le=16_777_216)
    """The longest question, data included; a longer one is not asked."""
    timeout: PositiveDuration = timedelta(minutes=2)
    """The longest time a call may take with all its repairs, unless its step says otherwise."""
    repairs: Integer = Field(default=2, ge=0, le=10)
    """How often an answer that does not fit is sent back with what is wrong about it."""


def _has_a_default(models: dict[str, LanguageModel]) -> dict[str, LanguageModel]:
    if OFFLINE_MODEL in models:
        raise ValueError(f"`{OFFLINE_MODEL}` is the name of asking no model")
    if models and DEFAULT_MODEL not in models:
        raise ValueError(f"none is called `{DEFAULT_MODEL}`, which steps ask that name no model")
    return models


LanguageModels = Annotated[
    dict[Name, LanguageModel], Field(max_length=100), AfterValidator(_has_a_default)
]
"""Models by the names that steps use."""
