"""The fields in which two bodies differ, as JSON pointers (RFC 6901): what a reader wants to see of an update.

Lists whose items all have an `id` (steps) are matched by it, so that a step put in front is one addition; their
pointers count in the list that holds the item: the old one for a removal, the new one otherwise. Other lists are
compared place by place when equally long, and else replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Op:
    """One field that differs; `before` of an addition and `after` of a removal are None and mean nothing."""

    op: Literal["add", "remove", "replace"]
    path: str
    before: Any = None
    after: Any = None


def field_ops(before: Any, after: Any) -> tuple[Op, ...]:
    """The difference of two JSON values, in an order that depends on nothing but them."""
    return tuple(_compare("", before, after))


def pointer(path: Iterable[str | int]) -> str:
    """The JSON pointer that a path is."""
    return "".join(f"/{_escape(str(part))}" for part in path)


def _compare(path: str, before: Any, after: Any) -> Iterator[Op]:
    match before, after:
        case Mapping(), Mapping():
            yield from _compare_objects(path, before, after)
        case list() | tuple(), list() | tuple():
            yield from _compare_lists(path, before, after)
        case _:
            # 1, 1.0 and true are equal in Python but not in JSON.
            if type(before) is not type(after) or before != after:
                yield Op("replace", path, before, after)


def _compare_objects(
    path: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Op]:
    for name in sorted(before.keys() | after.keys()):
        inner = f"{path}/{_escape(name)}"
        if name not in after:
            yield Op("remove", inner, before=before[name])
        elif name not in before:
            yield Op("add", inner, after=after[name])
        else:
            yield from _compare(inner, before[name], after[name])


def _compare_lists(path: str, before: Sequence[Any], after: Sequence[Any]) -> Iterator[Op]:
    old, new = _by_id(before), _by_id(after)
    if old is not None and new is not None:
        if [name for name in old if name in new] == [name for name in new if name in old]:
            yield from _compare_identified(path, old, new)
        else:
            yield Op("replace", path, before, after)
    elif len(before) == len(after) and all(
        isinstance(item, Mapping) for item in (*before, *after)
    ):
        for place, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _compare(f"{path}/{place}", one, other)
    elif not _same_items(before, after):
        yield Op("replace", path, before, after)


def _same_items(before: Sequence[Any], after: Sequence[Any]) -> bool:
    return len(before) == len(after) and not any(
        field_ops(one, other) for one, other in zip(before, after, strict=True)
    )


def _compare_identified(
    path: str, old: Mapping[str, tuple[int, Any]], new: Mapping[str, tuple[int, Any]]
) -> Iterator[Op]:
    for name, (place, item) in old.items():
        if name not in new:
            yield Op("remove", f"{path}/{place}", before=item)
    for name, (place, item) in new.items():
        if name not in old:
            yield Op("add", f"{path}/{place}", after=item)
        else:
            yield from _compare(f"{path}/{place}", old[name][1], item)


def _by_id(items: Sequence[Any]) -> dict[str, tuple[int, Any]] | None:
    """Each item and its place, by its `id`; None if the items are not told apart by one."""
    found: dict[str, tuple[int, Any]] = {}
    for place, item in enumerate(items):
        name = item.get("id") if isinstance(item, Mapping) else None
        if not isinstance(name, str) or name in found:
            return None
        found[name] = (place, item)
    return found


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
