"""What the templates of a run find under their roots when it begins, or goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from runtime.core.expressions import Context
from runtime.core.program import Program
from runtime.secrets import Secrets
from runtime.store.due_work import Claim


def run_context(
    claim: Claim, program: Program, steps: Mapping[str, Any], secrets: Secrets
) -> Context:
    """The context of a claimed run.

    Args:
        claim: the run.
        program: its task.
        steps: where the values of its steps are, or will be.
        secrets: what it may use.

    Raises:
        OrdinautError: the parameters of the pipeline that it uses cannot be made.
    """
    params = {**program.params, **(claim.params or {})}
    context = Context(
        now=claim.started_at,
        run={"id": str(claim.run_id), "attempt": claim.attempt},
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
