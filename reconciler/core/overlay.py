"""Overlays: what an environment changes in documents, laid over them as they are written, before anything else is done.

A Project names a folder for an environment. Each document in it names one of the specs by kind, namespace and name, and
holds only what differs there, or `enabled: false`, which leaves the whole document out; `laying` has the rules. The
overlays of every environment are checked, whichever one is asked for, and no two of one environment may say something of
the same field: so their order means nothing. Leaves what documents become by it to whoever checks documents.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Final, NamedTuple

from reconciler.core.documents import SourceDocument
from reconciler.core.entry import problem_at
from reconciler.core.laying import Said, laid_over, left_out_problems
from reconciler.core.locate import path_text, place_of
from reconciler.core.suggest import did_you_mean
from schemas.problem import Problem
from schemas.spec import KINDS

_DEFAULT_NAMESPACE: Final = "default"


class _Folder(NamedTuple):
    """A folder that a Project names for an environment; its name ends with a slash, that of the topmost is empty."""

    project: SourceDocument
    environment: str
    name: str

    @property
    def holds_project(self) -> bool:
        return self.project.file.startswith(self.name)


@dataclass(frozen=True, slots=True)
class Layers:
    """What was read, parted.

    Attributes:
        documents: the documents themselves.
        overlays: the documents in folders of overlays.
        by_folder: the same by these folders, each with what is in the folders below it.
        folders: what the Project names for environments.
    """

    documents: list[SourceDocument]
    overlays: list[SourceDocument]
    by_folder: dict[str, list[SourceDocument]]
    folders: tuple[_Folder, ...]

    def folder_of(self, environment: str) -> str | None:
        """The folder of an environment; None if it has none."""
        return next((one.name for one in self.folders if one.environment == environment), None)

    def elsewhere(self, environment: str) -> frozenset[str]:
        """The files of overlays that belong to other environments only."""
        here = self.by_folder.get(self.folder_of(environment) or "", [])
        return frozenset(one.file for one in self.overlays) - {one.file for one in here}


def parted(read: Sequence[SourceDocument]) -> Layers:
    """Tell the overlays from the documents that they are laid over."""
    anywhere = _names(_folders(read))
    # A Project in a folder of overlays is a part of one and names no folders.
    folders = tuple(_folders(one for one in read if not _around(one, anywhere)))
    names = _names(folders)
    layers = Layers([], [], {}, folders)
    for one in read:
        around = _around(one, names)
        (layers.overlays if around else layers.documents).append(one)
        for name in around:
            layers.by_folder.setdefault(name, []).append(one)
    return layers


def overlaid(
    layers: Layers, environment: str, problems: list[Problem], doubtful: frozenset[str] | None
) -> list[SourceDocument]:
    """The documents with the overlays of an environment laid over them.

    Args:
        layers: what was read.
        environment: whose overlays are laid.
        problems: takes what is wrong with the overlays of any environment; their heads have been looked at.
        doubtful: names of documents that may stand where nothing could be read; None if any may.
    """
    told = [problem.file for problem in problems]
    # A folder may lie in that of another environment, and share its problems.
    found = {} if doubtful is None else dict.fromkeys(_folder_problems(layers, told))
    documents = layers.documents
    for folder, overlays in layers.by_folder.items():
        laying = _Laying(layers.documents, overlays, doubtful)
        laid = laying.documents()
        found |= dict.fromkeys(laying.problems)
        if folder == layers.folder_of(environment):
            documents = laid
    problems += found
    return documents


def _folders(documents: Iterable[SourceDocument]) -> Iterator[_Folder]:
    for document in documents:
        environments = document.value.get("environments")
        if document.value.get("kind") != "Project" or not isinstance(environments, dict):
            continue
        for name, environment in environments.items():
            overlay = environment.get("overlay") if isinstance(environment, dict) else None
            if isinstance(overlay, str) and overlay:
                path = posixpath.join(posixpath.dirname(document.file), overlay)
                folder = posixpath.normpath(path) + "/"
                yield _Folder(document, name, "" if folder == "./" else folder)


def _names(folders: Iterable[_Folder]) -> frozenset[str]:
    return frozenset(folder.name for folder in folders if not folder.holds_project)


def _around(document: SourceDocument, folders: Set[str]) -> list[str]:
    """Those of the folders in which a document's file is."""
    return [name for name in _above(document.file) if name in folders] if folders else []


def _above(file: str) -> Iterator[str]:
    """Every folder in which a file is."""
    end = file.find("/") + 1
    while end:
        yield file[:end]
        end = file.find("/", end) + 1


