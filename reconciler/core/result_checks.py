"""Results that expressions read, held against what locked tools and `llm.*` promise to answer.

A field that the schema of a result does not name is an error where the schema says that there are no others, and else a
warning. Nothing is said of what is read through `default()`, of results that are not the tool's answer alone, and where a
schema leaves it open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from reconciler.core.contract_checks import Contracts, label_of
from reconciler.core.documents import shown
from reconciler.core.entry import Entry, Finding
from reconciler.core.references import steps_of
from reconciler.core.sites import Site
from reconciler.core.suggest import did_you_mean
from reconciler.core.templates import reads_of
from runtime.core.expressions import Reference
from runtime.core.llm.tools import LLM_TOOLS, MODEL_TOOLS
from schemas.base import Document
from schemas.pipeline import Step, Verify
from schemas.problem import Problem
from schemas.schedule import ConditionSchedule
from schemas.task import Task
from schemas.tool_server import ToolServer

_DEFS: Final = ("#/$defs/", "#/definitions/")
# Keywords that may bring in more than what stands beside them.
_OPEN: Final = frozenset(
    {"$dynamicRef", "allOf", "anyOf", "else", "if", "oneOf", "patternProperties", "then"}
)


class _Read(NamedTuple):
    """Whose answer an expression reads, what it was called with, and what of the answer is read."""

    address: str
    arguments: Mapping[str, Any]
    path: Sequence[str | int]


class _Absent(NamedTuple):
    """A name that a schema does not have, those that it has, and whether it says that there are no others."""

    name: str
    known: tuple[str, ...]
    is_certain: bool


def result_problems(
    entry: Entry, contracts: Contracts, server_of: Callable[[str], ToolServer | None]
) -> Iterator[Problem]:
    """Every field of a result that is read and not promised.

    Args:
        entry: the document.
        contracts: the tool lock.
        server_of: the tool server of a tool's address; None for a built-in one, or one that is not known.
    """
    steps = [step for _, step in steps_of(entry.document)]
    if not contracts.servers and not any(step.uses in MODEL_TOOLS for step in steps):
        return
    for site, path, text, reference in reads_of(entry):
        read = None if reference.guarded else _read(reference, site, steps, entry.document)
        if read is None:
            continue
        schema, below = _promised(read, contracts, server_of)
        if (absent := _absent(schema, below, schema)) is not None:
            found = Finding(
                "ORD502",
                f"`{reference}`: the result of `{read.address}` has no `{shown(absent.name)}`",
                did_you_mean(absent.name, absent.known),
                "error" if absent.is_certain else "warning",
            )
            position = max(text.find(str(reference)), 0)
            yield from entry.problem_in_text(path, text, position, found)


def _promised(
    read: _Read, contracts: Contracts, server_of: Callable[[str], ToolServer | None]
) -> tuple[Mapping[str, Any] | None, Sequence[str | int]]:
    """A schema of what is promised, None where nothing is, and what is read of that."""
    tool = read.address.partition(".")[2]
    if read.address in MODEL_TOOLS:
        wanted = read.arguments.get("output_schema")
        if read.path[:1] == ["data"] and isinstance(wanted, Mapping):
            return wanted, read.path[1:]
        return LLM_TOOLS[tool].output_schema, read.path
    server = server_of(read.address)
    return None if server is None else contracts.result(label_of(server), tool), read.path


def _read(
    reference: Reference, site: Site, steps: Sequence[Step], document: Document
) -> _Read | None:
    match reference.root, reference.path:
        case "steps", [str(name), *rest]:
            owners = [step for step in steps if step.result_name == name]
            if len(owners) == 1 and _is_answer(owners[0]):
                return _Read(owners[0].uses, owners[0].with_, rest)
        case "result", [*rest]:
            asked = _asked(site, steps, document)
            return _Read(*asked, rest) if asked is not None else None
        case _:
            pass
    return None


def _is_answer(step: Step) -> bool:
    """Whether the result of a step is what its tool answered: neither a list of that, nor read in another way, nor what another tool knows of it."""
    return (
        step.foreach is None and step.parse == "auto" and not isinstance(step.on_unknown, Verify)
    )


def _asked(
    site: Site, steps: Sequence[Step], document: Document
) -> tuple[str, Mapping[str, Any]] | None:
    """The tool whose answer `result` is at a place, and its arguments."""
    match site.path:
        case ["schedule", int(number), "condition", _] if isinstance(document, Task):
            schedule = document.schedule[number]
            if not isinstance(schedule, ConditionSchedule):
                return None
            return schedule.condition.uses, schedule.condition.with_
        case [*_, "on_unknown", "when"] if site.step is not None:
            policy = steps[site.step].on_unknown
            return (policy.verify, policy.with_) if isinstance(policy, Verify) else None
        case [*_, "fail_when"] | [*_, "expect", _] if site.step is not None:
            step = steps[site.step]
            return (step.uses, step.with_) if step.parse == "auto" else None
        case _:
            return None


def _absent(schema: Any, path: Sequence[str | int], root: Any) -> _Absent | None:
    """The first name of a path that a schema does not have; None if all are there, or may be."""
    for part in path:
        schema = _plain(schema, root)
        if not isinstance(schema, Mapping) or _OPEN & schema.keys():
            return None
        if isinstance(part, int):
            schema = schema.get("items")
            continue
        known = schema.get("properties")
        if not isinstance(known, Mapping):
            return None
        if part not in known:
            others = schema.get("additionalProperties", None)
            is_open = others is True or isinstance(others, Mapping)
            return None if is_open else _Absent(part, tuple(sorted(known)), others is False)
        schema = known[part]
    return None


def _plain(schema: Any, root: Any) -> Any:
    """A schema behind references and beside null; bounded, since references may lead round in a circle."""
    for _ in range(8):
        if not isinstance(schema, Mapping):
            return schema
        reference, either = schema.get("$ref"), schema.get("anyOf")
        if isinstance(reference, str) and reference.startswith(_DEFS):
            _, holder, name = reference.split("/", 2)
            schema = root.get(holder, {}).get(name)
        elif isinstance(either, list) and "properties" not in schema:
            others = [part for part in either if part != {"type": "null"}]
            if len(others) != 1:
                return schema
            schema = others[0]
        else:
            return schema
    return None
