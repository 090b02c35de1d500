"""A language model as it is asked: a value, with secrets filled in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from runtime.core.tls import Tls


@dataclass(frozen=True, slots=True)
class ModelDefinition:
    """One language model.

    Attributes:
        url: the endpoint, without `/chat/completions`.
        model: what the endpoint calls it.
        headers: go with every request.
        parameters: further fields of every request.
        max_tokens: the longest answer.
        max_input_bytes: the longest question.
        timeout: the longest time for a call, repairs included.
        repairs: how often an answer that does not fit is sent back.
        tls: how the endpoint is known, and we are; None leaves that to the system.
        secrets: values that must never be shown.
    """

    url: str
    model: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    max_tokens: int = 4096
    max_input_bytes: int = 262_144
    timeout: timedelta = timedelta(minutes=2)
    repairs: int = 2
    tls: Tls | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def provider(self) -> str:
        """Who runs it, as far as its address tells."""
        return urlsplit(self.url).hostname or ""


FindModel: TypeAlias = Callable[[str], Awaitable[ModelDefinition]]
"""Gives the model of a name; raises NotFound, or what keeps it from being asked."""
