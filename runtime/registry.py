"""What a runtime process keeps at hand of the database: compiled programs by revision, and the live servers and agents."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Collection
from pathlib import Path
from typing import Final, Protocol

from runtime.clock import Clock
from runtime.core.program import Program, compile_program
from runtime.errors import NotFound, OrdinautError, Unreadable
from runtime.live import Live, assemble
from runtime.secrets import Secrets
from runtime.store.pool import Pool
from runtime.store.runtimes import (
    TaskRevision,
    list_live_specs,
    load_task_revisions,
    newest_revision,
)
from runtime.tools.definition import ServerDefinition

_PROGRAMS_KEPT: Final = 2000


class Replaceable(Protocol):
    """Whoever runs tool servers."""

    def replace(self, definitions: tuple[ServerDefinition, ...]) -> None:
        """Run these servers from now on; unchanged ones go on undisturbed."""
        ...


class NoServers:
    """For a runtime that calls no tools."""

    def replace(self, definitions: tuple[ServerDefinition, ...]) -> None:
        """None of them is run here."""


class Registry:
    """Programs and live definitions, read when first needed and when a newer revision appears."""

    def __init__(self, pool: Pool, servers: Replaceable, clock: Clock, folder: Path) -> None:
        self._pool = pool
        self._servers = servers
        self._clock = clock
        self._folder = folder
        self._programs: OrderedDict[tuple[int, int], Program] = OrderedDict()
        self.live = Live()

    async def refresh(self) -> None:
        """Read servers, agents and secret sources again if a newer revision was applied."""
        await self.follow(await newest_revision(self._pool))

    async def follow(self, revision_id: int) -> None:
        """As `refresh`, where the newest revision is known."""
        if revision_id <= self.live.revision_id:
            return
        self.live = assemble(
            revision_id, await list_live_specs(self._pool), self._folder, self._clock.now()
        )
        self._servers.replace(self.live.servers)

    async def catch_up(self, revision_id: int) -> None:
        """Know the definitions of this revision, or newer ones."""
        if revision_id > self.live.revision_id:
            await self.refresh()

    def at_hand(self, task_uid: int, revision_id: int) -> Program | None:
        """The compiled task, if nothing has to be read for it."""
        if revision_id > self.live.revision_id:
            return None
        program = self._programs.get((task_uid, revision_id))
        if program is not None:
            self._programs.move_to_end((task_uid, revision_id))
        return program

    async def bring_near(self, keys: Collection[tuple[int, int]]) -> None:
        """Have these tasks at hand, by uid and revision, if they are there and compile; read together what is missing."""
        missing = {key for key in keys if key not in self._programs}
        if not missing:
            return
        await self.catch_up(max(revision_id for _, revision_id in missing))
        for key, found in (await load_task_revisions(self._pool, missing)).items():
            # One that does not compile, or is no body at all, is told of where its run begins; the others go on.
            with contextlib.suppress(Exception):
                self._keep(key, compile_program(found.body, found.project))

    async def program(self, task_uid: int, revision_id: int) -> Program:
        """The compiled task; its definitions are at least as new as the revision.

        Raises:
            NotFound: ORD310 the revision does not exist.
            ExpressionError: its body does not compile.
            Unreadable: ORD317, it is none.
        """
        await self.catch_up(revision_id)
        key = (task_uid, revision_id)
        program = self._programs.get(key)
        if program is None:
            found = (await load_task_revisions(self._pool, [key])).get(key)
            if found is None:
                raise NotFound(f"revision {revision_id} of task {task_uid} is not in the database")
            program = _compiled(f"task {task_uid} at revision {revision_id}", found)
            self._keep(key, program)
        self._programs.move_to_end(key)
        return program

    def _keep(self, key: tuple[int, int], program: Program) -> None:
        self._programs[key] = program
        if len(self._programs) > _PROGRAMS_KEPT:
            self._programs.popitem(last=False)

    def secrets(self, project: str) -> Secrets:
        """The secrets a run of this project may use."""
        return Secrets(self.live.secret_sources.get(project, {}), self._folder)


def _compiled(what: str, found: TaskRevision) -> Program:
    try:
        return compile_program(found.body, found.project)
    except OrdinautError:
        raise
    except Exception as error:
        raise Unreadable.because(what, error) from error
