"""Overlays: what an environment changes in documents, laid over them as they are written, before anything else is done.

A Project names a folder for an environment. Each document in it names one of the specs by kind, namespace and name, and
holds only what differs there: mappings are merged all the way down, every other value replaces what was, `null` takes a
field away, and `enabled: false` leaves the whole document out. What is laid keeps its place, so that whatever is found
in it later points into the overlay. The overlays of every environment are checked, whichever one is asked for, and no
two of one environment may say something of the same field: so their order means nothing.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
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
    """A folder that a Project names for an environment; its name ends with a slash."""

    project: SourceDocument
    environment: str
    name: str


class _Address(NamedTuple):
    """Which document is meant, as it is written."""

    kind: str
    namespace: str
    name: str

    @property
    def label(self) -> str:
        return (
            self.name if self.namespace == _DEFAULT_NAMESPACE else f"{self.namespace}/{self.name}"
        )


@dataclass(frozen=True, slots=True)
class Layers:
    """What was read, parted.

    Attributes:
        documents: the documents themselves.
        overlays: the documents in folders of overlays.
        folders: the folders that the Project names for environments.
    """

    documents: list[SourceDocument]
    overlays: list[SourceDocument]
    folders: tuple[_Folder, ...]

    def of(self, environment: str) -> list[SourceDocument]:
        """The overlays of an environment."""
        names = _names(one for one in self.folders if one.environment == environment)
        return [one for one in self.overlays if one.file.startswith(names)]

    def elsewhere(self, environment: str) -> frozenset[str]:
        """The files that belong to other environments."""
        here = {one.file for one in self.of(environment)}
        return frozenset(one.file for one in self.overlays) - here


def parted(read: Sequence[SourceDocument]) -> Layers:
    """Tell the overlays from the documents that they are laid over."""
    anywhere = _names(_folders(read))
    # A Project in a folder of overlays is a part of one and names no folders.
    folders = tuple(_folders(one for one in read if not one.file.startswith(anywhere)))
    names = _names(folders)
    return Layers(
        [one for one in read if not one.file.startswith(names)],
        [one for one in read if one.file.startswith(names)],
        folders,
    )


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
    told = {problem.file for problem in problems}
    # Environments may share a folder, and its problems.
    found = {} if doubtful is None else dict.fromkeys(_folder_problems(layers, told))
    documents = layers.documents
    for name in dict.fromkeys(folder.environment for folder in layers.folders):
        laying = _Laying(layers, name, doubtful)
        laid = laying.documents()
        found |= dict.fromkeys(laying.problems)
        if name == environment:
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
                folder = posixpath.join(posixpath.dirname(document.file), overlay)
                yield _Folder(document, name, posixpath.normpath(folder) + "/")


def _holds_project(folder: _Folder) -> bool:
    return folder.name == "./" or folder.project.file.startswith(folder.name)


def _names(folders: Iterable[_Folder]) -> tuple[str, ...]:
    return tuple(folder.name for folder in folders if not _holds_project(folder))


def _folder_problems(layers: Layers, told: Iterable[str]) -> Iterator[Problem]:
    """Folders that hold the Project too, or nothing, which is a misspelling more often than meant."""
    files = {one.file for one in layers.overlays}.union(told)
    for folder in layers.folders:
        path = ("environments", folder.environment, "overlay")
        place = place_of(folder.project, path)
        if _holds_project(folder):
            message = f"`{path_text(path)}` is a folder around the Project itself"
            yield problem_at(place, "ORD007", message, "name a folder beside the Project")
        elif not any(file.startswith(folder.name) for file in files):
            message = f"`{path_text(path)}` means {folder.name}, where there is no document"
            yield problem_at(place, "ORD009", message, "it is relative to the Project's file")


def _namespaces(documents: Iterable[SourceDocument]) -> Iterator[str]:
    """The namespace of documents that name none, as the Project has it."""
    for document in documents:
        defaults = document.value.get("defaults")
        namespace = defaults.get("namespace") if isinstance(defaults, dict) else None
        if document.value.get("kind") == "Project" and isinstance(namespace, str):
            yield namespace


def _without_name(overlay: SourceDocument) -> Problem:
    name = next((one for one in ("name", "namespace") if one in overlay.value), None)
    message = "this overlay does not say which document it is laid over"
    return problem_at(
        place_of(overlay, (name,) if name else ()), "ORD006", message, "add the document's `name:`"
    )


class _Laying:
    """The overlays of one environment on their way over the documents."""

    def __init__(self, layers: Layers, environment: str, doubtful: frozenset[str] | None) -> None:
        self.problems: list[Problem] = []
        self._read = layers.documents
        self._doubtful = doubtful
        self._namespace = next(_namespaces(layers.documents), _DEFAULT_NAMESPACE)
        # What was refused in a document that is not sound was told, and what is left proves nothing.
        self._overlays = [
            one for one in layers.of(environment) if one.sound and one.value.get("kind") in KINDS
        ]

    def documents(self) -> list[SourceDocument]:
        """Every document that there is in the environment."""
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
        for address, overlays in waiting.items():
            self.problems += self._missing(address, overlays)
        return laid

    def _address(self, document: SourceDocument) -> _Address | None:
        value = document.value
        kind, name = value.get("kind"), value.get("name")
        own = _DEFAULT_NAMESPACE if kind == "Project" else self._namespace
        namespace = value.get("namespace", own)
        if isinstance(kind, str) and isinstance(name, str) and isinstance(namespace, str):
            return _Address(kind, namespace, name)
        return None

    def _missing(self, address: _Address, overlays: Iterable[SourceDocument]) -> Iterator[Problem]:
        if self._doubtful is None or address.name in self._doubtful:
            return
        addresses = filter(None, map(self._address, self._read))
        known = [one.label for one in addresses if one.kind == address.kind]
        for overlay in overlays:
            yield problem_at(
                place_of(overlay, ("name",)),
                "ORD009",
                f"there is no {address.kind} {address.label} to lay this over",
                did_you_mean(address.label, known, "an overlay changes what the specs hold"),
            )

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
