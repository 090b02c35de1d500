"""Documents as they are in an environment: overlays laid, defaults and variables filled in, nothing left to look up.

A task that uses a pipeline has its steps, and every parameter they get; the Project has the variables of the environment.
What the language gives anyway is left out, so that what is shown is what the specs say.
"""

from __future__ import annotations

from typing import Any

from reconciler.core.desired import Desired, Key, Specs
from reconciler.core.digest import NORMAL_FORM
from reconciler.core.suggest import did_you_mean
from runtime.errors import NotFound


def rendered(specs: Specs, key: Key | None) -> list[dict[str, Any]]:
    """The document under a key, or every document, in the order of keys.

    Args:
        specs: compiled, without errors.
        key: which; None for all.

    Raises:
        NotFound: ORD310, there is none in this environment.
    """
    if key is None:
        return [_rendered(document, specs) for document in specs.documents.values()]
    if key not in specs.documents:
        known = [one.label for one in specs.documents if one.kind == key.kind]
        raise NotFound(
            f"there is no {key} in the environment {specs.environment}",
            hint=did_you_mean(key.label, known, "an overlay may have left it out"),
        )
    return [_rendered(specs.documents[key], specs)]


def _rendered(desired: Desired, specs: Specs) -> dict[str, Any]:
    found = _plain(desired)
    match desired.key.kind:
        case "Project":
            there = desired.body.get("environments", {}).get(specs.environment, {})
            variables = {**desired.body.get("variables", {}), **there.get("variables", {})}
            return found | ({"variables": variables} if variables else {})
        case "Task" if isinstance(pipeline := desired.body["pipeline"], dict):
            used = next(
                one
                for key, one in specs.documents.items()
                if key.kind == "Pipeline" and key.label == pipeline["use"]
            )
            written = _plain(used)
            steps = {name: written[name] for name in ("steps", "finally") if name in written}
            return found | {"pipeline": {**found["pipeline"], "with": pipeline["with"], **steps}}
        case _:
            return found


def _plain(desired: Desired) -> dict[str, Any]:
    return desired.document.model_dump(**NORMAL_FORM, exclude_defaults=True)
