"""JSON Schema as a contract: is this value what the schema says, decided here, offline and at bounded cost.

Promises: a `$ref` never reaches the network; a schema is compiled once however often it is listed; the dialect that a
schema declares is honoured (draft-07 and others), 2020-12 otherwise; checking costs a bounded number of steps whatever
the schema's author wrote; a regular expression that could run away is not evaluated (the server has the last word on it).

`format` is an annotation, as 2020-12 has it. What the bounds forbid is reported as a problem of the schema.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import cache, lru_cache
from itertools import islice
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema.protocols import Validator
from jsonschema.validators import extend, validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from runtime.core.quick import quick_check

MAX_SCHEMA_CHARACTERS: Final = 1_000_000
MAX_STEPS: Final = 100_000
# Following a reference takes about as long as this many other keywords.
_REF_STEPS: Final = 10
MAX_PATTERN_COST: Final = 10_000_000
MAX_PROBLEMS: Final = 5
_MESSAGE_CHARACTERS: Final = 200
_NO_FORMATS: Final = FormatChecker(())
_REF_DEPTH: Final = 16

_IN_PLACE_LISTS: Final = ("allOf", "anyOf", "oneOf")
_IN_PLACE: Final = ("if", "then", "else")
_steps_left: ContextVar[list[int]] = ContextVar("steps_left")


class UnusableSchema(Exception):
    """The schema is not valid, refers outside itself, or is too costly to check."""


class Contract:
    """One compiled schema; get it through `contract`."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._validator = _compile(schema)
        try:
            self._names = _declared_names(schema, schema, _REF_DEPTH)
        except (AttributeError, TypeError) as error:
            # An older dialect lets keywords that it does not know be anything.
            raise UnusableSchema("it has keywords that its dialect does not know") from error
        self._quick = quick_check(schema)

    def certainly_fits(self, value: object) -> bool:
        """Whether a short look is enough to see that `value` fits, with no name that is not declared; if not, it still may."""
        return self._quick is not None and self._quick(value)

    def problems(
        self, value: Any, excused: Callable[[object], bool] = lambda _: False
    ) -> list[str]:
        """What is wrong with `value`, at most `MAX_PROBLEMS` sentences; empty when it fits.

        Args:
            value: any JSON value.
            excused: whether a part of it, or all, may be what it is.

        Raises:
            UnusableSchema: no decision is possible.
        """
        wrong = self.misfits(value, MAX_PROBLEMS)
        return [_sentence(error) for error in wrong if not excused(error.instance)]

    def misfits(self, value: Any, most: int) -> list[ValidationError]:
        """What does not fit, with its place in `value`; at most so many.

        Raises:
            UnusableSchema: no decision is possible.
        """
        left = _steps_left.set([MAX_STEPS])
        try:
            return list(islice(self._validator.iter_errors(value), most))
        except Unresolvable as error:
            raise UnusableSchema(f"{error.ref!r} is not defined inside the schema") from error
        except RecursionError as error:
            raise UnusableSchema("the schema refers to itself without end") from error
        finally:
            _steps_left.reset(left)

    def unknown_names(self, arguments: Iterable[str]) -> list[str]:
        """A sentence for every argument name that the schema does not declare; see `declared`."""
        names = self.declared
        if names is None:
            return []
        return [_unknown(name, names) for name in arguments if name not in names]

    @property
    def declared(self) -> frozenset[str] | None:
        """The names of the arguments that there are; None if the schema is open to others.

        JSON Schema lets unknown names pass by default, and servers then ignore them in silence: a misspelt argument
        would do nothing. So a name must be declared, unless the schema says outright that it takes others.
        """
        return self._names


@lru_cache(maxsize=2048)
def contract(text: str) -> Contract:
    """The compiled schema that a `canonical` text holds; equal texts share one.

    Raises:
        UnusableSchema: it is not valid JSON Schema, or exceeds a bound.
    """
    if len(text) > MAX_SCHEMA_CHARACTERS:
        raise UnusableSchema(f"the schema has more than {MAX_SCHEMA_CHARACTERS:,} characters")
    return Contract(json.loads(text))


def _compile(schema: dict[str, Any]) -> Validator:
    dialect = schema.get("$schema")
    base: type[Validator] = Draft202012Validator
    if isinstance(dialect, str):
        base = validator_for({"$schema": dialect}, default=Draft202012Validator)
    try:
        # A pattern in another dialect than Python's is no fault of the schema.
        base.check_schema(schema, format_checker=_NO_FORMATS)  # type: ignore[call-arg]  # stub lags
    except (SchemaError, RecursionError) as error:
        reason = error.message if isinstance(error, SchemaError) else "nested too deeply"
        raise UnusableSchema(f"not a valid JSON Schema: {_short(reason)}") from error
    _refuse_runaway_property_patterns(schema)
    # The empty registry is what keeps a `$ref` from being fetched: nothing outside the schema can be resolved.
    return _bounded(base)(schema, registry=Registry())


@cache
def _bounded(base: type[Validator]) -> type[Validator]:
    """The dialect `base`, where every keyword spends a step and `pattern` knows its cost."""
    keywords: dict[str, Any] = {
        name: _counted(check, _REF_STEPS if "Ref" in name or name == "$ref" else 1)
        for name, check in base.VALIDATORS.items()
    }
    extended: type[Validator] = extend(  # type: ignore[no-untyped-call]  # its stub has no types
        base, {**keywords, "pattern": _counted(_pattern, 1)}
    )
    return extended


