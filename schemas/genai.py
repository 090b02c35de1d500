"""The names under which it is told what a call cost: those of OpenTelemetry's conventions for generative AI.

The conventions are still being worked on, so the names stand here and nowhere else. Those for money are not in them yet;
they are as open-telemetry/semantic-conventions-genai proposes them.
"""

from __future__ import annotations

from typing import Final, Literal

UsageName = Literal[
    "gen_ai.request.model",
    "gen_ai.response.model",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.cost.amount",
    "gen_ai.usage.cost.currency",
]
"""Everything that can be told of a call."""

ASKED_MODEL: Final[UsageName] = "gen_ai.request.model"
MODEL: Final[UsageName] = "gen_ai.response.model"
INPUT: Final[UsageName] = "gen_ai.usage.input_tokens"
OUTPUT: Final[UsageName] = "gen_ai.usage.output_tokens"
CACHE_READ: Final[UsageName] = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITTEN: Final[UsageName] = "gen_ai.usage.cache_creation.input_tokens"
REASONING: Final[UsageName] = "gen_ai.usage.reasoning.output_tokens"
AMOUNT: Final[UsageName] = "gen_ai.usage.cost.amount"
CURRENCY: Final[UsageName] = "gen_ai.usage.cost.currency"

USAGE_META: Final = "dev.ordinaut/usage"
"""The key of a result's `_meta` under which a tool may tell all of it at once."""
