"""What is in force, written as specs: to stdout as one stream, or into a folder that holds none of it yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.core.changes import Owner
from reconciler.core.defaults import defaults_in
from reconciler.core.desired import Key
from reconciler.core.exporting import as_yaml, file_of, overlays_of, written
from reconciler.core.suggest import did_you_mean
from runtime.errors import NotFound, PlanError
from runtime.store.history import LiveDocument, list_live_documents
from runtime.store.rows import Connection


class Exported(NamedTuple):
    """A document in force as people write it.

    Attributes:
        data: as plain values.
        text: as YAML.
        attached: the .ics file that it names, which the database does not hold.
        environment: the one that has it so.
        overlays: the environments of a Project that have overlays, which are left out: they are laid already.
    """

    key: Key
    data: dict[str, Any]
    text: str
    attached: str | None
    environment: str
    overlays: list[str]


def export(
    connection: Connection, keys: Sequence[Key], project: str | None, *, skip_defaults: bool
) -> list[Exported]:
    """The documents in force under these keys, or all of a project's, its Project first.

    Args:
        project: `NAME` or `NAME/ENVIRONMENT`; needed where there are several and no keys.

    Raises:
        NotFound: ORD310, there are none, or it is not said of which project.
        PlanError: ORD213, a row is no valid document.
    """
    rows = list_live_documents(connection)
    chosen = _named(rows, keys) if keys else _of_project(rows, project)
    defaults = {
        _owner(row): row.body.get("defaults") or {} for row in rows if row.kind == "Project"
    }
    found = []
    for row in chosen:
        data = written(
            _key(row),
            row.body,
            defaults=defaults_in(row.namespace, defaults.get(_owner(row), {})),
            skip_defaults=skip_defaults,
        )
        overlays = overlays_of(row.kind, row.body)
        found.append(
            Exported(
                _key(row), data, as_yaml(data), data.get("ics"), _owner(row).environment, overlays
            )
        )
    return found


def write_files(documents: Iterable[Exported], folder: Path) -> list[Path]:
    """Write each document to a file of its own; returns the files.

    Raises:
        PlanError: ORD213, one of the files is there already, and nothing was written; or one cannot be written.
    """
    texts = {
        folder.joinpath(*file_of(one.key.kind, one.key.namespace, one.key.name)): one.text
        for one in documents
    }
    present = [path for path in texts if path.exists()]
    if present:
        raise PlanError(
            f"{present[0]} is there already", hint="name a folder without it", code="ORD213"
        )
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise PlanError(
                f"{path} cannot be written: {error.strerror}", code="ORD213"
            ) from error
    return list(texts)


def _named(rows: Iterable[LiveDocument], keys: Sequence[Key]) -> list[LiveDocument]:
    found = {_key(row): row for row in rows}
    for key in keys:
        if key not in found:
            known = [one.label for one in found if one.kind == key.kind]
            raise NotFound(
                f"there is no {key} in force",
                hint=did_you_mean(key.label, known, "`ordinaut history` shows what was"),
            )
    return [found[key] for key in keys]


def _of_project(rows: Sequence[LiveDocument], project: str | None) -> list[LiveDocument]:
    owners = sorted({_owner(row) for row in rows})
    meant = [one for one in owners if project in {None, one.project, _name(one)}]
    if len(meant) != 1:
        raise NotFound(
            "there is nothing in force"
            if not owners
            else "it is not clear which project is meant",
            hint=f"name one with --project: {', '.join(map(_name, owners))}" if owners else "",
        )
    return [row for row in rows if _owner(row) == meant[0]]


def _name(owner: Owner) -> str:
    return f"{owner.project}/{owner.environment}"


def _owner(row: LiveDocument) -> Owner:
    return Owner(row.project, row.environment)


def _key(row: LiveDocument) -> Key:
    return Key(row.kind, row.namespace, row.name)
