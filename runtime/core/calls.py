"""The calls that one step makes: a single one, or one for each item of its `foreach`, and at most so many at once.

An item that failed for good ends the step, and no other item begins, unless the step's `on_error` is `continue`: then its
place in the step's value stays empty, like that of an item whose condition did not hold.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from runtime.core.expressions import ABSENT, JSON
from runtime.core.expressions.context import Absent
from runtime.core.opencalls import OpenCall
from runtime.core.outcomes import CallError
from runtime.core.program import ProgramStep
from runtime.errors import ExpressionError

_MOST_ITEMS: Final = 100_000


@dataclass(order=True, slots=True)
class Call:
    """One call that a step has to make, until it has a result.

    Attributes:
        ready_at: when it may be made, in seconds of the monotonic clock.
        iteration: which item of `foreach` it is for, from 0; 0 for a step without.
        attempt: which try comes next, from 1.
        key: the idempotency key that every try of it carries; empty until it is prepared.
        rounds: how many tries ended with its server asking something back.
        opened: what the next try goes on with; None where it begins anew.
        message: what whoever has to approve it is shown; None for its arguments.
    """

    ready_at: float
    iteration: int
    attempt: int = field(compare=False)
    step: ProgramStep = field(compare=False)
    item: JSON | Absent = field(default=ABSENT, compare=False)
    key: str = field(default="", compare=False)
    rounds: int = field(default=0, compare=False)
    opened: OpenCall | None = field(default=None, compare=False)
    message: str | None = field(default=None, compare=False)

    @property
    def task(self) -> str | None:
        """The task that its server goes on with by itself, which is only asked for its result; None for a call."""
        return None if self.opened is None else self.opened.left.task

    @property
    def tries(self) -> int:
        """How many tries there were with this one, those left out that were left open."""
        return self.attempt - self.rounds


class StepCalls:
    """The calls of one step under way.

    Args:
        step: the step.
        items: what `foreach` gave; None for a step without.
        since: when it began, in seconds of the monotonic clock.
    """

    def __init__(self, step: ProgramStep, items: Sequence[JSON] | None, since: float) -> None:
        self.step = step
        self.since = since
        self.items = items
        self.count = 1 if items is None else len(items)
        self.skipped = 0
        self.failed = 0
        self.error: CallError | None = None
        self._values: list[JSON] = [None] * self.count
        self._left = deque(range(self.count))
        self._known: set[int] = set()
        self._waiting: list[Call] = []
        self._running = 0

    @property
    def value(self) -> JSON:
        """What templates find under the step's name."""
        return self._values[0] if self.items is None else self._values

    @property
    def is_over(self) -> bool:
        """Whether nothing of the step is under way, nor will be."""
        return not self._running and (self.error is not None or not (self._left or self._waiting))

    @property
    def next_at(self) -> float | None:
        """When a call that waits may be made; None if none waits, or there is no room for it."""
        if self.error is not None or not self._waiting or self._is_full:
            return None
        return self._waiting[0].ready_at

    @property
    def _is_full(self) -> bool:
        return self._running >= (1 if self.items is None else self.step.max_parallel)

    def begin(self, now: float) -> Iterator[Call]:
        """The calls that may begin at monotonic time `now`: each counts as under way once it has been given out."""
        while self.error is None and not self._is_full:
            if self._waiting and self._waiting[0].ready_at <= now:
                call = heapq.heappop(self._waiting)
            elif self._left:
                iteration = self._left.popleft()
                self._leave_out_known()
                item = ABSENT if self.items is None else self.items[iteration]
                call = Call(now, iteration, 1, self.step, item)
            else:
                return
            self._running += 1
            yield call

    def restore(self, iteration: int, value: JSON, failed: CallError | None) -> None:
        """The call's result is on record: it is not made again."""
        self._know(iteration)
        self._end(iteration, value, failed)

    def delay(
        self,
        iteration: int,
        ready_at: float,
        attempt: int,
        *,
        rounds: int = 0,
        opened: OpenCall | None = None,
    ) -> None:
        """Earlier tries of the call are on record: the next may follow at that time."""
        self._know(iteration)
        item = ABSENT if self.items is None else self.items[iteration]
        call = Call(ready_at, iteration, attempt, self.step, item, rounds=rounds, opened=opened)
        heapq.heappush(self._waiting, call)

    def try_again(self, call: Call, ready_at: float, opened: OpenCall | None = None) -> None:
        """The try failed, and another may follow at that time: anew, or going on with what was left open."""
        self._running -= 1
        call.ready_at = ready_at
        call.attempt += 1
        call.opened = opened
        heapq.heappush(self._waiting, call)

    def leave_open(self, call: Call, ready_at: float, opened: OpenCall) -> None:
        """The try ended with the server asking something back, and the next goes on from there, not before that time."""
        call.rounds += 1
        self.try_again(call, ready_at, opened)

    def hold(self, call: Call, ready_at: float) -> None:
        """The call waits for something else than another try, at least until then."""
        self._running -= 1
        call.ready_at = ready_at
        heapq.heappush(self._waiting, call)

    def look_again(self, places: Collection[tuple[str, int]], now: float) -> None:
        """Those of these calls that wait may be looked at now."""
        for call in self._waiting:
            if (self.step.name, call.iteration) in places:
                call.ready_at = min(call.ready_at, now)
        heapq.heapify(self._waiting)

    def skip(self) -> None:
        """The condition did not hold for one that began."""
        self._running -= 1
        self.skipped += 1

    def end(self, call: Call, value: JSON, failed: CallError | None) -> None:
        """The call has its result."""
        self._running -= 1
        self._end(call.iteration, value, failed)

    def _know(self, iteration: int) -> None:
        self._known.add(iteration)
        self._leave_out_known()

    def _leave_out_known(self) -> None:
        # Only at the front: taking one out of the middle would go through all before it.
        while self._left and self._left[0] in self._known:
            self._left.popleft()

    def _end(self, iteration: int, value: JSON, failed: CallError | None) -> None:
        if failed is None:
            self._values[iteration] = value
            return
        self.failed += 1
        if self.items is None or self.step.on_error != "continue":
            self.error = self.error or failed


def items_of(value: JSON) -> list[JSON]:
    """What `foreach` gave.

    Raises:
        ExpressionError: ORD503 it is no list, ORD506 it is too long.
    """
    if not isinstance(value, list):
        raise ExpressionError(f"foreach gave no list but {type(value).__name__}", code="ORD503")
    if len(value) > _MOST_ITEMS:
        raise ExpressionError(
            f"foreach gave {len(value):,} items; at most {_MOST_ITEMS:,} are allowed",
            code="ORD506",
        )
    return value


def next_at(steps: Iterable[StepCalls]) -> float | None:
    """When a call that waits may be made; None if there is none."""
    times = (calls.next_at for calls in steps)
    return min((at for at in times if at is not None), default=None)
