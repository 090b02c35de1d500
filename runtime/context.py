"""What the templates of a run find under their roots when it begins, or goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from runtime.core.callback import callback_token
from runtime.core.calls import Call
from runtime.core.expressions import ABSENT, Context
from runtime.core.program import Program
from runtime.secrets import Secrets
from runtime.store.due_work import Claim


def run_context(
    claim: Claim,
    program: Program,
    steps: Mapping[str, Any],
    secrets: Secrets,
    callback_key: bytes,
    *,
    web_url: str,
) -> Context:
    """The context of a claimed run.

    Args:
        claim: the run.
        program: its task.
        steps: where the values of its steps are, or will be.
        secrets: what it may use.
        callback_key: what its callback tokens are made with.
        web_url: where tools reach the web side.

    Raises:
        OrdinautError: the parameters of the pipeline that it uses cannot be made.
    """
    params = {**program.params, **(claim.params or {})}
    context = Context(
        now=claim.started_at,
        run={
            "id": claim.run,
            "attempt": claim.attempt,
            "web_url": web_url.rstrip("/"),
            **_callbacks(claim, program, secrets, callback_key),
        },
        task={"name": program.label},
        trigger={"kind": claim.trigger, "for": claim.occurrence_for.isoformat()},
        params=params,
        steps=steps,
        secrets=secrets,
    )
    if claim.event is not None:
        context = replace(context, event=claim.event)
    if program.pipeline_params is not None:
        context = replace(context, params=program.pipeline_params.render(context))
    return context


def _callbacks(
    claim: Claim, program: Program, secrets: Secrets, callback_key: bytes
) -> dict[str, Any]:
    """The token of each step that may wait for one; kept out of records as secrets are."""
    if not program.waiting:
        return {}
    tokens = {step: callback_token(callback_key, claim.run_id, step) for step in program.waiting}
    secrets.known.update(tokens.values())
    return {"callbacks": tokens}


def masked(context: Context, secrets: Secrets) -> Context:
    """The context in which what is shown is rendered: a mask for each secret and each callback token."""
    run = context.run
    if "callbacks" in run:
        run = {**run, "callbacks": {step: f"[callback {step}]" for step in run["callbacks"]}}
    callback = context.callback
    if callback is not ABSENT:
        callback = dict.fromkeys(callback, "[callback]")
    return replace(context, run=run, callback=callback, secrets=secrets.masked())


def context_of(call: Call, context: Context, web_url: str) -> Context:
    """The context of one call: with its item, and with the callback that it hands out, at the web side of that URL."""
    if (step := call.step.callback_of) is not None:
        token = context.run["callbacks"][step]
        url = f"{web_url.rstrip('/')}/callbacks/{token}"
        return replace(context, callback={"token": token, "url": url})
    return context if call.item is ABSENT else replace(context, item=call.item)
