"""Documents as they are in an environment: overlays laid, defaults and variables filled in, nothing left to look up.

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
        return [_rendered(document) for document in specs.documents.values()]
    if key not in specs.documents:
        known = [one.label for one in specs.documents if one.kind == key.kind]
        raise NotFound(
            f"there is no {key} in the environment {specs.environment}",
            hint=did_you_mean(key.label, known, "an overlay may have left it out"),
        )
    return [_rendered(specs.documents[key])]


def _rendered(desired: Desired) -> dict[str, Any]:
    return desired.document.model_dump(**NORMAL_FORM, exclude_defaults=True)