def _folder_problems(layers: Layers, told: Iterable[str]) -> Iterator[Problem]:
    """Folders that hold the Project too, or nothing, which is a misspelling more often than meant."""
    filled = layers.by_folder.keys() | {name for file in told for name in _above(file)}
    for folder in layers.folders:
        path = ("environments", folder.environment, "overlay")
        place = place_of(folder.project, path)
        if folder.holds_project:
            message = f"`{path_text(path)}` is a folder around the Project itself"
            yield problem_at(place, "ORD007", message, "name a folder beside the Project")
        elif folder.name not in filled:
            message = f"`{path_text(path)}` means {folder.name}, where there is no document"
            yield problem_at(place, "ORD009", message, "it is relative to the Project's file")


class _Address(NamedTuple):
    """Which document is meant, as it is written."""

    kind: str
    namespace: str
    name: str

    @property
    def label(self) -> str:
        there = "" if self.namespace == _DEFAULT_NAMESPACE else f"{self.namespace}/"
        return there + self.name


class _Laying:
    """The overlays of one folder on their way over the documents."""

    def __init__(
        self,
        read: Sequence[SourceDocument],
        overlays: Iterable[SourceDocument],
        doubtful: frozenset[str] | None,
    ) -> None:
        self.problems: list[Problem] = []
        self._read = read
        self._doubtful = doubtful
        self._namespace = default_namespace(read)
        # What was refused in a document that is not sound was told, and what is left proves nothing.
        self._overlays = [
            one for one in overlays if one.sound and one.value.get("kind") in tuple(KINDS)
        ]

    def documents(self) -> list[SourceDocument]:
        """Every document that there is with these overlays."""
        waiting: dict[_Address, list[SourceDocument]] = {}
        for overlay in self._overlays:
            if (address := self._address(overlay)) is not None:
                waiting.setdefault(address, []).append(overlay)
            else:
                self.problems.append(_without_name(overlay))
        laid: list[SourceDocument] = []
        for document in self._read:
            address = self._address(document)
            # Of two documents with one identity, which is reported, the first is meant.
            overlays = waiting.pop(address, []) if address is not None else []
            laid += self._one(document, overlays)
        self.problems += self._missing(waiting)
        return laid

    def _address(self, document: SourceDocument) -> _Address | None:
        value = document.value
        kind, name = value.get("kind"), value.get("name")
        own = _DEFAULT_NAMESPACE if kind == "Project" else self._namespace
        namespace = value.get("namespace", own)
        if isinstance(kind, str) and isinstance(name, str) and isinstance(namespace, str):
            return _Address(kind, namespace, name)
        return None

    def _one(
        self, document: SourceDocument, overlays: Iterable[SourceDocument]
    ) -> Iterator[SourceDocument]:
        """A document with its overlays, or nothing if one of them leaves it out."""
        said = Said()
        there = True
        for overlay in overlays:
            if "enabled" in overlay.value:
                self.problems += left_out_problems(overlay, said)
                there = False
            else:
                document = laid_over(document, overlay, said, self.problems)
        if there:
            yield document

    def _missing(self, waiting: dict[_Address, list[SourceDocument]]) -> Iterator[Problem]:
        """Overlays whose document is not there."""
        if self._doubtful is None or not waiting:
            return
        known: dict[str, set[str]] = {}
        for address in filter(None, map(self._address, self._read)):
            known.setdefault(address.kind, set()).add(address.label)
        sorted_known = {kind: tuple(sorted(labels)) for kind, labels in known.items()}
        for address, overlays in waiting.items():
            if address.name in self._doubtful:
                continue
            there = sorted_known.get(address.kind, ())
            message = f"there is no {address.kind} {address.label} to lay this over"
            hint = did_you_mean(address.label, there, "an overlay changes what the specs hold")
            for overlay in overlays:
                yield problem_at(place_of(overlay, ("name",)), "ORD009", message, hint)


def default_namespace(documents: Iterable[SourceDocument]) -> str:
    """The namespace of documents that name none, as the Project has it."""
    for document in documents:
        defaults = document.value.get("defaults")
        namespace = defaults.get("namespace") if isinstance(defaults, dict) else None
        if document.value.get("kind") == "Project" and isinstance(namespace, str):
            return namespace
    return _DEFAULT_NAMESPACE


def _without_name(overlay: SourceDocument) -> Problem:
    name = next((one for one in ("name", "namespace") if one in overlay.value), None)
    message = "this overlay does not say which document it is laid over"
    return problem_at(
        place_of(overlay, (name,) if name else ()), "ORD006", message, "add the document's `name:`"
    )
