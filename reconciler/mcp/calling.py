"""Who calls a tool, and what a tool may use.

@offers("operate", title="Snooze a task")
def snooze(call: Call, wish: Snooze) -> Snoozed:
    with call.writing(dry_run=wish.dry_run) as connection:
        report = snooze_task(connection, wish.task, actor=call.caller.actor(wish.reason), …)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final

from runtime.actor import Actor
from runtime.clock import Clock
from runtime.config import Config
from runtime.store.lending import Lender
from runtime.store.rows import Connection
from schemas.token import Scope

ORIGIN: Final = "mcp"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Attributes:
        name: what their actions are attributed to: a token's name, an agent's, or `user@host` of whoever started the server.
        scopes: what they may do.
        token: the name of their token; None for a person of this machine.
        address: where they call from, as far as it is known.
    """

    name: str
    scopes: frozenset[Scope]
    token: str | None = None
    address: str | None = None

    def may(self, scope: Scope) -> bool:
        """Whether they may do what takes this scope; `admin` is all of them."""
        return scope in self.scopes or "admin" in self.scopes

    def actor(self, reason: str) -> Actor:
        """Who does it, for records of who did what."""
        return Actor(self.name, ORIGIN, token=self.token, address=self.address, reason=reason)


@dataclass(frozen=True, slots=True)
class Desk:
    """What every call may use.

    Attributes:
        config: the settings.
        lend: finds the lender of connections to the database; it raises OrdinautError where there is none.
        clock: for what is waited for here.
        wrote: called after something was written.
    """

    config: Config
    lend: Callable[[], Lender]
    clock: Clock
    wrote: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool.

    Attributes:
        desk: what it may use.
        caller: who calls.
        trace_link: the span that it was called from, of a trace elsewhere.
        key: the idempotency key that a runtime of Ordinaut sends with it.
    """

    desk: Desk
    caller: Caller
    trace_link: str | None = None
    key: str | None = None

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection that cannot write; raises as `Lender.reading`."""
        return self.desk.lend().reading()

    @contextmanager
    def writing(self, *, dry_run: bool) -> Iterator[Connection]:
        """A connection within one transaction, which a dry run takes back; raises as `Lender.writing`."""
        with (
            self.desk.lend().writing() as connection,
            connection.transaction(force_rollback=dry_run),
        ):
            yield connection
        if not dry_run:
            self.desk.wrote()
