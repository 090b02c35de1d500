"""Where a JSON Schema is none, and where values do not fit one, by the `jsonschema` library: heavy, so imported when needed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import SchemaError, ValidationError
from pydantic_core import SchemaError as CoreSchemaError
from pydantic_core import SchemaValidator, core_schema

from reconciler.core.documents import shown

_LINEAR: Final = core_schema.CoreConfig(regex_engine="rust-regex")


def schema_error(schema: Any) -> SchemaError | None:
    """The first thing for which this is no JSON Schema; None if it is one."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return error
    return None


def misfits(schema: Any, value: Any) -> Iterator[ValidationError]:
    """Everything in a value that does not fit a schema.

    Raises:
        RecursionError: the schema refers to itself without end.
    """
    yield from _Validator(schema).iter_errors(value)


@lru_cache(maxsize=256)
def matcher(pattern: str) -> SchemaValidator | None:
    """A search for a pattern, or None if it cannot be used.

    Its time grows with the text and no faster, so that no pattern in a pull request can keep a plan busy; Python's own
    engine makes no such promise.
    """
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern), _LINEAR)
    except CoreSchemaError:
        return None


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    found = matcher(pattern)
    if isinstance(instance, str) and found and not found.isinstance_python(instance):
        yield ValidationError(f"it does not match `{shown(pattern)}`")


_Validator: Final[Any] = validators.extend(  # type: ignore[no-untyped-call]  # its stubs say nothing
    Draft202012Validator, {"pattern": _pattern}
)
