"""What the embedded servers have in common: how one is taken over, watched, and stopped."""

from __future__ import annotations

from typing import ClassVar

from runtime.clock import Clock
from runtime.embedded.failures import failure
from runtime.embedded.processes import ServerProcess, StopSignals, cut_log, forget, stop_orphan
from runtime.embedded.state import StateFolder
from runtime.errors import EmbeddedError


class EmbeddedServer:
    """One server over the data in a state folder that we have locked; those below know how to start theirs.

    Attributes:
        name: what people call it.
        log_name: the file in the state folder that holds what it says.
        record_name: the one that says which process it is.
        stop_signals: each with how long it may take, the last one the end.
        process: the running server, or one that ended unasked.
    """

    name: ClassVar[str]
    log_name: ClassVar[str]
    record_name: ClassVar[str]
    stop_signals: ClassVar[StopSignals]

    def __init__(self, state: StateFolder, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._log = state.file(self.log_name)
        self._record = state.file(self.record_name)
        self.process: ServerProcess | None = None

    async def recover(self) -> None:
        """Stop the server that a dead owner left behind, if it still runs."""
        await stop_orphan(self._record, self.stop_signals, self._clock)

    def problem(self) -> EmbeddedError | None:
        """What made the server end unasked; None if it did not. Cuts its log where that grew too long."""
        cut_log(self._log)
        if self.process is None or self.process.exit_status is None:
            return None
        what = f"the embedded {self.name} ended by itself"
        return failure(what, self.process.said(), self._log)

    async def stop(self) -> None:
        """Send the stop signals in turn, in bounded time."""
        if self.process is not None:
            await self.process.stop(self._clock)
            forget(self._record)
            self.process = None
