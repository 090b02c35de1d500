"""Every way in which a database can differ from git: a closed family of small records, each with its from and its to.

Reads like a table of contents of the decision table, which is in `diff`. Planning, rendering and applying match on these
types; none of them looks at the states again to find out what is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from reconciler.core.desired import Desired, Key
from schemas.drift import Strayed
from schemas.problem import Problem


@dataclass(frozen=True, slots=True, order=True)
class Owner:
    """Who owns a document in the database: a project, in one of its environments."""

    project: str
    environment: str


class Version(NamedTuple):
    """What is compared of a document: its digest, and that of each facet."""

    digest: str
    facets: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Applied:
    """One document as the database has it.

    Attributes:
        key: its identity.
        uid: the database's own number for it, which survives renames and retirement.
        owner: whose it is.
        revision_id: the revision that wrote it last.
        last: what that revision wrote; None if no revision ever did, so nobody manages it.
        live: what the row holds now.
        protected: whether it may not be retired.
        retired_at: when it was retired, an aware UTC instant; None while it is in force.
        strayed: what of the row somebody changed past git. All of the above but `live` is as the last revision says,
            whatever somebody made of the row.
        displaced: whether somebody took the row's name, and gave it to another row.
    """

    key: Key
    uid: int
    owner: Owner
    revision_id: int
    last: Version | None
    live: Version
    protected: bool = False
    retired_at: datetime | None = None
    strayed: tuple[Strayed, ...] = ()
    displaced: bool = False


@dataclass(frozen=True, slots=True)
class Create:
    """In git, not in force. `from_` is the tombstone that it revives, with its uid and history; None if it is new."""

    from_: Applied | None
    to: Desired


@dataclass(frozen=True, slots=True)
class Update:
    """Git moved on; nobody else did."""

    from_: Applied
    to: Desired


@dataclass(frozen=True, slots=True)
class Refill:
    """Nobody moved: this version of the program fills the document out by other defaults."""

    from_: Applied
    to: Desired


@dataclass(frozen=True, slots=True)
class Rename:
    """The same document under a new key, perhaps with other changes."""

    from_: Applied
    to: Desired


@dataclass(frozen=True, slots=True)
class Retire:
    """In force, and gone from git."""

    from_: Applied


@dataclass(frozen=True, slots=True)
class Drift:
    """Git stands still, the live row moved: apply restores it."""

    from_: Applied
    to: Desired


@dataclass(frozen=True, slots=True)
class Conflict:
    """Git moved on, the live row moved too, and elsewhere."""

    from_: Applied
    to: Desired


@dataclass(frozen=True, slots=True)
class Converge:
    """Git and the live row moved to the same place: only the revision is recorded."""

    from_: Applied
    to: Desired


@dataclass(frozen=True, slots=True)
class Adopt:
    """In git, and in the database without any revision that wrote it, or with one of another owner's."""

    from_: Applied
    to: Desired


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Git, the last revision and the live row agree."""

    from_: Applied
    to: Desired


@dataclass(frozen=True, slots=True)
class Unmanaged:
    """In the database without any revision that wrote it, and not in git: listed, never touched."""

    from_: Applied


Writing = Create | Update | Refill | Rename | Retire | Drift | Conflict | Converge | Adopt
"""The changes that apply writes."""

Change = Writing | Unchanged | Unmanaged
"""Every outcome of the comparison of one document."""


def key_of(change: Change) -> Key:
    """The key that a change goes by: the new one of a rename."""
    match change:
        case Retire(from_) | Unmanaged(from_):
            return from_.key
        case _:
            return change.to.key


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """The outcome for every document, ordered by key, and the problems for which nothing may be applied."""

    changes: tuple[Change, ...]
    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, changes: Iterable[Change], problems: Iterable[Problem] = ()) -> ChangeSet:
        """The set of these, in its one order."""
        return cls(
            changes=tuple(sorted(changes, key=key_of)),
            problems=tuple(sorted(problems, key=attrgetter("reading_order"))),
        )

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    @property
    def writing(self) -> tuple[Writing, ...]:
        """The changes that apply would write."""
        return tuple(c for c in self.changes if not isinstance(c, Unchanged | Unmanaged))
