"""Files to desired state: every problem of every file at once, or a complete `Specs`.

Pure, and in one direction: read, lay the environment's overlays over the documents, find the Project, lay its defaults
under every document and fill in its variables, fit each to the model of its kind, check what they say of one another,
and normalise. A document that does not fit still counts as existing, so that one mistake is reported once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

from reconciler.core.calendars import (
    Content,
    Events,
    calendar_contents,
    calendar_events,
)
from reconciler.core.checks import World, document_problems
from reconciler.core.contract_checks import Contracts
from reconciler.core.defaults import with_defaults
from reconciler.core.desired import DEFAULT_ENVIRONMENT, AtHand, Desired, Key, Place, Specs
from reconciler.core.digest import canonical, digest_of
from reconciler.core.documents import SourceDocument, read_documents, shown_kind
from reconciler.core.entry import Entry, problem_at, shown_place
from reconciler.core.files import ICS_SUFFIX, SourceFile, is_lock, names_in
from reconciler.core.laid import laid_fields
from reconciler.core.leaking import Found, judged, leaks_of, untelling
from reconciler.core.locate import place_of
from reconciler.core.notices import notices_of
from reconciler.core.overlay import Layers, overlaid, parted
from reconciler.core.project import ProjectHead, project_head
from reconciler.core.references import Names
from reconciler.core.repair import fitted
from reconciler.core.resolve import Referred, resolved_body
from reconciler.core.shape import shape_problems
from reconciler.core.suggest import did_you_mean
from reconciler.core.through import Through, silently
from reconciler.core.tool_lock import NoToolLock, read_lock
from reconciler.core.variables import with_variables
from schemas.base import API_VERSION
from schemas.pipeline import Pipeline
from schemas.problem import Problem
from schemas.spec import KINDS
from schemas.task import Task
from schemas.tool_lock import ToolLock


def compile_specs(
    files: Sequence[SourceFile],
    folder: str = "specs",
    environment: str = DEFAULT_ENVIRONMENT,
    unread: Sequence[Problem] = (),
    through: Through = silently,
) -> Specs:
    """Compile a folder of specs.

    Args:
        files: every file, in any order, with the .ics files that calendars may name and the tool lock; the result does not
            depend on the order.
        folder: the folder's name, for messages about what is missing.
        environment: whose variables fill `${vars.…}`, and whose overlays are laid.
        unread: problems of files that could not even be read; what they hold is not known.
        through: goes through many, and may tell how far it is.
    """
    problems = list(unread)
    calendars_of = {one.name: one.data for one in files if one.name.endswith(ICS_SUFFIX)}
    locks = {one.name: one.data for one in files if is_lock(one.name)}
    attached = calendars_of | locks
    written = sorted((one for one in files if one.name not in attached), key=attrgetter("name"))
    read, doubtful = _read(through("Reading specs", written), problems)
    layers = parted(read)
    _headed(layers.overlays, problems)
    documents = overlaid(layers, environment, problems, None if unread else doubtful)
    head = project_head(documents, folder, environment, problems)
    told = [*documents, *notices_of(documents, head.defaults)]
    headed, unheaded = _headed(told, problems)
    entries = _entries(headed, head, problems, leaks := list[Found]())
    problems += (secrets := judged(leaks, read, entries, environment)).problems
    unique = _unique(entries, problems)
    names = Names(frozenset(unique), doubtful | unheaded, bool(unread))
    reported = frozenset(problem.file for problem in unread)
    events, broken = calendar_events(unique.values(), calendars_of, folder, reported)
    problems += broken
    calendars = calendar_contents(unique.values(), events)
    contracts = Contracts.of(_tool_lock(locks, problems))
    world = World(
        names,
        {key: entry.document for key, entry in unique.items()},
        frozenset(key for key, entry in unique.items() if entry.repaired),
        head.secrets,
        {key: canonical(content) for key, content in calendars.items()},
        contracts,
        head.models,
    )
    for entry in through("Checking specs", entries):
        problems += document_problems(entry, world)
    return Specs(
        project=head.name,
        environment=environment,
        documents=_desired(unique.values(), names, events, calendars, contracts),
        problems=tuple(
            sorted(untelling(problems, secrets.secrets), key=attrgetter("reading_order"))
        ),
        excused=secrets.excused,
        shared=frozenset(attached) | _shared(layers),
        known=names.known,
    )


def _tool_lock(files: Mapping[str, bytes], problems: list[Problem]) -> ToolLock | None:
    """What the tool lock holds; None if there is none, or after telling why it cannot be read."""
    for name, data in files.items():
        try:
            return read_lock(data)
        except NoToolLock as error:
            place = Place(name, error.line, error.column)
            problems.append(problem_at(place, "ORD017", error.message, error.hint))
    return None


def _shared(layers: Layers) -> frozenset[str]:
    """The files of documents that others may refer to, of overlays, and of what is laid over.

    A document refers to those of every kind but Task, and takes from the Project: so a file of tasks that nothing is laid
    over can come, go and change without any other document becoming another, as long as their keys differ.
    """
    laid_over = {str(one.value.get("name")) for one in layers.overlays}
    return frozenset(one.file for one in layers.overlays) | {
        one.file
        for one in layers.documents
        if one.value.get("kind") != Task.__name__ or str(one.value.get("name")) in laid_over
    }


def _read(
    files: Iterable[SourceFile], problems: list[Problem]
) -> tuple[list[SourceDocument], frozenset[str]]:
    """Every document, and the names that stand in files with parts that cannot be read."""
    documents: list[SourceDocument] = []
    doubtful: set[str] = set()
    for file in files:
        reading = read_documents(file.name, file.data)
        problems += reading.problems
        documents += reading.documents
        if reading.problems:
            doubtful |= names_in(file.data)
    return documents, frozenset(doubtful)


def _headed(
    documents: Iterable[SourceDocument], problems: list[Problem]
) -> tuple[list[SourceDocument], frozenset[str]]:
    """The documents whose head names a kind that exists, and the names of the others."""
    headed: list[SourceDocument] = []
    unheaded: set[str] = set()
    for document in documents:
        found = list(_head_problems(document)) if document.sound else []
        problems += found
        if found:
            unheaded.add(str(document.value.get("name")))
        elif document.value.get("kind") in tuple(KINDS):
            headed.append(document)
    return headed, frozenset(unheaded)


def _head_problems(document: SourceDocument) -> Iterator[Problem]:
    version, kind = document.value.get("apiVersion"), document.value.get("kind")
    if version != API_VERSION:
        yield problem_at(
            place_of(document, ("apiVersion",)),
            "ORD004",
            f"`apiVersion` is {shown_kind(version)}"
            if "apiVersion" in document.value
            else "the document lacks `apiVersion`",
            f"write `apiVersion: {API_VERSION}`",
        )
    if not isinstance(kind, str) or kind not in KINDS:
        yield problem_at(
            place_of(document, ("kind",)),
            "ORD004",
            f"unknown kind: {shown_kind(kind)}"
            if "kind" in document.value
            else "the document lacks `kind`",
            did_you_mean(str(kind or ""), KINDS),
        )


def _entries(
    headed: Iterable[SourceDocument],
    head: ProjectHead,
    problems: list[Problem],
    leaks: list[Found],
) -> list[Entry]:
    """Every document fitted to its kind; one that no stand-in could save is left out."""
    entries = []
    for source in headed:
        kind = KINDS[source.value["kind"]]
        value = with_defaults(source.value, kind.__name__, head.defaults)
        if head.variables is not None:
            value = with_variables(value, source, head.variables, problems)
        leaks += leaks_of(source, value)
        fit = fitted(value, kind)
        if source.sound:
            problems += shape_problems(source, kind, fit.errors)
        if fit.document is not None:
            document = fit.document
            key = Key(kind.__name__, document.namespace, document.name)
            entries.append(Entry(source, document, key, fit.repaired))
    return entries


def _unique(entries: Iterable[Entry], problems: list[Problem]) -> dict[Key, Entry]:
    """The entries by identity; of two with one identity the first."""
    unique: dict[Key, Entry] = {}
    for entry in entries:
        if entry.repaired_field("name", "namespace"):
            continue
        first = unique.setdefault(entry.key, entry)
        # A second Project has been reported as such.
        if first is not entry and entry.key.kind != "Project":
            problems.append(
                problem_at(
                    place_of(entry.source, ("name",)),
                    "ORD008",
                    f"{entry.key} is defined twice; first at {shown_place(place_of(first.source, ('name',)))}",
                    "rename one of them: identity is kind, namespace and name, never the file",
                )
            )
    return unique


def _desired(
    entries: Iterable[Entry],
    names: Names,
    events: Mapping[Key, Events],
    calendars: Mapping[Key, Content],
    contracts: Contracts,
) -> dict[Key, Desired]:
    whole = sorted((entry for entry in entries if not entry.repaired), key=lambda entry: entry.key)
    pipelines = {e.key: e.document for e in whole if isinstance(e.document, Pipeline)}
    referred = Referred(names, pipelines, events, calendars, contracts.servers)
    return {entry.key: _one_desired(entry, referred) for entry in whole}


def _one_desired(entry: Entry, referred: Referred) -> Desired:
    body = resolved_body(entry.document, entry.key, referred)
    return Desired(
        key=entry.key,
        content=AtHand(entry.document, body),
        digest=digest_of(body),
        place=entry.place,
        renamed_from=entry.document.renamed_from,
        laid=laid_fields(entry.source) if entry.source.overlaid else (),
    )
