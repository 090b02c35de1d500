"""One look of `ordinaut sync`: from the head of a branch to what is in force, or to why not.

The head is examined (`reconciler.examining`), judged (`reconciler.core.syncing`), and applied in one transaction with the
record of it, so that a look may be killed anywhere and any number of processes may look at once. A head that has been
judged costs one small statement and no write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import psycopg

from reconciler.apply import Request, apply_plan
from reconciler.core.changes import Owner
from reconciler.core.syncing import SETTLED, Facts, Verdict, judge
from reconciler.examining import Examiner, Subject
from reconciler.git import Inquiry
from reconciler.settling import Settlement
from reconciler.source import Source
from runtime.errors import (
    ApplyLocked,
    OrdinautError,
    PlanError,
    SourceUnavailable,
)
from runtime.store.connect import connect
from runtime.store.holds import clear_hold
from runtime.store.revisions import lock_project
from runtime.store.rows import Connection
from runtime.store.sources import (
    Branch,
    SourceRecord,
    StoredSource,
    record_look,
    record_source,
    record_unreachable,
)
from schemas.apply import ApplyReport
from schemas.plan import Plan
from schemas.source import SyncReport

LOCK_TIMEOUT: Final = timedelta(seconds=10)
# What others do meanwhile is looked at again so often before a look gives up.
_TRIES: Final = 3
# That somebody looks is written this seldom while nothing changes.
_LOOKED_AGAIN: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look came to.

    Attributes:
        report: what there is to tell.
        plan: what was applied, or waits.
        source: the files, for messages about them.
        error: why the look itself failed, or could not do what it decided.
    """

    report: SyncReport
    plan: Plan | None = None
    source: Source | None = None
    error: OrdinautError | None = None

    @property
    def news(self) -> tuple[object, ...]:
        """What another look must differ in to be worth telling."""
        told = self.report
        failed = self.error.code if self.error and told.condition is None else None
        applied = told.report and told.report.revision
        return told.condition, told.reason, told.commit, told.plan_digest, applied, failed


