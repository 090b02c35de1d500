"""One look at a specs folder: read it, compare, and apply what changed where that is asked for; a bad tree changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from reconciler.apply import LOCK_TIMEOUT, Request, apply_plan
from reconciler.cache import Cache
from reconciler.confirming import confirm
from reconciler.core.desired import Specs
from reconciler.load import compile_source
from reconciler.planning import plan_specs
from reconciler.source import Source, read_source
from runtime.actor import current_actor
from runtime.errors import Blocked, Conflicted, PlanError, SourceUnavailable, SpecError
from runtime.store.connect import connect
from runtime.store.rows import Connection
from schemas.apply import ApplyReport
from schemas.plan import Plan


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What one look found and did.

    Attributes:
        source: the files as they were read.
        specs: what they compile to; with errors, nothing was planned and the last good revision stays in force.
        plan: what would change; None if the specs hold errors.
        report: what was applied; None if nothing was.
        refusal: why nothing was applied: a guard, a policy, a freeze, a hold or a conflict; or why there is no plan although
            the specs are sound: they name what belongs to another project.
    """

    source: Source
    specs: Specs
    plan: Plan | None = None
    report: ApplyReport | None = None
    refusal: PlanError | SpecError | None = None


def _nothing() -> None:
    """Nobody is waiting for a database."""


class Folder:
    """A specs folder, and the database that it is compared with.

    Args:
        conninfo: the database; None if there is none yet, and then everything is new.
        path: of the folder.
        environment: of the Project document.
        cache: where compiled specs are remembered.
        applies: make the database match; else only say what would change, in a session that cannot write.
    """

    def __init__(
        self,
        conninfo: str | None,
        path: Path,
        environment: str,
        cache: Cache | None = None,
        *,
        applies: bool = True,
    ) -> None:
        self.path = path
        self.applies = applies
        self._conninfo = conninfo
        self._environment = environment
        self._cache = cache
        self._stopped = Event()
        self._interrupt: Callable[[], None] = _nothing

    def interrupt(self) -> None:
        """End a look, from another thread: it fails, has changed nothing, and is the last that may."""
        self._stopped.set()
        self._interrupt()

    def look(self) -> Reconciled:
        """Look once.

        Raises:
            StalePlan, ApplyLocked: nothing was changed.
            StoreError: the database cannot be reached or refused; nothing was changed.
            SourceUnavailable: it was interrupted; nothing was changed.
        """
        source = read_source(self.path, self.path.parent)
        found = Reconciled(source, compile_source(source, self._environment, self._cache))
        if found.specs.errors:
            return found
        return self._compared(found)

    def _compared(self, found: Reconciled) -> Reconciled:
        if self._conninfo is None:
            return self._planned(None, found)
        name = "ordinaut apply" if self.applies else "ordinaut plan"
        with connect(self._conninfo, read_only=not self.applies, name=name) as connection:
            self._interrupt = connection.cancel
            try:
                found = self._planned(connection, found)
                return self._applied(connection, found) if self.applies else found
            finally:
                self._interrupt = _nothing

    def _planned(self, connection: Connection | None, found: Reconciled) -> Reconciled:
        try:
            return replace(found, plan=plan_specs(connection, found.specs, self.path))
        except (PlanError, SpecError) as refusal:
            return replace(found, refusal=refusal)

    def _applied(self, connection: Connection, found: Reconciled) -> Reconciled:
        self._require_going()
        if found.plan is None:
            return found
        if not found.plan.changes:
            confirm(connection, found.plan, self.path, LOCK_TIMEOUT)
            return found
        request = Request(actor=current_actor(), require_going=self._require_going)
        try:
            report = apply_plan(connection, found.plan, request)
        except (Blocked, Conflicted) as refusal:
            return replace(found, refusal=refusal)
        return replace(found, report=report)

    def _require_going(self) -> None:
        if self._stopped.is_set():
            raise SourceUnavailable("the look was stopped", hint="nothing was changed")
