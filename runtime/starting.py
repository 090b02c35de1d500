"""Runs that are leased as they are made: what a scheduler asks of the worker of its process, if there is one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from runtime.store.due_work import Claim


class Starter(Protocol):
    """Executes runs that are leased as they are made."""

    def set_aside(self, most: int) -> int:
        """Keep free slots for runs that are being made, until they are given back; how many."""
        ...

    def give_back(self, slots: int) -> None:
        """These slots are kept no more."""
        ...

    async def bring_near(self, keys: Collection[tuple[int, int]]) -> None:
        """Have these tasks at hand, by uid and revision, for runs that will be made in a moment."""
        ...

    async def begin(self, claims: Sequence[Claim], asked_at: float) -> None:
        """Execute these runs, whose leases were asked for at that monotonic time."""
        ...


class NoStarter:
    """For a process that executes no runs."""

    def set_aside(self, most: int) -> int:  # noqa: ARG002 - as a Starter has it
        """It has no slots."""
        return 0

    def give_back(self, slots: int) -> None:
        """Nothing was kept."""

    async def bring_near(self, keys: Collection[tuple[int, int]]) -> None:
        """Nobody needs them here."""

    async def begin(self, claims: Sequence[Claim], asked_at: float) -> None:
        """There are none."""
