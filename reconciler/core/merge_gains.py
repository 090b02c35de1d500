"""What a change of a Project lets agents merge of what they propose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from schemas.plan import FieldChange


def merges_gained(
    proposals: Mapping[str, Any] | None, ops: Iterable[FieldChange], *, is_new: bool
) -> Iterator[str]:
    """Who may merge what, in words that follow the Project's name; every rule, where any of them differs.

    Args:
        proposals: what the Project says of proposals then.
        ops: the fields of the Project that differ.
        is_new: whether the Project is.
    """
    touched = is_new or any(op.path.split("/")[1:2] == ["proposals"] for op in ops)
    if not touched or not proposals:
        return
    for rule in proposals.get("merge", ()):
        yield f"lets {rule['agent']} merge its proposals in {rule['namespace']}"
