"""What there is to know about the head of a branch before anything is decided: signatures, specs, history, and a plan.

Reads the mirror and the database, and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.cache import Cache
from reconciler.commits import Repository, find_tree, read_commit
from reconciler.core.desired import Specs
from reconciler.core.holding import under_hold
from reconciler.core.syncing import Facts
from reconciler.git import ask_git, author_of
from reconciler.holds import hold_on
from reconciler.load import compile_source
from reconciler.planning import plan_against
from reconciler.settling import floor_in
from reconciler.signatures import Trust, distrust_of
from reconciler.source import Source
from runtime.actor import Actor
from runtime.errors import SpecError
from runtime.store.rows import Connection
from runtime.store.sources import (
    Branch,
    StoredSource,
    find_project_in_force,
    find_source,
    find_source_project,
    list_applied_projects,
)
from schemas.plan import Plan, PlanSource
from schemas.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is pulled, and for whom.

    Attributes:
        conninfo: the database.
        branch: the branch, its folder and its environment.
        place: the mirror.
        trust: whose commits are applied.
        state_dir: where compiled specs are remembered.
        actor: whom revisions are attributed to.
    """

    conninfo: str
    branch: Branch
    place: Path
    trust: Trust
    state_dir: Path
    actor: Actor


class Examiner:
    """Examines heads of one branch, one after the other.

    Attributes:
        project: what the branch holds, as far as it is known.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._compiled: tuple[str, Source, Specs] | None = None
        self.project: str | None = None

    @property
    def source(self) -> Source | None:
        """The files of the head that was examined last."""
        return self._compiled[1] if self._compiled else None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with them, and remarks."""
        return self._compiled[2].problems if self._compiled else ()

    def forget(self) -> None:
        """Keep no specs in memory: the same head is not examined again soon."""
        self._compiled = None

    def known(self, connection: Connection) -> StoredSource | None:
        """What the database knows of the branch; None where it is not known whose it is."""
        if self.project is None:
            self.project = find_source_project(connection, self._subject.branch)
        if self.project is None:
            return None
        return find_source(connection, self.project, self._subject.branch)

    def examine(self, connection: Connection, head: str) -> tuple[Facts, StoredSource | None]:
        """Everything there is to know about a head, up to the first thing that refuses it."""
        row = self.known(connection)
        floor = floor_in(row) if row else None
        facts = Facts(head=head, folder=self._subject.branch.folder, floor=floor)
        commit = floor.commit if floor else None
        if distrust := distrust_of(self._subject.place, head, commit, self._subject.trust):
            return replace(facts, distrust=distrust), row
        specs = self._compile(head)
        if specs is None:
            return replace(facts, has_folder=False), row
        if specs.errors and (self.project or not specs.project):
            return replace(facts, errors=specs.errors), row
        if specs.project != self.project:
            # Whose it is was not known, or is another by now: what is in force there decides anew.
            self.project = specs.project
            return self.examine(connection, head)
        return self._compared(connection, facts, specs, row), row

    def _compared(
        self, connection: Connection, facts: Facts, specs: Specs, row: StoredSource | None
    ) -> Facts:
        """What sound specs of a head that is trusted are to what is in force."""
        commit = facts.floor.commit if facts.floor else None
        in_force = self._in_force(connection, facts.head)
        facts = replace(
            facts,
            former=None if in_force == specs.project else in_force,
            descends=commit in {None, facts.head} or self._descends(facts.head, commit or ""),
            approval=row.approval if row else None,
        )
        try:
            return replace(facts, plan=self._plan(connection, facts.head, specs))
        except SpecError as error:
            return replace(facts, foreign=error.problems[0].message)

    def _in_force(self, connection: Connection, head: str) -> str | None:
        """The project that the folder has in force, also where another address or an apply brought it there."""
        branch = self._subject.branch
        if project := find_project_in_force(connection, branch):
            return project
        newest: tuple[str, str] | None = None
        for project in list_applied_projects(connection, branch.environment):
            floor = floor_in(find_source(connection, project, branch))
            if floor is None or floor.commit is None or not self._descends(head, floor.commit):
                continue
            is_newer = newest is None or self._descends(floor.commit, newest[1])
            if is_newer and self._held(floor.commit) == project:
                newest = project, floor.commit
        return newest and newest[0]

    def _held(self, commit: str) -> str | None:
        """The project that the folder was at another commit."""
        source = read_commit(self._repository(), commit)
        if source is None:
            return None
        subject = self._subject
        return compile_source(source, subject.branch.environment, Cache(subject.state_dir)).project

    def _descends(self, commit: str, ancestor: str) -> bool:
        # All of the branch's history is here: what is unknown is no part of it.
        question = ("merge-base", "--is-ancestor", ancestor, commit)
        return ask_git(self._subject.place, *question) is not None

    def _compile(self, head: str) -> Specs | None:
        if self._compiled is None or self._compiled[0] != head:
            source = read_commit(self._repository(), head)
            if source is None:
                self._compiled = None
                return None
            branch, cache = self._subject.branch, Cache(self._subject.state_dir)
            self._compiled = (head, source, compile_source(source, branch.environment, cache))
        return self._compiled[2]

    def _plan(self, connection: Connection, head: str, specs: Specs) -> Plan:
        repository = self._repository()
        source = PlanSource(
            project=specs.project,
            commit=head,
            tree=find_tree(repository, head),
            branch=self._subject.branch.branch,
            author=author_of(repository.place, head),
        )
        made = plan_against(connection, specs, source)
        return under_hold(made, hold_on(connection, specs, source, repository.place))

    def _repository(self) -> Repository:
        branch = self._subject.branch
        prefix = "" if branch.folder == "." else branch.folder
        name = branch.folder if prefix else branch.repository.rstrip("/").rpartition("/")[2]
        return Repository(Path(name), self._subject.place, prefix)
