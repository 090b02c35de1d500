"""What of a value does not fit a JSON Schema, in the words that are used for documents; templates have no type yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from reconciler.core.documents import shown, shown_kind

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

TYPES: Final = {"string": "text", "object": "a mapping", "array": "a list", "boolean": "`true` or `false`",
                "integer": "a whole number", "number": "a number", "null": "null"}  # fmt: skip
"""What the types of JSON Schema are called."""

# What these say holds whatever type the values turn out to have.
_ABOUT_PRESENCE: Final = frozenset(
    {"additionalProperties", "dependentRequired", "maxProperties", "minProperties", "required"}
)


def is_certain(error: ValidationError) -> bool:
    """Whether a value does not fit whatever the templates within it turn out to be."""
    return error.validator in _ABOUT_PRESENCE or not has_template(error.instance)


def said(error: ValidationError, noun: str, owner: str) -> str:
    """What does not fit.

    Args:
        noun: what the parts of the value are called, such as `parameter`.
        owner: what takes them.
    """
    name = ".".join(map(str, error.absolute_path))
    what = f"the {noun} `{shown(name)}` of {owner}" if name else owner
    match error.validator, error.validator_value:
        case "required", list() as wanted:
            given: Any = error.instance
            lacking = [f"`{shown(name)}`" for name in wanted if name not in given]
            return f"{what} needs {' and '.join(lacking)}"
        case "type", str() | list() as wanted:
            kinds = [wanted] if isinstance(wanted, str) else wanted
            words = " or ".join(TYPES.get(kind, shown(kind)) for kind in kinds)
            return f"{what} is {words}; this is {shown_kind(error.instance)}"
        case "enum", list() as wanted:
            words = ", ".join(f"`{shown(str(word))}`" for word in wanted)
            return f"{what} is one of {words}; this is {shown_kind(error.instance)}"
        case None, _:
            return f"{what} may not be given"
        case _:
            return f"{what} does not fit its JSON Schema: {shown(error.message, 200)}"


def has_template(value: Any) -> bool:
    """Whether a template stands anywhere in a value."""
    match value:
        case str():
            return "${" in value
        case dict():
            return any(has_template(inner) for inner in value.values())
        case list():
            return any(has_template(inner) for inner in value)
        case _:
            return False