def _counted(
    check: Callable[..., Iterator[ValidationError] | None], steps: int
) -> Callable[..., Any]:
    def counted(validator: Validator, value: Any, instance: Any, schema: Any) -> Any:
        left = _steps_left.get()
        left[0] -= steps
        if left[0] < 0:
            raise UnusableSchema(f"checking it takes more than {MAX_STEPS:,} steps")
        return check(validator, value, instance, schema)

    return counted


def _pattern(
    validator: Validator, pattern: str, instance: Any, _schema: object
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "string"):
        return
    text = str(instance)
    if _affordable(pattern, len(text)) and not re.search(pattern, text):
        yield ValidationError(f"{text!r} does not match {pattern!r}")


def _affordable(pattern: str, length: int) -> bool:
    repeats = _open_repeats(pattern)
    return repeats is not None and max(length, 1) ** max(repeats, 1) <= MAX_PATTERN_COST


def _refuse_runaway_property_patterns(schema: object) -> None:
    """Property patterns cannot be left unevaluated: which properties are additional depends on them."""
    pending = [schema]
    while pending:
        part = pending.pop()
        if isinstance(part, Mapping):
            patterns = part.get("patternProperties")
            for pattern in patterns if isinstance(patterns, Mapping) else ():
                if not _affordable(pattern, 100):
                    raise UnusableSchema(f"the property pattern {_short(pattern)!r} is too costly")
            pending.extend(part.values())
        elif isinstance(part, list):
            pending.extend(part)


@lru_cache(maxsize=2048)
def _open_repeats(pattern: str) -> int | None:
    """How many unbounded repeats a pattern has; None if it must not be evaluated.

    Not evaluated: what Python's `re` does not understand (ECMA-262 differs), back-references, and a repeat of a group
    that holds a repeat or an alternative, which is where exponential matching comes from.
    """
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return None
    # Escapes and classes are one character each from here on, so every bracket left is structure.
    plain = re.sub(r"\\[1-9]", "\0", pattern)
    plain = re.sub(r"\[\^?\]?(?:\\.|[^\]\\])*\]", "x", re.sub(r"\\[^\[\]]", "x", plain))
    if "\0" in plain or "(?P=" in plain:
        return None
    return None if _repeats_a_choice(plain) else len(re.findall(r"[*+]|\{\d+,\}", plain))


def _repeats_a_choice(plain: str) -> bool:
    groups = [False]
    for index, character in enumerate(plain):
        if character == "(":
            groups.append(False)
        elif character == ")" and len(groups) > 1:
            chooses = groups.pop()
            if chooses and plain[index + 1 : index + 2] in {"*", "+", "{"}:
                return True
            groups[-1] |= chooses
        elif character in "*+{|":
            groups[-1] = True
    return False


def _declared_names(schema: object, root: Mapping[str, Any], depth: int) -> frozenset[str] | None:
    """The argument names a schema declares, over its in-place subschemas; None if it is open to others."""
    found: set[str] = set()
    closed = False
    for part in _in_place(schema, root, depth):
        if part is None or _takes_others(part):
            return None
        if isinstance(part.get("properties"), Mapping):
            closed = True
            found |= set(part["properties"])
        closed |= part.get("additionalProperties") is False
    return frozenset(found) if closed else None


def _takes_others(schema: Mapping[str, Any]) -> bool:
    others = (schema.get("additionalProperties"), schema.get("unevaluatedProperties"))
    return "patternProperties" in schema or any(
        other is True or isinstance(other, Mapping) for other in others
    )


def _in_place(
    schema: object, root: Mapping[str, Any], depth: int
) -> Iterator[Mapping[str, Any] | None]:
    """The schema and all that apply to the same value; None stands for one that cannot be followed."""
    if not isinstance(schema, Mapping):
        return
    yield schema
    nested = [schema[key] for key in _IN_PLACE if key in schema]
    nested += [part for key in _IN_PLACE_LISTS for part in schema.get(key, ())]
    nested += list(schema.get("dependentSchemas", {}).values())
    if "$ref" in schema:
        nested.append(_local(schema["$ref"], root))
    if "$dynamicRef" in schema or (nested and depth == 0):
        yield None
        return
    for part in nested:
        if part is None:
            yield None
        yield from _in_place(part, root, depth - 1)


def _local(ref: object, root: Mapping[str, Any]) -> object:
    """What a JSON pointer into the same document names, or None."""
    if not isinstance(ref, str) or not ref.startswith("#"):
        return None
    part: Any = root
    for token in ref[1:].split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if not isinstance(part, Mapping) or name not in part:
            return None
        part = part[name]
    return part if ref == "#" or ref.startswith("#/") else None


def _unknown(name: str, names: frozenset[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"unknown argument {_short(name)!r}: did you mean {close[0]!r}?"
    taken = ", ".join(sorted(names)) or "no arguments"
    return f"unknown argument {_short(name)!r}: the tool takes {_short(taken)}"


def _sentence(error: ValidationError) -> str:
    deepest = best_match([error]) or error
    where = ".".join(str(step) for step in deepest.absolute_path)
    if deepest.validator == "required":
        name = deepest.message.removesuffix(" is a required property").strip("'\"")
        return f"{_short(f'{where}.{name}' if where else name)} is missing"
    return f"{where}: {_short(deepest.message)}" if where else _short(deepest.message)


def _short(text: str) -> str:
    return text if len(text) <= _MESSAGE_CHARACTERS else text[: _MESSAGE_CHARACTERS - 1] + "…"