class Judge:
    """Looks at heads of one branch, one after the other."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._examiner = Examiner(subject)
        self._settled: tuple[Any, Look] | None = None
        self._inquiry = Inquiry()
        self._interrupt: Callable[[], None] = _nothing

    @property
    def branch(self) -> Branch:
        """What is looked at."""
        return self._subject.branch

    def interrupt(self) -> None:
        """End what a look does in git and in the database, from another thread; it fails, has changed nothing, and is the last."""
        self._inquiry.stop()
        self._interrupt()

    def look(self, head: str) -> Look:
        """Bring a commit into force, or find out why not.

        Raises:
            StoreError: the database cannot be reached or refused; nothing was changed.
            ConfigError: the keys cannot be read.
            SourceUnavailable: git did not answer, or the look was interrupted; nothing was changed.
        """
        with (
            self._inquiry.strictly(),
            connect(self._subject.conninfo, name="ordinaut sync") as connection,
        ):
            self._interrupt = connection.cancel
            try:
                return self._looked(connection, head)
            finally:
                self._interrupt = _nothing

    def unreachable(self, error: SourceUnavailable) -> Look:
        """Note that the branch cannot be read, as far as it is known whose it is.

        Raises:
            StoreError: as `look`.
        """
        with connect(self._subject.conninfo, name="ordinaut sync") as connection:
            self._examiner.known(connection)
            project = self._examiner.project
            if project is not None:
                record_unreachable(connection, project, self._subject.branch, error.message)
        return self.failed(error)

    def failed(self, error: OrdinautError) -> Look:
        """A look that could not be had."""
        self._settled = None
        return Look(report=self._report(None, message=error.message), error=error)

    def _looked(self, connection: Connection, head: str) -> Look:
        trusted = self._subject.trust.fingerprint()
        row = self._examiner.known(connection)
        if self._settled and row and self._settled[0] == (head, trusted, _state(row)):
            if row.looked_at is None or row.now - row.looked_at > _LOOKED_AGAIN:
                self._note_look(connection)
            return self._settled[1]
        look = self._judged(connection, head)
        row = self._examiner.known(connection)
        self._settled = None
        if look.report.reason in SETTLED and row is not None:
            # What was applied or printed is told once.
            self._settled = ((head, trusted, _state(row)), replace(look, plan=None, source=None))
            self._examiner.forget()
        return look

    def _note_look(self, connection: Connection) -> None:
        if self._examiner.project is not None:
            record_look(connection, self._examiner.project, self._subject.branch)

    def _judged(self, connection: Connection, head: str) -> Look:
        look = self._tried(connection, head)
        for _ in range(_TRIES - 1):
            if look.report.reason != "moving" or isinstance(look.error, ApplyLocked):
                break
            look = self._tried(connection, head)
        return look

    def _tried(self, connection: Connection, head: str) -> Look:
        facts, row = self._examiner.examine(connection, head)
        verdict, plan = judge(facts), facts.plan
        report: ApplyReport | None = None
        error: OrdinautError | None = None
        if verdict.condition == "Synced" and plan is not None:
            try:
                report = self._bring_into_force(connection, facts, verdict, plan)
            except PlanError as refused:
                error = refused
                verdict = Verdict("OutOfSync", "moving", f"{refused.message}: looked at again")
        if verdict.condition != "Synced":
            self._record(connection, head, row, verdict, plan)
        return Look(
            report=self._report(head, verdict=verdict, applied=report),
            plan=plan,
            source=self._examiner.source,
            error=error,
        )

    def _bring_into_force(
        self, connection: Connection, facts: Facts, verdict: Verdict, plan: Plan
    ) -> ApplyReport | None:
        """Apply what there is to apply, and write that it is in force."""
        self._inquiry.require_going()
        owner = Owner(plan.source.project, plan.environment.name)
        record = SourceRecord(
            condition=verdict.condition,
            reason=verdict.reason,
            message=verdict.message,
            commit=facts.head,
        )
        used = facts.approval if facts.approval and facts.approval.digest == plan.digest else None
        settlement = Settlement(self._subject.branch, facts.floor, record, used)
        if verdict.allowed is not None:
            request = Request(
                actor=self._subject.actor,
                allowed=verdict.allowed,
                lock_timeout=LOCK_TIMEOUT,
                settlement=settlement,
                require_going=self._inquiry.require_going,
            )
            return apply_plan(connection, plan, request)
        try:
            with connection.transaction():
                lock_project(connection, owner.project, owner.environment, timeout=LOCK_TIMEOUT)
                settlement.require_unchanged(connection, owner)
                if plan.hold is not None and plan.hold.ends:
                    clear_hold(connection, owner.project, owner.environment, "Synced")
                settlement.write(connection, owner)
                self._inquiry.require_going()
        except psycopg.errors.LockNotAvailable as error:
            raise ApplyLocked("another apply is under way", hint="wait for it") from error
        return None

    def _record(
        self,
        connection: Connection,
        head: str,
        row: StoredSource | None,
        verdict: Verdict,
        plan: Plan | None,
    ) -> None:
        """Write what a look came to that brought nothing into force, unless that is written already."""
        if self._examiner.project is None:
            return
        written = row and (row.condition, row.reason, row.seen_commit, row.plan_digest)
        is_known = written == (verdict.condition, verdict.reason, head, verdict.waits_for)
        is_known = is_known and tuple(row.refusals or () if row else ()) == verdict.refusals
        if row is not None and is_known and row.fetch_error is None:
            return
        waiting = plan.model_dump(mode="json") if plan and verdict.waits_for else None
        record = SourceRecord(
            condition=verdict.condition,
            reason=verdict.reason,
            message=verdict.message,
            commit=head,
            plan_digest=verdict.waits_for,
            plan=waiting,
            refusals=verdict.refusals,
        )
        record_source(connection, self._examiner.project, self._subject.branch, record)

    def _report(
        self,
        head: str | None,
        *,
        verdict: Verdict | None = None,
        message: str = "",
        applied: ApplyReport | None = None,
    ) -> SyncReport:
        branch = self._subject.branch
        return SyncReport(
            repository=branch.repository,
            branch=branch.branch,
            environment=branch.environment,
            project=self._examiner.project,
            commit=head,
            condition=verdict and verdict.condition,
            reason=verdict and verdict.reason,
            message=verdict.message if verdict else message,
            plan_digest=verdict and verdict.waits_for,
            report=applied,
            problems=self._examiner.problems if verdict else (),
        )


def _state(row: StoredSource) -> tuple[object, ...]:
    """What a verdict stands on, beside the head and the keys."""
    return (
        row.condition,
        row.reason,
        row.seen_commit,
        row.applied_commit,
        row.newest_revision,
        row.held_by,
        row.fetch_error,
    )


def _nothing() -> None:
    pass
