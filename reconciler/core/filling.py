"""What fields are when nobody writes them, and whether two bodies differ by nothing else.

A body holds its defaults written out. So when a version of the program has other defaults, or new fields, documents differ
from what an older version applied although nobody edited them; revisions remember by which defaults they were filled out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any, Final

from reconciler.core.digest import canonical, digest_of
from reconciler.core.fields import Op, field_ops

Filling = Mapping[str, Mapping[str, Collection[str]]]
"""By kind and the name of a field, at any depth: what it is when left out, as canonical JSON."""

UNKNOWN: Final[Filling] = {}
"""The defaults of versions that did not remember them."""


@cache
def todays_filling() -> Filling:
    """The defaults of this version."""
    from schemas.spec import KINDS  # noqa: PLC0415 - the models of specs, of which a plan of remembered ones needs none

    filling: dict[str, dict[str, list[str]]] = {}
    for kind in sorted(KINDS):
        for name, value in sorted(defaults_of(kind)):
            filling.setdefault(kind, {}).setdefault(name, []).append(value.decode())
    return filling


@cache
def todays_digest() -> str:
    """The digest of this version's defaults."""
    return digest_of(todays_filling())


@cache
def defaults_of(kind: str) -> frozenset[tuple[str, bytes]]:
    """The fields of a kind, at any depth, with what they are when left out, as canonical JSON."""
    from schemas.export import kind_schema  # noqa: PLC0415 - as above
    from schemas.spec import KINDS  # noqa: PLC0415 - as above

    return frozenset(_defaulted(kind_schema(KINDS[kind])))


def is_filled_otherwise(
    kind: str, before: Mapping[str, Any], filled_by: Filling, after: Mapping[str, Any]
) -> bool:
    """Whether a body became another only because this version fills it out otherwise.

    Args:
        before: as it was applied.
        filled_by: the defaults of then.
        after: by this version.
    """
    then, now = filled_by.get(kind, {}), todays_filling().get(kind, {})
    return all(_is_default(op, then, now) for op in field_ops(before, after))


def _is_default(
    op: Op, then: Mapping[str, Collection[str]], now: Mapping[str, Collection[str]]
) -> bool:
    name = op.path.rpartition("/")[2]
    had, has = _text(op.before) in then.get(name, ()), _is_filled(name, op.after, now)
    match op.op:
        case "replace":
            return had and has
        case "add":
            # What could be left out already and was absent was no default.
            return has and not _is_filled(name, op.after, then)
        case "remove":
            return had and name not in now


def _is_filled(name: str, value: Any, defaults: Mapping[str, Collection[str]]) -> bool:
    if _text(value) in defaults.get(name, ()):
        return True
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(_is_filled(field, inner, defaults) for field, inner in value.items())
    )


def _text(value: Any) -> str:
    return canonical(value).decode()


def _defaulted(schema: Any) -> Iterator[tuple[str, bytes]]:
    match schema:
        case dict():
            for name, field in schema.get("properties", {}).items():
                if "default" in field:
                    yield name, canonical(field["default"])
            for inner in schema.values():
                yield from _defaulted(inner)
        case list():
            for inner in schema:
                yield from _defaulted(inner)
        case _:
            pass
