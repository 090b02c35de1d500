"""The calls of one run that are being made at this moment: they are begun beside its execution, and bring back outcomes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from runtime.clock import Clock
from runtime.core.calls import Call
from runtime.core.outcomes import CallOutcome
from runtime.core.program import Verification
from runtime.progress import Try
from runtime.service import end_tasks
from runtime.wake import Bell


@dataclass(frozen=True, slots=True)
class Ready:
    """A call that may be made, and its arguments as the tool gets them and as they are shown.

    Attributes:
        verification: what is asked instead, because the call may have happened; None for the call itself.
        asks_turn: it has to ask for its turn first, and is not made yet.
    """

    call: Call
    arguments: Mapping[str, Any]
    shown: Any
    verification: Verification | None = None
    asks_turn: bool = False


@dataclass(frozen=True, slots=True)
class Landed:
    """A call that came back.

    Attributes:
        is_check: what came back is what another tool says of it.
        is_recorded: its result is on record already.
        turn_in: it asked for its turn, which comes in so many seconds; None if it was made.
    """

    call: Call
    shown: Any
    outcome: CallOutcome
    seconds: float
    is_check: bool = False
    is_recorded: bool = False
    turn_in: float | None = None

    def judged(self, outcome: CallOutcome) -> Landed:
        """The same with another outcome, if it is another."""
        return self if outcome is self.outcome else replace(self, outcome=outcome)

    @property
    def tried(self) -> Try:
        """As it will be recorded."""
        call = self.call
        return Try(
            call.step,
            call.iteration,
            call.attempt,
            self.shown,
            self.outcome,
            self.seconds,
            call.key,
        )


MakeCall = Callable[[Ready], Awaitable[Landed]]


class UnderWay:
    """What of one run is under way. One task at a time may wait here."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._active: set[asyncio.Task[None]] = set()
        self._landed: list[Landed] = []
        self._writing: asyncio.Task[None] | None = None
        self._fault: Exception | None = None
        self._bell = Bell(clock)

    def __bool__(self) -> bool:
        """Whether a call is being made, or has come back and nobody has looked, or results are being written."""
        return bool(self._active or self._landed)

    async def make(
        self, ready: Sequence[Ready], until: float | None, call: MakeCall
    ) -> list[Landed]:
        """Begin these calls; what has come back as soon as something has, or nothing at monotonic time `until`.

        Args:
            ready: calls to be begun.
            until: by the monotonic clock; infinite where something else may ring, None where nothing does.
            call: makes one, to its end. Not kept: it belongs to whoever keeps this.

        Raises:
            Exception: what making a call raised.
        """
        if len(ready) == 1 and not self._active and until is None:
            return [await call(ready[0])]
        if until == math.inf:
            until = None
        for one in ready:
            self._active.add(asyncio.create_task(self._beside(self._make_beside(one, call))))
        if not self._landed:
            now = self._clock.monotonic()
            await self._bell.sleep(None if until is None else max(0.0, until - now))
        self._raise_fault()
        landed, self._landed = self._landed, []
        return landed

    @property
    def is_writing(self) -> bool:
        """Whether results are being written beside the calls."""
        return self._writing is not None and self._writing in self._active

    def write(self, writing: Coroutine[Any, Any, None]) -> None:
        """Write results beside the calls; whoever waits for one of these is woken when that is done."""
        self._writing = asyncio.create_task(self._beside(writing))
        self._active.add(self._writing)

    async def written(self) -> None:
        """Wait until what is being written is on record.

        Raises:
            Exception: what writing raised.
        """
        if self._writing is not None and self.is_writing:
            await asyncio.wait([self._writing])
        self._raise_fault()

    def ring(self) -> None:
        """Let whoever waits look at something else."""
        self._bell.ring()

    async def end(self) -> None:
        """Cancel what is still being made."""
        await end_tasks(self._active)

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault

    async def _make_beside(self, ready: Ready, call: MakeCall) -> None:
        landed = await call(ready)
        # Looked up only now: the list may have been replaced meanwhile.
        self._landed.append(landed)

    async def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - it ends the run, and is told there
            self._fault = error
        finally:
            # Here, and not when the task is done: who is woken asks at once whether anything is under way.
            self._active.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            self._bell.ring()
