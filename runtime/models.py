"""The language models of a project, with their secrets read when one is asked: a new key is in force for the next call."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from runtime.clock import Clock
from runtime.core.expressions import Context, compile_template, secret_names
from runtime.core.llm.definition import FindModel, ModelDefinition
from runtime.core.tls import Tls
from runtime.errors import NotFound, OrdinautError, Unreadable
from runtime.live import Live
from runtime.secrets import Secrets
from schemas.durations import parse_duration


def finding(live: Live, project: str, secrets: Secrets, clock: Clock) -> FindModel | None:
    """What finds the models of a project by their names; None if it has none.

    What it gives raises NotFound (ORD310) for names that are not there, SecretUnreadable (ORD410), and Unreadable (ORD317)
    for a row that is none.
    """
    models = live.models.get(project)
    if not models:
        return None

    async def find(name: str) -> ModelDefinition:
        if name not in models:
            close = difflib.get_close_matches(name, models, n=1)
            hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(sorted(models))}"
            raise NotFound(f"the Project has no model {name!r}: {hint}")
        try:
            return await _defined(models[name], secrets, clock)
        except OrdinautError:
            raise
        except Exception as error:
            raise Unreadable.because(f"model {name}", error) from error

    return find


async def _defined(body: Mapping[str, Any], secrets: Secrets, clock: Clock) -> ModelDefinition:
    headers = dict(body["headers"])
    if "api_key" in body:
        headers["authorization"] = f"Bearer {body['api_key']}"
    template, tls = compile_template(headers), compile_template(body.get("tls", {}))
    await secrets.collect(secret_names(template, tls))
    context = Context(now=clock.now(), secrets=secrets)
    return ModelDefinition(
        url=body["url"],
        model=body["model"],
        headers=template.render(context),
        parameters=body["parameters"],
        max_tokens=body["max_tokens"],
        max_input_bytes=body["max_input_bytes"],
        timeout=parse_duration(body["timeout"]),
        repairs=body["repairs"],
        tls=Tls(**tls.render(context)) if "tls" in body else None,
        secrets=tuple(sorted(secrets.known)),
    )
