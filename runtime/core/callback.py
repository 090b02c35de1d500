"""Callback tokens: whoever has one may end one wait of one run, once.

A token names the step and the run, and carries a proof that it was made with the installation's key. It is not kept
anywhere: it is made again, the same, whenever the run needs it, and read back when it comes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from runtime.core.binding import canonical
from runtime.core.contracts import contract

_PROOF_BYTES: Final = 16
_RUN_BYTES: Final = 16


def callback_token(key: bytes, run_id: UUID, step: str) -> str:
    """The token that ends the wait of a step."""
    content = base64.urlsafe_b64encode(run_id.bytes + _proof(key, run_id, step)).decode()
    return f"{step}.{content.rstrip('=')}"


def read_token(key: bytes, token: str) -> tuple[UUID, str] | None:
    """The run and the step of a token; None if it was not made with this key."""
    step, _, content = token.partition(".")
    try:
        raw = base64.b64decode(content + "=" * (-len(content) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != _RUN_BYTES + _PROOF_BYTES:
        return None
    run_id = UUID(bytes=raw[:_RUN_BYTES])
    is_ours = hmac.compare_digest(raw[_RUN_BYTES:], _proof(key, run_id, step))
    return (run_id, step) if is_ours else None


def callback_topic(run_id: UUID, step: str) -> str:
    """The topic that a callback comes under; no other event can have it, for its colons."""
    return f"callback:{run_id}:{step}"


def _proof(key: bytes, run_id: UUID, step: str) -> bytes:
    return hmac.digest(key, run_id.bytes + step.encode(), hashlib.sha256)[:_PROOF_BYTES]


def callback_misfit(body: Mapping[str, Any], step: str, data: Any) -> str | None:
    """Why an answer is not what a step of a normalised task body asks for; None if it is, or nothing was asked.

    Raises:
        UnusableSchema: its schema is none; plans refuse such bodies.
    """
    schema = _schema_of(body, step)
    if schema is None:
        return None
    wrong = contract(canonical(schema)).problems(data)
    return "; ".join(wrong) or None


def _schema_of(body: Mapping[str, Any], step: str) -> Mapping[str, Any] | None:
    pipeline = body["pipeline"]
    steps, holder = (
        (pipeline["steps"], pipeline) if isinstance(pipeline, Mapping) else (pipeline, body)
    )
    for one in (*steps, *holder.get("finally", ())):
        if one["id"] == step:
            schema = (one.get("callback") or one["with"]).get("schema")
            return schema if isinstance(schema, Mapping) else None
    return None
