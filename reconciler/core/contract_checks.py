"""Calls held against the tool lock: the tool is there, its arguments are named right, none is missing, literals fit.

What is still a template has no type yet, so only its presence counts. Without a tool lock, and for servers that are not
in it, nothing is said. Checking costs a bounded number of steps whatever a schema says, and no `$ref` leaves its schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from reconciler.core.documents import shown
from reconciler.core.entry import Entry
from reconciler.core.locate import Path
from reconciler.core.misfit_words import has_template, is_certain, said
from reconciler.core.references import offers, steps_of
from reconciler.core.suggest import did_you_mean
from runtime.core.binding import canonical
from runtime.core.program import task_label
from schemas.pipeline import Verify
from schemas.problem import Problem
from schemas.schedule import ConditionSchedule
from schemas.task import Task
from schemas.tool_lock import LockedServer, ToolLock
from schemas.tool_server import ToolServer

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

    from runtime.core.contracts import Contract

_MOST: Final = 20
# Keywords under which a schema says something only if something else holds, which a template leaves open.
_CONDITIONAL: Final = frozenset({"dependentSchemas", "else", "then"})


@dataclass(frozen=True, slots=True)
class Contracts:
    """A tool lock, of which each schema is compiled once, when the first call of its tool is looked at.

    Attributes:
        servers: what is locked, by the name of the server.
    """

    servers: Mapping[str, LockedServer] = field(default_factory=dict)
    _compiled: dict[str, Contract | str] = field(default_factory=dict)

    @classmethod
    def of(cls, lock: ToolLock | None) -> Contracts:
        """Those that a tool lock holds."""
        return cls(lock.servers) if lock is not None else NO_CONTRACTS

    def arguments(self, server: str, tool: str) -> Contract | str:
        """What the arguments of a locked tool must fit, or why that cannot be said."""
        address = f"{server}.{tool}"
        if address not in self._compiled:
            self._compiled[address] = compiled_contract(
                self.servers[server].tools[tool].input_schema
            )
        return self._compiled[address]

    def result(self, server: str, tool: str) -> Mapping[str, Any] | None:
        """What a locked tool promises to answer; None if it promises nothing, or is not locked."""
        locked = self.servers.get(server)
        found = locked.tools.get(tool) if locked is not None else None
        return found.output_schema if found is not None else None


NO_CONTRACTS: Final = Contracts()
"""Without a tool lock."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a document: its tool as written, its arguments, and where they stand."""

    path: Path
    address: str
    arguments: Mapping[str, Any]
    arguments_path: Path
    key: str | None = None


def contract_problems(
    entry: Entry, contracts: Contracts, server_of: Callable[[str], ToolServer | None]
) -> Iterator[Problem]:
    """Every call of a document that its tool would refuse, by what is locked.

    Args:
        entry: the document.
        contracts: the tool lock.
        server_of: the tool server of a tool's address; None for a built-in one, or one that is not known.
    """
    if not contracts.servers:
        return
    for call in calls_of(entry):
        server, tool = server_of(call.address), call.address.partition(".")[2]
        label = label_of(server) if server is not None else ""
        locked = contracts.servers.get(label)
        # What the server's own filter leaves out has been told.
        if server is None or locked is None or not offers(server, tool):
            continue
        if tool in locked.tools:
            yield from argument_misfits(entry, call, contracts.arguments(label, tool))
        else:
            yield from entry.problem(
                call.path,
                "ORD402",
                f"the tool lock has no tool `{shown(tool)}` of the server {label}",
                f"{did_you_mean(tool, locked.tools)} `ordinaut tools lock --update {label}` asks the server again".lstrip(),
            )


def calls_of(entry: Entry) -> Iterator[Call]:
    """Every call that stands in a document: of its steps, of what they verify with, and of its conditions."""
    for path, step in steps_of(entry.document):
        key = step.idempotency.argument if step.idempotency is not None else None
        yield Call((*path, "uses"), step.uses, step.with_, (*path, "with"), key)
        if isinstance(step.on_unknown, Verify):
            at, asked = (*path, "on_unknown"), step.on_unknown
            yield Call((*at, "verify"), asked.verify, asked.with_, (*at, "with"))
    if isinstance(entry.document, Task):
        for number, schedule in enumerate(entry.document.schedule):
            if isinstance(schedule, ConditionSchedule):
                poll, at = schedule.condition, ("schedule", number, "condition")
                yield Call((*at, "uses"), poll.uses, poll.with_, (*at, "with"))


def label_of(server: ToolServer) -> str:
    """What a server is called in the tool lock."""
    return task_label(server.namespace, server.name)


def argument_misfits(entry: Entry, call: Call, contract: Contract | str) -> Iterator[Problem]:
    """What a tool would refuse of a call's arguments; of its contract, or why there is none that can be used."""
    if isinstance(contract, str):
        message = f"the arguments of `{call.address}` cannot be checked: {contract}"
        yield from entry.problem(call.path, "ORD403", message, "", "warning")
        return
    # The key is made when the call is: a template as any other.
    keyed = {} if call.key is None else {call.key: "${}"}
    arguments = {**call.arguments, **keyed}
    if contract.certainly_fits(arguments):
        return
    yield from _unknown(entry, call, contract, arguments)
    yield from _misfits(entry, call, contract, arguments)


def _unknown(
    entry: Entry, call: Call, contract: Contract, arguments: Mapping[str, Any]
) -> Iterator[Problem]:
    if contract.declared is None:
        return
    known = tuple(sorted(contract.declared))
    for name in arguments:
        if name not in contract.declared:
            is_key = name == call.key and name not in call.arguments
            where = (*call.path[:-1], "idempotency", "argument") if is_key else (*call.arguments_path, name)  # fmt: skip
            message = f"`{call.address}` takes no argument `{shown(name)}`"
            hint = did_you_mean(name, known, "" if known else "it takes none")
            yield from entry.problem(where, "ORD403", message, hint)


def _misfits(
    entry: Entry, call: Call, contract: Contract, arguments: Mapping[str, Any]
) -> Iterator[Problem]:
    from runtime.core.contracts import UnusableSchema  # noqa: PLC0415 - heavy

    try:
        errors = contract.misfits(arguments, _MOST)
    except UnusableSchema as error:
        yield from argument_misfits(entry, call, str(error))
        return
    is_open = has_template(arguments)
    found = [
        (
            (*call.arguments_path, *error.absolute_path),
            said(error, "argument", f"`{call.address}`"),
        )
        for error in errors
        if _counts(error, is_open=is_open)
    ]
    # Of several that are missing each is an error that tells of all.
    for where, message in dict.fromkeys(found):
        yield from entry.problem(where, "ORD403", message)


def _counts(error: ValidationError, *, is_open: bool) -> bool:
    """Whether something is wrong whatever templates turn out to be, and not told as an unknown name already."""
    is_told = error.validator in {"additionalProperties", "unevaluatedProperties"} and not error.path  # fmt: skip
    depends = is_open and not _CONDITIONAL.isdisjoint(error.absolute_schema_path)
    return not is_told and not depends and is_certain(error)


def compiled_contract(schema: Mapping[str, Any]) -> Contract | str:
    """A JSON Schema ready to be used, or why it cannot be."""
    from runtime.core.contracts import UnusableSchema, contract  # noqa: PLC0415 - heavy

    try:
        return contract(canonical(schema))
    except UnusableSchema as error:
        return str(error)
