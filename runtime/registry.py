"""What a runtime process keeps at hand of the database: compiled programs by revision, and the live servers and agents."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Collection
from typing import Final, Protocol

from runtime.clock import Clock
from runtime.core.expressions import EVERY_SECRET
from runtime.core.program import Program, compile_program
from runtime.errors import NotFound, OrdinautError, SecretUnreadable, Unreadable
from runtime.keyring import Keyring, Source
from runtime.live import Live, read_live
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

    def __init__(self, pool: Pool, servers: Replaceable, clock: Clock, keyring: Keyring) -> None:
        self._pool = pool
        self._servers = servers
        self._clock = clock
        self._keyring = keyring
        self._programs: OrderedDict[tuple[int, int], Program] = OrderedDict()
        self.live = Live()

    async def refresh(self) -> None:
        """Read servers, agents and secret sources again if a newer revision was applied."""
        await self.follow(await newest_revision(self._pool))

    async def follow(self, revision_id: int) -> None:
        """As `refresh`, where the newest revision is known."""
        if revision_id > self.live.revision_id:
            await self._read(revision_id, is_anew=False)

    async def renew(self) -> None:
        """Have servers use the secrets of today, where any of theirs may have changed since."""
        if self.live.rotates:
            await self._read(self.live.revision_id, is_anew=True)

    async def _read(self, revision_id: int, *, is_anew: bool) -> None:
        specs = await list_live_specs(self._pool)
        live = await read_live(
            revision_id, specs, self._keyring, self._clock.now(), is_anew=is_anew
        )
        # A program that prints a secret takes its time, and somebody else may have read what is newer meanwhile.
        if revision_id >= self.live.revision_id:
            self.live = live
            self._servers.replace(live.servers)

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

    def secrets(self, project: str, names: Collection[str]) -> Secrets:
        """The secrets that something of this project may use; those that it names are known, and blotted out, from now on."""
        secrets = Secrets(self.live.secret_sources.get(project, {}), self._keyring)
        for name in secrets if EVERY_SECRET in names else names:
            # Whoever needs one that cannot be read is told so then.
            with contextlib.suppress(SecretUnreadable, KeyError):
                secrets[name]
        return secrets

    def has_secrets(self, project: str, names: Collection[str]) -> bool:
        """Whether these can be read without `collect_secrets`."""
        return not names or self._keyring.has(self._sources(project, names))

    async def collect_secrets(self, project: str, names: Collection[str]) -> None:
        """Have programs print those of these secrets that are printed by one."""
        if names:
            await self._keyring.collect(self._sources(project, names))

    def _sources(self, project: str, names: Collection[str]) -> list[Source]:
        sources = self.live.secret_sources.get(project, {})
        return [
            source for name, source in sources.items() if name in names or EVERY_SECRET in names
        ]


def _compiled(what: str, found: TaskRevision) -> Program:
    try:
        return compile_program(found.body, found.project)
    except OrdinautError:
        raise
    except Exception as error:
        raise Unreadable.because(what, error) from error
