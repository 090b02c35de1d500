"""How a command ends whose answer is JSON: with an object that says what became of it, whatever that was.

The error itself goes on to the boundary of the command line, which says it in words on stderr and sets the exit code.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from runtime.cli.options import Command
from runtime.cli.output import echo_json, echo_json_line
from runtime.errors import EXIT_ERROR, EXIT_INTERRUPTED, OrdinautError, SpecError
from schemas.base import Model
from schemas.problem import Problem

if TYPE_CHECKING:
    from schemas.failure import Failure

_ANSWERED: Final = "ordinaut.answered"
Answer: TypeAlias = "Callable[[Failure, int, tuple[Problem, ...]], Model]"
# What says how a command failed, by what is called of it: a command line may be refused before that.
_ANSWERS: Final[dict[Command, Answer]] = {}


def ends_in_result(command: Command) -> Command:
    """Let a command that writes end, with `--json`, in exactly one result; outermost of its decorators."""
    return _ends_in(command, _result)


def ends_in_plan(command: Command) -> Command:
    """Let a command that plans say, with `--json`, why there is no plan; outermost of its decorators."""
    return _ends_in(command, _no_plan)


def answer(value: Model) -> None:
    """Print what a command came to; what happens afterwards takes nothing of it back."""
    answered()
    echo_json_line(value.model_dump(mode="json"))


def answered() -> None:
    """Note that the answer was printed."""
    click.get_current_context().meta[_ANSWERED] = True


def tell_failure(error: Exception) -> None:
    """Print why a command did not answer, or was not even called: as its answer, or as any command says it."""
    if (
        isinstance(error, click.UsageError)
        and error.ctx
        and error.ctx.command.callback in _ANSWERS
    ):
        answer(_told(_ANSWERS[error.ctx.command.callback], error))
    else:
        echo_json(_told(_command_failure, error).model_dump(mode="json"))


def _told(of: Answer, error: BaseException) -> Model:
    failure, exit_code = _failure(error)
    problems = error.problems if isinstance(error, SpecError) else ()
    return of(failure, exit_code, problems)


def _command_failure(failure: Failure, exit_code: int, problems: tuple[Problem, ...]) -> Model:
    from schemas.failure import CommandFailure  # noqa: PLC0415 - only failures need it

    return CommandFailure(exit_code=exit_code, error=failure, problems=problems)


def _result(failure: Failure, exit_code: int, problems: tuple[Problem, ...]) -> Model:
    from schemas.apply import ApplyResult  # noqa: PLC0415 - as above

    return ApplyResult(ok=False, exit_code=exit_code, error=failure, problems=problems)


def _no_plan(failure: Failure, exit_code: int, problems: tuple[Problem, ...]) -> Model:
    from schemas.failure import PlanFailure  # noqa: PLC0415 - as above

    return PlanFailure(exit_code=exit_code, error=failure, diagnostics=problems)


def _ends_in(command: Command, of: Answer) -> Command:
    @wraps(command)
    def call(**values: Any) -> None:
        try:
            command(**values)
        except BrokenPipeError:
            raise
        except BaseException as error:
            if values["as_json"] and _ANSWERED not in click.get_current_context().meta:
                answer(_told(of, error))
            raise

    _ANSWERS[call] = of
    return call


def _failure(error: BaseException) -> tuple[Failure, int]:
    """What an error is called, and how the command will end."""
    from schemas.failure import Failure  # noqa: PLC0415 - as above

    match error:
        case OrdinautError():
            told = Failure(code=error.code, message=error.message, hint=error.hint)
            return told, error.exit_code
        case click.UsageError():
            return Failure(code="usage", message=error.format_message()), EXIT_ERROR
        case click.exceptions.Exit(exit_code=code) if code != EXIT_INTERRUPTED:
            return Failure(code="declined", message="nothing was applied"), code
        case KeyboardInterrupt() | click.exceptions.Exit():
            return Failure(code="interrupted", message="interrupted"), EXIT_INTERRUPTED
        case _:
            what = " ".join(f"{type(error).__name__}: {error}".split())
            return Failure(code="defect", message=what), EXIT_ERROR
