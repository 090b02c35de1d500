"""The course of a run: which steps may begin, what a failure does to the rest, and how the run ends.

It is told what became of each step and answers what comes next. A step has passed when those that need it may go on:
it succeeded, was skipped, or failed where `on_error` lets the run go on. After `on_error: {goto: step}` the steps behind the
failed one are skipped, up to the one named and what comes after that. Once a step has failed for good no other begins; what
is under way is awaited by whoever executes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from runtime.core.outcomes import CallError


@dataclass(frozen=True, slots=True)
class Goto:
    """Go on at this step."""

    step: str


OnError = Literal["fail", "continue"] | Goto


class CourseStep(Protocol):
    """What the course reads of a step."""

    @property
    def name(self) -> str: ...
    @property
    def needs(self) -> tuple[str, ...]: ...
    @property
    def on_error(self) -> OnError: ...


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run fails: the error and, where a step is to blame, that step."""

    error: CallError
    step: str | None = None


class Course:
    """Where one run stands. Steps come in an order in which each follows all that it needs."""

    def __init__(self, steps: Sequence[CourseStep]) -> None:
        self._steps: Mapping[str, CourseStep] = {step.name: step for step in steps}
        self._to_begin = dict.fromkeys(self._steps)
        self._passed: set[str] = set()
        self._to_skip: list[str] = []
        self.failure: Failure | None = None

    @property
    def is_complete(self) -> bool:
        """Whether every step has passed."""
        return len(self._passed) == len(self._steps)

    def begin(self) -> list[str]:
        """The steps that may begin now, in order; each is named once."""
        if self.failure is not None or not self._to_begin:
            return []
        ready = [
            name for name in self._to_begin if self._passed.issuperset(self._steps[name].needs)
        ]
        for name in ready:
            del self._to_begin[name]
        return ready

    def skipped(self) -> list[str]:
        """The steps that a failure before them has put out of the course since this was last asked; they have passed."""
        skipped, self._to_skip = self._to_skip, []
        return skipped

    def restore(self, name: str) -> None:
        """The step begins no more: its result is on record, and told by `passed` or `failed`."""
        self._to_begin.pop(name, None)

    def passed(self, name: str) -> None:
        """The step succeeded or was skipped."""
        self._passed.add(name)

    def failed(self, name: str, error: CallError) -> None:
        """The step failed, and is not tried again."""
        match self._steps[name].on_error:
            case "fail":
                self.fail(error, name)
            case "continue":
                self._passed.add(name)
            case Goto(step=target):
                self._passed.add(name)
                self._leap(name, target)

    def fail(self, error: CallError, step: str | None = None) -> None:
        """The run fails; of several reasons the first is kept."""
        self.failure = self.failure or Failure(error, step)

    def _leap(self, origin: str, target: str) -> None:
        kept = {target, *self._behind(target)}
        for name in self._behind(origin):
            if name not in kept and name in self._to_begin:
                del self._to_begin[name]
                self._passed.add(name)
                self._to_skip.append(name)

    def _behind(self, origin: str) -> Iterator[str]:
        """The steps that need `origin`, directly or through others, in order."""
        return behind({name: step.needs for name, step in self._steps.items()}, origin)


def behind(needs: Mapping[str, Iterable[str]], origin: str) -> Iterator[str]:
    """The steps that come certainly after `origin`.

    Args:
        needs: what each step needs directly, in an order in which each follows all that it needs.
        origin: one of them.
    """
    reached = {origin}
    for name, needed in needs.items():
        if not reached.isdisjoint(needed):
            reached.add(name)
            yield name
