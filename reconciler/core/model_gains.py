"""Which language models `llm.*` ask by a Project, and what a change of it has them ask elsewhere, or as somebody else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from reconciler.core.desired import Desired, Key
from runtime.core.llm.tools import MODEL_TOOLS
from schemas.plan import FieldChange

# What a question goes to, and what it is authorized with.
_PLACES: Final = ("url", "api_key", "headers", "tls")


def models_in(body: Mapping[str, Any]) -> dict[str, str]:
    """The models of a Project as they are shown, by name."""
    models = body.get("models") or {}
    return {name: f"{one['model']} at {one['url']}" for name, one in models.items()}


def models_gained(ops: Collection[FieldChange]) -> Iterator[str]:
    """The names of the models for which something else is asked, or in another way."""
    for op in ops:
        match op.path.split("/")[1:]:
            case ["models"]:
                yield from _gained(op.before or {}, op.after or {})
            case ["models", name]:
                after = {name: op.after} if op.after else {}
                yield from _gained({name: op.before or {}}, after)
            case ["models", name, place, *_] if place in _PLACES:
                yield name
            case _:
                pass


def _gained(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name, model in after.items():
        old = before.get(name) or {}
        if any(model.get(place) != old.get(place) for place in _PLACES):
            yield name


def offline_in(documents: Mapping[Key, Desired]) -> Callable[[str], bool]:
    """Whether a tool, by its address, asks no language model because the Project of these specs names none.

    The Project is looked at when such a tool is asked about, which few plans do.
    """

    def answer(address: str) -> bool:
        if address not in MODEL_TOOLS:
            return False
        projects = (one.body for key, one in documents.items() if key.kind == "Project")
        return not any(body.get("models") for body in projects)

    return answer
