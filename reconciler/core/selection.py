"""A part of a plan: the documents that were asked for, with what these refer to, and never a retirement.

A task was checked together with the tool servers, the agent and the calendars that it names, and with the Project where
secrets come from. So whatever of these differs comes along: applied without it, the task would be one nobody checked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.changes import Change, ChangeSet, Rename, Retire, Unchanged, Unmanaged, key_of
from reconciler.core.desired import Desired, Key
from reconciler.core.digest import canonical
from reconciler.core.renaming import former_key
from reconciler.core.suggest import did_you_mean
from runtime.errors import NotFound

if TYPE_CHECKING:
    from reconciler.core.references import Names

_SECRETS = b"secrets."


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a set of changes.

    Attributes:
        changes: the part, with all that apply would not write.
        left_out: how many changes are not in it.
    """

    changes: ChangeSet
    left_out: int = 0


def part_of(changes: ChangeSet, documents: Mapping[Key, Desired], only: Collection[str]) -> Part:
    """The changes of what was asked for; all of them if nothing was.

    Args:
        documents: what git wants.
        only: keys such as `ops/brief`, of documents of any kind, and labels as `name=value`.

    Raises:
        NotFound: git has nothing that one of them means.
    """
    if not only:
        return Part(changes)
    wanted = _with_needed({key for word in only for key in _meant(word, documents)}, documents)
    # Who gets a name takes along who leaves it.
    leaving = {one.from_.key: key_of(one) for one in changes if isinstance(one, Rename)}
    names = [key for key in wanted if key in leaving]
    while names:
        new = leaving[names.pop()]
        if new not in wanted:
            wanted.add(new)
            names += [new] if new in leaving else []
    kept = [change for change in changes if _stays(change, wanted)]
    return Part(ChangeSet.of(kept, changes.problems), len(changes.changes) - len(kept))


def _stays(change: Change, wanted: Collection[Key]) -> bool:
    match change:
        case Unchanged() | Unmanaged():
            return True
        case Retire():
            return False
        case _:
            return key_of(change) in wanted


def _meant(word: str, documents: Mapping[Key, Desired]) -> list[Key]:
    name, equals, value = word.partition("=")
    meant = [
        key
        for key, one in documents.items()
        if (one.document.labels.get(name) == value if equals else word in _called(one))
    ]
    if not meant:
        what = f"the label {name}: {value}" if equals else f"the key {word}"
        raise NotFound(
            f"no document of these specs has {what}",
            hint=did_you_mean(
                word,
                [key.label for key in documents],
                "a part of a plan retires nothing: what is gone from git takes a whole one",
            ),
        )
    return meant


def _called(wanted: Desired) -> Iterator[str]:
    former = former_key(wanted)
    yield wanted.key.label
    yield f"{wanted.key.namespace}/{wanted.key.name}"
    yield f"{wanted.key.kind}/{wanted.key.label}"
    if former is not None:
        yield former.label


def _with_needed(keys: set[Key], documents: Mapping[Key, Desired]) -> set[Key]:
    from reconciler.core.references import Names  # noqa: PLC0415 - with the models of specs, and a whole plan needs none

    names = Names(frozenset(documents))
    found, new = set(keys), set(keys)
    while new:
        new = {other for key in new for other in _needed(documents[key], names)} - found
        found |= new
    return found


def _needed(wanted: Desired, names: Names) -> Iterator[Key]:
    """The documents that a sound document names."""
    from reconciler.core.references import references, tool_uses  # noqa: PLC0415 - as above

    namespace = wanted.key.namespace
    for one in references(wanted.document):
        if key := names.find(one.kind, one.text, namespace):
            yield key
    for _, tool in tool_uses(wanted.document):
        if key := names.find("ToolServer", tool.partition(".")[0], namespace):
            yield key
    if _SECRETS in canonical(wanted.body):
        yield from (key for key in names.known if key.kind == "Project")
