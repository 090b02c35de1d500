"""The error tree. Every error has a stable code (`schemas.codes`), says what to do, and knows whether a retry can help.

OrdinautError
├── ConfigError            a setting is missing or wrong
├── SpecError              specs are wrong; carries every problem with its place
├── ScheduleError          a schedule expression is wrong
├── ExpressionError        a template or JMESPath expression is wrong or cannot be evaluated
├── PlanError              plan or apply refused
│   ├── StalePlan          the database moved on
│   ├── Blocked            a guard, policy or protection refused
│   │   ├── Held           a rollback keeps what is to be applied from coming back
│   │   ├── Frozen         a freeze window is open
│   │   ├── PolicyBroken   a policy of the Project refused
│   │   └── PolicyFailed   a policy of the Project could not be evaluated
│   ├── Conflicted         somebody else changed what the plan changes
│   └── ApplyLocked        another apply holds the lock
├── StoreError             PostgreSQL
│   ├── DatabaseUnavailable
│   ├── Unstorable         a value it cannot keep
│   ├── SchemaMismatch     schema older or newer than the program
│   └── LeaseLost          another runtime holds the run
├── BusError               Redis
├── EmbeddedError          an embedded server
├── ToolServerError        a tool server cannot be started or reached
├── SecretUnreadable       a secret cannot be read
├── ToolLockError          the tool lock cannot be read or written
├── SourceUnavailable      a git repository cannot be read
└── NotFound               no such task, run, server

A failed tool call is not an exception but a value: `runtime.core.outcomes.CallOutcome`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    # pydantic comes with it, and `ordinaut --help` should not wait for that.
    from schemas.problem import Problem

EXIT_ERROR = 1
EXIT_CHANGES = 2
EXIT_BLOCKED = 3
EXIT_STALE = 4
EXIT_LOCKED = 5
EXIT_STUCK = 70
EXIT_INTERRUPTED = 130


class OrdinautError(Exception):
    """Root of every error that a user may see.

    Args:
        message: what happened and where, one sentence, no trailing period needed.
        hint: what to do about it; empty if the message already says so.
        code: stable `ORDnnn` code; defaults to the class's own.
    """

    default_code: ClassVar[str] = "ORD306"
    exit_code: ClassVar[int] = EXIT_ERROR
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.default_code

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f"\n  {self.hint}" if self.hint else "")


class ConfigError(OrdinautError):
    """A setting is missing or has a wrong value."""

    default_code = "ORD306"


class ScheduleError(OrdinautError):
    """A schedule expression cannot be used; `message` says what is wrong and `hint` what was probably meant."""

    default_code = "ORD601"


class ExpressionError(OrdinautError):
    """A template or JMESPath expression cannot be parsed or evaluated.

    Args:
        path: keys and indexes from the templated value down to the string at fault; empty for a bare expression.
        position: where in that string, in characters from its start; None where no single place is at fault.
    """

    default_code = "ORD501"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str | None = None,
        path: tuple[str | int, ...] = (),
        position: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.path = path
        self.position = position


class SpecError(OrdinautError):
    """The specs hold errors; `problems` are all of them, each with its place."""

    default_code = "ORD201"

    def __init__(self, message: str, *, problems: Sequence[Problem], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class PlanError(OrdinautError):
    """Plan or apply refused; nothing was changed."""

    default_code = "ORD201"


class StalePlan(PlanError):
    """The database changed since the plan was made."""

    default_code = "ORD202"
    exit_code = EXIT_STALE


class Blocked(PlanError):
    """A guard, policy or protection refused the change."""

    default_code = "ORD203"
    exit_code = EXIT_BLOCKED


class Held(Blocked):
    """What is to be applied was rolled back, and a hold keeps it from coming back."""

    default_code = "ORD210"


class Frozen(Blocked):
    """A freeze window is open: what is refused now may be applied when it is over."""

    default_code = "ORD214"
    retryable = True


class PolicyBroken(Blocked):
    """A policy of the Project refused the change."""

    default_code = "ORD215"


class PolicyFailed(Blocked):
    """A policy of the Project could not be evaluated: what cannot be judged is refused."""

    default_code = "ORD216"


class Conflicted(PlanError):
    """Somebody else changed what the plan changes."""

    default_code = "ORD208"
    exit_code = EXIT_STALE


class ApplyLocked(PlanError):
    """Another apply holds the lock."""

    default_code = "ORD205"
    exit_code = EXIT_LOCKED
    retryable = True


class StoreError(OrdinautError):
    """PostgreSQL refused or failed."""

    default_code = "ORD301"


class DatabaseUnavailable(StoreError):
    """PostgreSQL cannot be reached, or refused the credentials (`ORD302`)."""

    default_code = "ORD301"
    exit_code = EXIT_LOCKED
    retryable = True


class Unstorable(StoreError):
    """A value holds what PostgreSQL cannot keep."""

    default_code = "ORD508"


class Unreadable(StoreError):
    """A row holds what is no document of its kind: somebody wrote it past git."""

    default_code = "ORD317"

    @classmethod
    def because(cls, what: str, error: Exception) -> Unreadable:
        """That the row of this document cannot be read, for that reason."""
        return cls(
            f"the row of {what} cannot be read: {type(error).__name__}: {error}",
            hint="`ordinaut plan` tells who wrote it past git, and `ordinaut apply` restores it",
        )


class SchemaMismatch(StoreError):
    """The database schema is older or newer than this program."""

    default_code = "ORD303"


class LeaseLost(StoreError):
    """Another runtime holds the run now: stop the local work, write nothing."""

    default_code = "ORD309"


class BusError(OrdinautError):
    """Redis cannot be reached or refused."""

    default_code = "ORD305"
    retryable = True


class EmbeddedError(OrdinautError):
    """An embedded PostgreSQL or Valkey could not be started, used or stopped."""

    default_code = "ORD307"


class ToolServerError(OrdinautError):
    """A tool server cannot be started or reached; a failed *call* is a `CallOutcome` instead."""

    default_code = "ORD401"
    retryable = True


class SecretUnreadable(OrdinautError):
    """A secret is not defined, or its source does not hold it."""

    default_code = "ORD410"


class ToolLockError(OrdinautError):
    """The tool lock cannot be read, or what servers offer cannot be written into it."""

    default_code = "ORD017"


class SourceUnavailable(OrdinautError):
    """A git repository cannot be reached or read."""

    default_code = "ORD313"
    exit_code = EXIT_LOCKED
    retryable = True


class NotFound(OrdinautError):
    """No such task, run, server or file."""

    default_code = "ORD310"
