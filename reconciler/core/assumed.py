"""What a database would hold if the specs of a commit had been applied: the other side of a plan of git against git.

A commit may hold specs with errors. What a broken document says is unknown, and so is what it would have become: it is
compared with nothing, and said to be unknown. Where the errors leave room for doubt, a document counts as broken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler.core.changes import Applied, Owner, Version
from reconciler.core.desired import DEFAULT_ENVIRONMENT, Desired, Key, Specs
from reconciler.core.files import SourceFile, names_in
from reconciler.core.references import Names, references, tool_uses
from reconciler.core.renaming import former_key
from reconciler.core.rules import Rules
from schemas.project import Project

_WRITTEN_OUT: Final = frozenset({"Pipeline", "Calendar"})


@dataclass(frozen=True, slots=True)
class Assumed:
    """The state that a commit stands for.

    Attributes:
        applied: the documents that are known.
        bodies: what they say, by uid.
        unknown: wanted documents of which the commit has a broken version.
        broken: the files that have errors there.
        rules: the guards and policies there.
    """

    applied: Mapping[Key, Applied] = field(default_factory=dict)
    bodies: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    unknown: frozenset[Key] = frozenset()
    broken: tuple[str, ...] = ()
    rules: Rules = field(default_factory=Rules)


NOTHING = Assumed()
"""The state before the first apply."""


def assumed(base: Specs, files: Iterable[SourceFile], wanted: Mapping[Key, Desired]) -> Assumed:
    """The state that the specs of a commit stand for.

    Args:
        base: the commit's specs, compiled for the environment of the plan; errors are allowed.
        files: what they were compiled from.
        wanted: the documents that the plan is about.
    """
    project = _project(base)
    if project is not None and not _has_environment(project, base.environment):
        return NOTHING
    # Without the Project no default and no variable is known, so that no document is.
    known = {} if project is None else _known(base)
    owner = Owner(base.project, base.environment)
    rows = {key: _row(uid, found, owner) for uid, (key, found) in enumerate(sorted(known.items()))}
    broken = {problem.file for problem in base.errors}
    return Assumed(
        applied=rows,
        bodies={row.uid: known[key].body for key, row in rows.items()},
        unknown=_unknown(
            base, files, broken, [wanted[key] for key in wanted.keys() - known.keys()]
        ),
        broken=tuple(sorted(broken)),
        rules=Rules() if project is None else Rules.of(project),
    )


def _project(base: Specs) -> Project | None:
    documents = (one.document for key, one in base.documents.items() if key.kind == "Project")
    return next((one for one in documents if isinstance(one, Project)), None)


def _has_environment(project: Project, environment: str) -> bool:
    return environment == DEFAULT_ENVIRONMENT or environment in project.environments


def _row(uid: int, found: Desired, owner: Owner) -> Applied:
    version = Version(found.digest, found.facets)
    return Applied(
        key=found.key,
        uid=uid,
        owner=owner,
        revision_id=0,
        last=version,
        live=version,
        protected=bool(found.body.get("protect")),
    )


def _known(base: Specs) -> dict[Key, Desired]:
    """The documents whose bodies can be trusted: whole, without errors of their own, and all they name was found."""
    if not base.errors:
        return dict(base.documents)
    names = Names(frozenset(base.documents))
    doubtful = set(_beside_errors(base))
    doubtful |= {key for key, one in base.documents.items() if _names_what_is_missing(one, names)}
    doubtful |= {key for key, one in base.documents.items() if doubtful & set(_parts(one, names))}
    return {key: one for key, one in base.documents.items() if key not in doubtful}


def _beside_errors(base: Specs) -> Iterator[Key]:
    """The documents that errors stand in, or right behind."""
    for problem in base.errors:
        before = [
            (one.place.line, key)
            for key, one in base.documents.items()
            if one.place.file == problem.file and one.place.line <= problem.line
        ]
        if before:
            yield max(before)[1]


def _names_what_is_missing(found: Desired, names: Names) -> bool:
    namespace = found.key.namespace
    return any(
        names.find(one.kind, one.text, namespace) is None for one in references(found.document)
    ) or any(names.server(tool, namespace) is None for _, tool in tool_uses(found.document))


def _parts(found: Desired, names: Names) -> Iterator[Key]:
    """The documents that are written out in a document's body."""
    for one in references(found.document):
        key = names.find(one.kind, one.text, found.key.namespace)
        if key is not None and key.kind in _WRITTEN_OUT:
            yield key


def _unknown(
    base: Specs, files: Iterable[SourceFile], broken: set[str], missing: Iterable[Desired]
) -> frozenset[Key]:
    """Which of the documents that the commit does not show it may well hold, in what is broken."""
    texts = {file.name: file.data for file in files}
    if broken - texts.keys() or _project(base) is None:
        return frozenset(one.key for one in missing)
    named = {name for file in broken for name in names_in(texts[file])}
    return frozenset(
        one.key for one in missing if one.key in base.documents or named & set(_names_of(one))
    )


def _names_of(wanted: Desired) -> Iterator[str]:
    former = former_key(wanted)
    yield wanted.key.name
    if former is not None:
        yield former.name
