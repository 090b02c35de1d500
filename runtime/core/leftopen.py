"""Calls that a server leaves open: it asks something back, and goes on when the same call comes again with the answers.

MCP 2026-07-28, multi round-trip requests (SEP-2322): such an answer holds `inputRequests`, under keys of the server's own,
and an opaque `requestState`; the call is repeated with `inputResponses` under the same keys, and the state as it came.

Older revisions ask while the call is under way, and no person can be waited for so long: they are told that nobody answers,
and the call is made once more when somebody has. Then the same question, known by what it says, is answered at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MOST_ROUNDS: Final = 10
"""How often one call may be left open; as many as the SDKs of the protocol take part in."""
LONGEST_HELD_SECONDS: Final = 30.0
"""A task that is to be left alone for longer is waited for without a slot."""
ASKS_AGAIN: Final = frozenset({"not_sent", "lost", "timeout", "unknown"})
"""Outcomes after which an answer is given once more instead of being asked for anew: the server did not refuse it."""


@dataclass(frozen=True, slots=True)
class LeftOpen:
    """What a server said when it left a call open.

    Attributes:
        state: what it wants back as it is; None for nothing.
        requests: what people are asked, as `schemas.asked` describes it, by the server's own keys; empty where nobody is.
        repeats: whether the call is over, and going on with it makes it once more.
        task: the id under which the server goes on with the call by itself; None where it waits for us.
        wait_seconds: how long a task is left alone before it is asked for its result.
    """

    state: str | None
    requests: Mapping[str, Any]
    repeats: bool = False
    task: str | None = None
    wait_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class GoingOn:
    """What an open call goes on with.

    Attributes:
        state: what the server wants back.
        responses: answers, by the server's own keys.
        task: the id of the task that is asked for its result; None for the call itself.
        is_told: whether the task has had the answers.
        withdraws: whether the task is asked to stop instead.
    """

    state: str | None
    responses: Mapping[str, Any]
    task: str | None = None
    is_told: bool = False
    withdraws: bool = False

    def answer(self, key: str, question: Mapping[str, Any]) -> Mapping[str, Any] | None:  # noqa: ARG002 - its heirs may look at it
        """What a question is answered that comes while the call is under way; None if that is not known."""
        return self.responses.get(key)


BEGINS: Final = GoingOn(None, {})
"""For a call that begins, and can be gone on with."""
