"""What a step says of its effect: what must not be repeated, what becomes of an unknown outcome, how the key is sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from reconciler.core.entry import Entry
from reconciler.core.locate import Path
from reconciler.core.references import steps_of, tool_uses
from runtime.core.expressions import compile_template, references
from runtime.core.letters import EMAIL
from runtime.core.llm.tools import MODEL_TOOLS
from runtime.core.outcomes import UNKNOWN_OUTCOMES
from runtime.core.retry import REPEATABLE_EFFECTS
from runtime.core.waits import WAITING_TOOLS
from runtime.errors import ExpressionError
from schemas.pipeline import Step, Verify
from schemas.problem import Problem
from schemas.spec import BUILTIN_SERVERS
from schemas.tool_server import ToolServer

_SQL: Final = "ordinaut.sql"
_SECRET: Final = re.compile(r"\$\{\s*secrets\.[A-Za-z_][A-Za-z0-9_]*\s*\}")
# What PostgreSQL prepares.
_STATEMENTS: Final = ("delete", "insert", "merge", "select", "update", "values", "with")
# Headers that the protocol itself needs, or that say who we are.
_TAKEN: Final = frozenset(
    {"accept", "authorization", "connection", "content-length", "content-type", "cookie", "host"}
)
_TAKEN_PREFIX: Final = "mcp-"


def effect_problems(
    entry: Entry, server_of: Callable[[str], ToolServer | None]
) -> Iterator[Problem]:
    """Every contradiction between a step's effect, its retry, its policy for the unknown, and its key.

    Args:
        entry: the document.
        server_of: the tool server of a tool's address; None for a built-in one, or one that is not known.
    """
    for path, step in steps_of(entry.document):
        yield from _repeated(entry, path, step)
        yield from _pointless(entry, path, step)
        yield from _misplaced_key(entry, path, step, server_of)
        yield from _misread(entry, path, step)
        yield from _uncacheable(entry, path, step)
        yield from _transaction(entry, path, step)
        yield from _open_password(entry, path, step)
    for path, address in tool_uses(entry.document):
        if address == _SQL and (path[0] == "schedule" or path[-1] == "verify"):
            message = f"`{_SQL}` runs only as a step, and is committed with its result"
            yield from entry.problem(path, "ORD013", message, "name another tool")


def _repeated(entry: Entry, path: Path, step: Step) -> Iterator[Problem]:
    if step.retry is None or step.effect != "once":
        return
    for number, outcome in enumerate(step.retry.retry_on):
        if outcome in UNKNOWN_OUTCOMES:
            yield from entry.problem(
                (*path, "retry", "retry_on", number),
                "ORD013",
                f"step {step.id} has the effect `{step.effect}`, so a call that may have happened"
                f" (`{outcome}`) is not tried again",
                "take it out of `retry_on`, or say what to do with `on_unknown`",
            )


def _pointless(entry: Entry, path: Path, step: Step) -> Iterator[Problem]:
    if step.on_unknown != "fail" and step.effect != "once":
        yield from entry.problem(
            (*path, "on_unknown"),
            "ORD013",
            f"step {step.id} has the effect `{step.effect}`, so no outcome of it is unknown",
            "`on_unknown` belongs to a step with `effect: once`",
        )

    if isinstance(step.on_unknown, Verify) and step.on_unknown.verify in WAITING_TOOLS:
        yield from entry.problem(
            (*path, "on_unknown", "verify"),
            "ORD013",
            f"`{step.on_unknown.verify}` only waits, so it knows nothing of a call",
            "`on_unknown: ask` asks people; `verify` names a tool that can look it up",
        )


def _misread(entry: Entry, path: Path, step: Step) -> Iterator[Problem]:
    if step.parse != "auto" and step.uses.partition(".")[0] in BUILTIN_SERVERS:
        message = (
            f"`{step.uses}` answers with a value, and `parse` reads the text of a tool server"
        )
        hint = "leave it out; `from_json(…)` in an expression reads a text"
        yield from entry.problem((*path, "parse"), "ORD013", message, hint)


def _uncacheable(entry: Entry, path: Path, step: Step) -> Iterator[Problem]:
    if step.cache is None:
        return
    at = (*path, "cache")
    if step.effect not in REPEATABLE_EFFECTS:
        message = f"step {step.id} has the effect `{step.effect}`: without its call it has none"
        hint = "only the result of a step that is `pure` or `idempotent` may be reused"
        yield from entry.problem(at, "ORD013", message, hint)
    elif step.uses.partition(".")[0] in BUILTIN_SERVERS and step.uses not in MODEL_TOOLS:
        message = f"`{step.uses}` computes or waits, and gives nothing that is worth keeping"
        yield from entry.problem(at, "ORD013", message, "leave `cache` out")


def _transaction(entry: Entry, path: Path, step: Step) -> Iterator[Problem]:
    if (step.uses == _SQL) != (step.effect == "transactional"):
        message = (
            f"step {step.id} calls `{_SQL}`, whose effect is `transactional`"
            if step.uses == _SQL
            else f"`{step.uses}` cannot commit with the result of step {step.id}"
        )
        hint = f"only `{_SQL}` is `transactional`, and it is nothing else"
        yield from entry.problem((*path, "effect"), "ORD013", message, hint)
    statement = step.with_.get("statement")
    if step.uses != _SQL or not isinstance(statement, str):
        return
    complaint = _complaint(statement)
    if complaint is not None:
        hint = "write one statement, and give values as `parameters`: `$1` is the first of them"
        yield from entry.problem((*path, "with", "statement"), "ORD013", complaint, hint)


def _open_password(entry: Entry, path: Path, step: Step) -> Iterator[Problem]:
    password = step.with_.get("password")
    if step.uses != EMAIL or password is None or _SECRET.fullmatch(str(password)):
        return
    yield from entry.problem(
        (*path, "with", "password"),
        "ORD013",
        f"the password of `{EMAIL}` is a secret, and stands nowhere in git",
        "write `${secrets.NAME}`, and say under `secrets` of the Project where it is",
    )


def _complaint(statement: str) -> str | None:
    """What is wrong with a statement, as far as that can be seen without PostgreSQL."""
    if "${" in statement:
        return "a statement takes no templates: what they give could be read as part of it"
    if ";" in statement.rstrip().removesuffix(";"):
        return "a statement holds no semicolon but at its end"
    words = statement.split(maxsplit=1)
    if not words or words[0].lower() not in _STATEMENTS:
        return f"a statement begins with one of {', '.join(_STATEMENTS)}"
    return None


def _misplaced_key(
    entry: Entry, path: Path, step: Step, server_of: Callable[[str], ToolServer | None]
) -> Iterator[Problem]:
    how = step.idempotency
    if how is None:
        return
    if step.uses.partition(".")[0] in BUILTIN_SERVERS:
        message = f"step {step.id} calls a built-in tool, which takes no idempotency key"
        yield from entry.problem((*path, "idempotency"), "ORD013", message, "take it out")
        return
    if how.argument is not None and how.argument in step.with_:
        yield from entry.problem(
            (*path, "idempotency", "argument"),
            "ORD013",
            f"step {step.id} gives the argument `{how.argument}` itself, and wants the idempotency key in it",
            "take it out of `with`; `idempotency.key` makes a key of your own",
        )
    if how.key is not None and (shared := _shared(step, how.key)) is not None:
        hint = "a tool that keeps keys does only the first: let the key name what is done"
        yield from entry.problem((*path, "idempotency", "key"), "ORD013", shared, hint, "warning")
    if how.header is not None:
        yield from _misplaced_header(entry, path, step, how.header, server_of(step.uses))


def _shared(step: Step, key: str) -> str | None:
    """Who has one key in common; None if that cannot be said."""
    try:
        roots = {reference.root for reference in references(compile_template(key))}
    except ExpressionError:
        return None
    if not roots:
        return f"every run of step {step.id} has the same idempotency key"
    if step.foreach is not None and "item" not in roots:
        return f"all items of step {step.id} have the same idempotency key"
    return None


def _misplaced_header(
    entry: Entry, path: Path, step: Step, header: str, server: ToolServer | None
) -> Iterator[Problem]:
    name = header.lower()
    if server is not None and server.http is None:
        yield from entry.problem(
            (*path, "idempotency", "header"),
            "ORD013",
            f"step {step.id} calls a child process, which gets no HTTP headers",
            "send the key as an `argument`; it is always in `_meta` as well",
        )
    elif name in _TAKEN or name.startswith(_TAKEN_PREFIX):
        yield from entry.problem(
            (*path, "idempotency", "header"),
            "ORD013",
            f"the header `{header}` has another meaning",
            "name one that is free, such as Idempotency-Key",
        )
